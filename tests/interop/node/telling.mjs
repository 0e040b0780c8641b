// What all drivers share: JSON lines on standard input, the plan first, and one JSON line a step on standard output.
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

// The next thing that whoever started the driver has to say.
export async function hear() {
  const { done, value } = await lines.next()
  if (done) throw new Error('nothing more was said')
  return JSON.parse(value)
}

export const plan = await hear()

export function tell(step, facts = {}) {
  console.log(JSON.stringify({ step, ...facts }))
}

export function token(answer) {
  return { token_type: answer.token_type, expires_in: answer.expires_in, scope: answer.scope }
}

export function facts({ active, client_id, scope }) {
  return { active, client_id, scope }
}

// A refusal that came with a challenge has its OAuth error in the body, which the libraries leave unread.
export async function refusal(attempt) {
  try {
    await attempt
  } catch ({ status, error, response }) {
    return { status, error: error ?? (await response?.json())?.error }
  }
  return {}
}

// A card as RFC 7592 section 2.2 wants it back: without the four members that only the server says.
export function changed(card) {
  const {
    registration_access_token: _token,
    registration_client_uri: _uri,
    client_id_issued_at: _issued,
    client_secret_expires_at: _expires,
    ...said
  } = card
  return JSON.stringify({ ...said, client_name: plan.new_name })
}

// What an answer that went through the browser carries, and who says that it comes from them.
export function members(back) {
  return { members: [...back.searchParams.keys()].sort(), issuer: back.searchParams.get('iss') }
}

// Tokens of a person, with what the ID token says.
export function signedIn(answer, claims) {
  return { ...token(answer), claims }
}

// Everything that introspection says.
export function answered({ active, client_id, scope, sub, aud }) {
  return { active, client_id, scope, sub, aud: [aud ?? []].flat() }
}

// What a client holds: who it is, and a mark of the access token, which tells whether it is still the same.
export function shown({ client_id, ...card }, { access_token, scope, token_type }) {
  return { client_id, card, scope, token_type, mark: access_token.slice(-12) }
}
