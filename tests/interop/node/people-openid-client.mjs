// openid-client signs a person in: the code flow with everything checked that this library can check, and the whole life after it.
import * as client from 'openid-client'
import { Browser } from './browser.mjs'
import { answered, members, plan, refusal, signedIn, tell } from './telling.mjs'

const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] }
const issuer = new URL(plan.issuer)
const browser = new Browser(plan.issuer, plan.person)
const { client_id, client_secret } = plan.introspector

const asker = await client.discovery(issuer, client_id, undefined, client.ClientSecretBasic(client_secret), options)
tell('discover', { issuer: asker.serverMetadata().issuer })

const authentication = plan.card.token_endpoint_auth_method === 'none' ? client.None() : undefined
const registered = await client.dynamicClientRegistration(issuer, plan.card, authentication, options)
const card = registered.clientMetadata()
tell('register', { card })

// Which secret to send is only known from the answer.
const secret = card.client_secret ? client.ClientSecretBasic(card.client_secret) : client.None()
const own = new client.Configuration(registered.serverMetadata(), card.client_id, card, secret)
for (const execute of options.execute) execute(own)

// One request: its address, and what its answer is checked against.
async function begin(more = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const checks = { pkceCodeVerifier, expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
  const url = client.buildAuthorizationUrl(own, {
    redirect_uri: plan.redirect_uri,
    scope: plan.scope,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...more,
  })
  return { url, checks }
}

async function refusedWith(more, decision) {
  const { url, checks } = await begin(more)
  const back = await browser.visit(url, decision)
  return { ...(await refusal(client.authorizationCodeGrant(own, back, checks))), forms: browser.forms, ...members(back) }
}

const introspect = async (token) => answered(await client.tokenIntrospection(asker, token))
const userinfo = (tokens, sub) => client.fetchUserInfo(own, tokens.access_token, sub)

async function manage(method) {
  const uri = new URL(card.registration_client_uri)
  return client.fetchProtectedResource(own, card.registration_access_token, uri, method)
}

tell('denied', await refusedWith({}, 'cancel'))

const { url, checks } = await begin({ prompt: 'consent' })
const back = await browser.visit(url)
tell('code', { forms: browser.forms, ...members(back) })

const elsewhere = new URL(back)
elsewhere.searchParams.set('iss', 'https://mallory.example')
tell('other_issuer', { refused: await client.authorizationCodeGrant(own, elsewhere, checks).then(() => false, () => true) })

const tokens = await client.authorizationCodeGrant(own, back, checks)
const { sub } = tokens.claims()
tell('tokens', signedIn(tokens, tokens.claims()))
tell('silent', await refusedWith({ prompt: 'none' }))
tell('userinfo', { claims: await userinfo(tokens, sub) })
tell('introspect', await introspect(tokens.access_token))

const fresh = await client.refreshTokenGrant(own, tokens.refresh_token)
tell('refresh', { ...signedIn(fresh, fresh.claims()), rotated: fresh.refresh_token !== tokens.refresh_token })
tell('introspect_refreshed', await introspect(fresh.access_token))

await client.tokenRevocation(own, fresh.refresh_token)
tell('revoke')
tell('introspect_revoked', await introspect(fresh.access_token))
tell('userinfo_refused', await refusal(userinfo(fresh, sub)))
tell('refresh_refused', await refusal(client.refreshTokenGrant(own, fresh.refresh_token)))

const read = await manage('GET')
tell('read', { status: read.status, card: await read.json() })

const again = await begin()
const second = await client.authorizationCodeGrant(own, await browser.visit(again.url), again.checks)
tell('second', { forms: browser.forms })
tell('delete', { status: (await manage('DELETE')).status })
tell('introspect_orphan', await introspect(second.access_token))
tell('userinfo_orphan', await refusal(userinfo(second, sub)))
tell('read_refused', await refusal(manage('GET')))
tell('unknown_at_token', await refusal(client.refreshTokenGrant(own, fresh.refresh_token)))
tell('unknown_at_authorize', await refusal(begin().then((again) => browser.visit(again.url))))
