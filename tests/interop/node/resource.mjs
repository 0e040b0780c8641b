// A small MCP server that takes our tokens: it says so (RFC 9728), challenges, and has a tool for each of its scopes.
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import * as oauth from 'oauth4webapi'

const loopback = { [oauth.allowInsecureRequests]: true }
const READ = 'tides:read'
const WRITE = 'tides:write'
const TOOLS = {
  who: { needs: [READ], does: ({ sub }) => sub },
  write: { needs: [READ, WRITE], does: () => 'written' },
}
const METADATA_PATH = '/.well-known/oauth-protected-resource/mcp'

// What a token says, if it lives and is for this resource: asked of the server, or read with its keys.
const JUDGES = {
  opaque: async (as, { introspector, url }, bearer) => {
    const authentication = oauth.ClientSecretBasic(introspector.client_secret)
    const answer = await oauth.introspectionRequest(as, introspector, authentication, bearer, loopback)
    const said = await oauth.processIntrospectionResponse(as, introspector, answer)
    return said.active && [said.aud].flat().includes(url) ? said : undefined
  },
  jwt: (as, { url }, bearer) => {
    const request = new Request(url, { headers: { authorization: `Bearer ${bearer}` } })
    return oauth.validateJwtAccessToken(as, request, url, loopback).catch(() => undefined)
  },
}

const RESULTS = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'Tides', version: '1' } }),
  ping: () => ({}),
  'tools/list': () => ({ tools: Object.keys(TOOLS).map((name) => ({ name, inputSchema: { type: 'object' } })) }),
  'tools/call': ({ name }, claims) => ({ content: [{ type: 'text', text: TOOLS[name].does(claims) }] }),
}

export class Resource {
  #as
  #http = createServer((request, response) => this.#answer(request, response))

  constructor({ issuer, introspector, mcp }) {
    this.issuer = issuer
    this.introspector = introspector // another one after a loss
    this.url = mcp.url
    this.judge = JUDGES[mcp.tokens]
  }

  async open() {
    const issuer = new URL(this.issuer)
    const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...loopback })
    this.#as = await oauth.processDiscoveryResponse(issuer, found)
    await new Promise((listening) => this.#http.listen(new URL(this.url).port, '127.0.0.1', listening))
  }

  async #answer(request, response) {
    const body = await text(request)
    if (request.url === METADATA_PATH) return send(response, 200, this.#metadata())
    const claims = await this.#claims(request)
    if (!claims) return this.#challenge(response, 401, { error: 'invalid_token', scope: READ })
    if (request.method !== 'POST') return send(response, 405)
    const { id, method, params } = JSON.parse(body)
    if (id === undefined) return send(response, 202)
    const needed = TOOLS[params?.name]?.needs ?? [READ]
    const allowed = claims.scope.split(' ')
    if (!needed.every((scope) => allowed.includes(scope))) {
      return this.#challenge(response, 403, { error: 'insufficient_scope', scope: needed.join(' ') })
    }
    return send(response, 200, { jsonrpc: '2.0', id, result: RESULTS[method](params, claims) })
  }

  #metadata() {
    return {
      resource: this.url,
      authorization_servers: [this.issuer],
      scopes_supported: [READ],
      bearer_methods_supported: ['header'],
    }
  }

  async #claims(request) {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    return bearer ? this.judge(this.#as, this, bearer) : undefined
  }

  #challenge(response, status, says) {
    const all = { ...says, resource_metadata: new URL(METADATA_PATH, this.url) }
    const parameters = Object.entries(all).map(([name, value]) => `${name}="${value}"`)
    send(response.setHeader('www-authenticate', `Bearer ${parameters.join(', ')}`), status)
  }
}

function send(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(value && JSON.stringify(value))
}

// The end of an access token before its time, which leaves a client its refresh token to go on with.
export async function giveBack(issuer, { client_id, client_secret }, { access_token }) {
  const as = { issuer, revocation_endpoint: `${issuer}/revoke` }
  const authentication = client_secret ? oauth.ClientSecretBasic(client_secret) : oauth.None()
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, { client_id }, authentication, access_token, loopback))
}
