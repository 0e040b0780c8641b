// What both drivers share: the plan on standard input, one JSON line a step on standard output.
import { readFileSync } from 'node:fs'

export const plan = JSON.parse(readFileSync(0, 'utf8'))

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
    return { status, error: error ?? (await response.json()).error }
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
