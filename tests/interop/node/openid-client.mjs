// A card's life with openid-client: one configuration does everything.
import * as client from 'openid-client'
import { changed, facts, plan, refusal, tell, token } from './telling.mjs'

const options = { algorithm: 'oauth2', execute: [client.allowInsecureRequests] }
const json = new Headers({ 'content-type': 'application/json', accept: 'application/json' })
const issuer = new URL(plan.issuer)

const authenticates = ({ token_endpoint_auth_method, client_secret }) =>
  token_endpoint_auth_method === 'client_secret_post'
    ? client.ClientSecretPost(client_secret)
    : client.ClientSecretBasic(client_secret)

const { client_id, client_secret } = plan.introspector
const asker = await client.discovery(issuer, client_id, undefined, client.ClientSecretBasic(client_secret), options)
tell('discover', { issuer: asker.serverMetadata().issuer })

// Which secret to send is only known from the answer, so the method is chosen after it.
const registered = await client.dynamicClientRegistration(issuer, plan.card, undefined, {
  initialAccessToken: plan.initial_access_token,
  ...options,
})
let card = registered.clientMetadata()
tell('register', { card })

function configured() {
  const configuration = new client.Configuration(registered.serverMetadata(), card.client_id, card, authenticates(card))
  client.allowInsecureRequests(configuration)
  return configuration
}

const fetchToken = () =>
  client.clientCredentialsGrant(configured(), { scope: plan.scope, resource: plan.resource })

async function introspect(configuration, value) {
  return facts(await client.tokenIntrospection(configuration, value))
}

async function manage(method, body) {
  const uri = new URL(card.registration_client_uri)
  const answer = await client.fetchProtectedResource(configured(), card.registration_access_token, uri, method, body, json)
  if (answer.ok && answer.status !== 204) card = await answer.json()
  return answer
}

const first = await fetchToken()
tell('token', token(first))
tell('introspect', await introspect(asker, first.access_token))
tell('ask_about_own', await introspect(configured(), first.access_token))
await client.tokenRevocation(configured(), first.access_token)
tell('revoke')
tell('introspect_revoked', await introspect(asker, first.access_token))

await manage('GET')
tell('read', { card })
await manage('PUT', changed(card))
tell('update', { card })
await manage('GET')
tell('read_updated', { card })

const second = await fetchToken()
tell('second_token', token(second))
tell('introspect_second', await introspect(asker, second.access_token))
tell('delete', { status: (await manage('DELETE')).status })
tell('introspect_orphan', await introspect(asker, second.access_token))
tell('token_refused', await refusal(fetchToken()))
tell('read_refused', await refusal(manage('GET')))
