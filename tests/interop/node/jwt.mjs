// openid-client and oauth4webapi authenticate by a JWT, with a key pair or with a secret that is never sent.
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { facts, plan, tell, token } from './telling.mjs'

const issuer = new URL(plan.issuer)
const insecure = { [oauth.allowInsecureRequests]: true }
const asked = { scope: plan.scope, resource: plan.resource }
const ALGORITHMS = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  Ed25519: { name: 'Ed25519' },
}

async function keyed(alg) {
  const pair = await crypto.subtle.generateKey(ALGORITHMS[alg], true, ['sign', 'verify'])
  const { kty, crv, x, y, n, e } = await crypto.subtle.exportKey('jwk', pair.publicKey)
  const keys = [{ kty, crv, x, y, n, e, kid: alg, alg, use: 'sig' }]
  return { key: { key: pair.privateKey, kid: alg }, said: { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys } } }
}

async function register(said) {
  const { initial_access_token: initialAccessToken } = plan
  const configuration = await client.dynamicClientRegistration(issuer, { ...plan.card, ...said }, undefined, {
    initialAccessToken,
    algorithm: 'oauth2',
    execute: [client.allowInsecureRequests],
  })
  return [configuration.serverMetadata(), configuration.clientMetadata()]
}

async function both(name, said, byClient, byWeb) {
  const [metadata, card] = await register(said)
  const configuration = new client.Configuration(metadata, card.client_id, card, byClient(card))
  client.allowInsecureRequests(configuration)
  const answer = await client.clientCredentialsGrant(configuration, asked)
  tell(`${name}, openid-client`, { ...token(answer), ...facts(await client.tokenIntrospection(configuration, answer.access_token)) })
  await client.tokenRevocation(configuration, answer.access_token)

  const response = await oauth.clientCredentialsGrantRequest(metadata, card, byWeb(card), asked, insecure)
  const again = await oauth.processClientCredentialsResponse(metadata, card, response)
  const told = await oauth.introspectionRequest(metadata, card, byWeb(card), again.access_token, insecure)
  tell(`${name}, oauth4webapi`, { ...token(again), ...facts(await oauth.processIntrospectionResponse(metadata, card, told)) })
}

for (const alg of Object.keys(ALGORITHMS)) {
  const { key, said } = await keyed(alg)
  await both(alg, said, () => client.PrivateKeyJwt(key), () => oauth.PrivateKeyJwt(key))
}
const shared = { token_endpoint_auth_method: 'client_secret_jwt' }
await both('HS256', shared, (card) => client.ClientSecretJwt(card.client_secret), (card) => oauth.ClientSecretJwt(card.client_secret))
