// A card's life with oauth4webapi: requests and their processing apart, plain http allowed for loopback.
import * as oauth from 'oauth4webapi'
import { changed, facts, plan, refusal, tell, token } from './telling.mjs'

const loopback = { [oauth.allowInsecureRequests]: true }
const json = new Headers({ 'content-type': 'application/json', accept: 'application/json' })

const authenticates = (client) =>
  client.token_endpoint_auth_method === 'client_secret_post'
    ? oauth.ClientSecretPost(client.client_secret)
    : oauth.ClientSecretBasic(client.client_secret)

const issuer = new URL(plan.issuer)
const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...loopback })
const as = await oauth.processDiscoveryResponse(issuer, found)
tell('discover', { issuer: as.issuer })

const offered = await oauth.dynamicClientRegistrationRequest(as, plan.card, {
  initialAccessToken: plan.initial_access_token,
  ...loopback,
})
let client = await oauth.processDynamicClientRegistrationResponse(offered)
tell('register', { card: client })

async function fetchToken() {
  const parameters = { scope: plan.scope, resource: plan.resource }
  const answer = await oauth.clientCredentialsGrantRequest(as, client, authenticates(client), parameters, loopback)
  return oauth.processClientCredentialsResponse(as, client, answer)
}

async function introspect(asker, value) {
  const answer = await oauth.introspectionRequest(as, asker, authenticates(asker), value, loopback)
  return facts(await oauth.processIntrospectionResponse(as, asker, answer))
}

async function manage(method, body = null) {
  const uri = new URL(client.registration_client_uri)
  const answer = await oauth.protectedResourceRequest(client.registration_access_token, method, uri, json, body, loopback)
  if (answer.ok && answer.status !== 204) client = await answer.clone().json()
  return answer
}

const first = await fetchToken()
tell('token', token(first))
tell('introspect', await introspect(plan.introspector, first.access_token))
tell('ask_about_own', await introspect(client, first.access_token))
const revoked = await oauth.revocationRequest(as, client, authenticates(client), first.access_token, loopback)
await oauth.processRevocationResponse(revoked)
tell('revoke')
tell('introspect_revoked', await introspect(plan.introspector, first.access_token))

await manage('GET')
tell('read', { card: client })
await manage('PUT', changed(client))
tell('update', { card: client })
await manage('GET')
tell('read_updated', { card: client })

const second = await fetchToken()
tell('second_token', token(second))
tell('introspect_second', await introspect(plan.introspector, second.access_token))
tell('delete', { status: (await manage('DELETE')).status })
tell('introspect_orphan', await introspect(plan.introspector, second.access_token))
tell('token_refused', await refusal(fetchToken()))
tell('read_refused', await refusal(manage('GET')))
