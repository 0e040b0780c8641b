// oauth4webapi signs a person in: the same life as with openid-client, each request and the processing of its answer apart.
import * as oauth from 'oauth4webapi'
import { Browser } from './browser.mjs'
import { answered, members, plan, refusal, signedIn, tell } from './telling.mjs'

const loopback = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(plan.issuer)
const browser = new Browser(plan.issuer, plan.person)

const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...loopback })
const as = await oauth.processDiscoveryResponse(issuer, found)
tell('discover', { issuer: as.issuer })

const offered = await oauth.dynamicClientRegistrationRequest(as, plan.card, loopback)
const card = await oauth.processDynamicClientRegistrationResponse(offered)
tell('register', { card })

const methods = {
  none: () => oauth.None(),
  client_secret_basic: ({ client_secret }) => oauth.ClientSecretBasic(client_secret),
  client_secret_post: ({ client_secret }) => oauth.ClientSecretPost(client_secret),
}
const own = methods[card.token_endpoint_auth_method](card)

async function begin(more = {}) {
  const checks = { verifier: oauth.generateRandomCodeVerifier(), state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() }
  const url = new URL(as.authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: card.client_id,
    response_type: 'code',
    redirect_uri: plan.redirect_uri,
    scope: plan.scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(checks.verifier),
    code_challenge_method: 'S256',
    state: checks.state,
    nonce: checks.nonce,
    ...more,
  })
  return { url, checks }
}

async function refusedWith(more, decision) {
  const { url, checks } = await begin(more)
  const back = await browser.visit(url, decision)
  const read = async () => oauth.validateAuthResponse(as, card, back, checks.state)
  return { ...(await refusal(read())), forms: browser.forms, ...members(back) }
}

async function exchange(back, checks) {
  const answer = oauth.validateAuthResponse(as, card, back, checks.state)
  const reply = await oauth.authorizationCodeGrantRequest(as, card, own, answer, plan.redirect_uri, checks.verifier, loopback)
  const expected = { expectedNonce: checks.nonce, requireIdToken: true }
  const tokens = await oauth.processAuthorizationCodeResponse(as, card, reply, expected)
  await oauth.validateApplicationLevelSignature(as, reply, loopback)
  return tokens
}

async function refresh(token) {
  const reply = await oauth.refreshTokenGrantRequest(as, card, own, token, loopback)
  const tokens = await oauth.processRefreshTokenResponse(as, card, reply)
  await oauth.validateApplicationLevelSignature(as, reply, loopback)
  return tokens
}

async function introspect(token) {
  const asker = plan.introspector
  const reply = await oauth.introspectionRequest(as, asker, oauth.ClientSecretBasic(asker.client_secret), token, loopback)
  return answered(await oauth.processIntrospectionResponse(as, asker, reply))
}

async function userinfo(tokens, sub) {
  const reply = await oauth.userInfoRequest(as, card, tokens.access_token, loopback)
  return oauth.processUserInfoResponse(as, card, sub, reply)
}

function manage(method) {
  const uri = new URL(card.registration_client_uri)
  return oauth.protectedResourceRequest(card.registration_access_token, method, uri, new Headers(), null, loopback)
}

tell('denied', await refusedWith({}, 'cancel'))

const { url, checks } = await begin({ prompt: 'consent' })
const back = await browser.visit(url)
tell('code', { forms: browser.forms, ...members(back) })

const elsewhere = new URL(back)
elsewhere.searchParams.set('iss', 'https://mallory.example')
tell('other_issuer', { refused: await exchange(elsewhere, checks).then(() => false, () => true) })

const tokens = await exchange(back, checks)
const claims = oauth.getValidatedIdTokenClaims(tokens)
tell('tokens', signedIn(tokens, claims))
tell('silent', await refusedWith({ prompt: 'none' }))
tell('userinfo', { claims: await userinfo(tokens, claims.sub) })
tell('introspect', await introspect(tokens.access_token))

const fresh = await refresh(tokens.refresh_token)
tell('refresh', { ...signedIn(fresh, oauth.getValidatedIdTokenClaims(fresh)), rotated: fresh.refresh_token !== tokens.refresh_token })
tell('introspect_refreshed', await introspect(fresh.access_token))

await oauth.processRevocationResponse(await oauth.revocationRequest(as, card, own, fresh.refresh_token, loopback))
tell('revoke')
tell('introspect_revoked', await introspect(fresh.access_token))
tell('userinfo_refused', await refusal(userinfo(fresh, claims.sub)))
tell('refresh_refused', await refusal(refresh(fresh.refresh_token)))

const read = await manage('GET')
tell('read', { status: read.status, card: await read.json() })

const again = await begin()
const second = await exchange(await browser.visit(again.url), again.checks)
tell('second', { forms: browser.forms })
tell('delete', { status: (await manage('DELETE')).status })
tell('introspect_orphan', await introspect(second.access_token))
tell('userinfo_orphan', await refusal(userinfo(second, claims.sub)))
tell('read_refused', await refusal(manage('GET')))
tell('unknown_at_token', await refusal(refresh(second.refresh_token)))
tell('unknown_at_authorize', await refusal(begin().then(({ url }) => browser.visit(url))))
