// The MCP client of TypeScript with its OAuth provider: it finds us by way of a protected MCP server, and finds back after a loss.
import { randomUUID } from 'node:crypto'
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import { Browser, Stranded } from './browser.mjs'
import { giveBack, Resource } from './resource.mjs'
import { hear, plan, shown, tell } from './telling.mjs'

const browser = new Browser(plan.issuer, plan.person)
const resource = new Resource(plan)

// What an application keeps for the library, in memory.
class Provider {
  redirectUrl = plan.card.redirect_uris[0]
  clientMetadata = plan.card
  clientMetadataUrl = plan.address // where the card is published, if it is
  #kept = {}
  #state

  state() {
    this.#state = randomUUID()
    return this.#state
  }

  clientInformation() {
    return this.#kept.client
  }

  saveClientInformation(client) {
    this.#kept.client = client
  }

  tokens() {
    return this.#kept.tokens
  }

  saveTokens(tokens) {
    this.#kept.tokens = tokens
  }

  codeVerifier() {
    return this.#kept.verifier
  }

  saveCodeVerifier(verifier) {
    this.#kept.verifier = verifier
  }

  discoveryState() {
    return this.#kept.discovery
  }

  saveDiscoveryState(discovery) {
    this.#kept.discovery = discovery
  }

  invalidateCredentials(which) {
    if (which === 'all') this.#kept = {}
    else delete this.#kept[which]
  }

  async redirectToAuthorization(url) {
    const back = await browser.visit(url)
    if (back.searchParams.get('state') !== this.#state) throw new Error('another state came back')
    this.back = back.searchParams
  }
}

const provider = new Provider()
let current

// Where the library sent the person away, their answer is handed in and the same is tried once more.
async function afterTheBrowser(attempt) {
  try {
    return await attempt()
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error
    await current.finishAuth(provider.back)
    return attempt()
  }
}

async function connect() {
  current = new StreamableHTTPClientTransport(new URL(resource.url), { authProvider: provider })
  const made = new Client({ name: 'Tide tables', version: '1' })
  await made.connect(current)
  return made
}

async function told(step, tool) {
  const { content } = await afterTheBrowser(() => client.callTool({ name: tool, arguments: {} }))
  tell(step, { said: content[0].text, trips: browser.trips, forms: browser.forms, ...shown(provider.clientInformation(), provider.tokens()) })
}

await resource.open()
const client = await afterTheBrowser(connect)
await told('asked', 'who')

await giveBack(plan.issuer, provider.clientInformation(), provider.tokens())
await told('refreshed', 'who')
await told('stepped_up', 'write')

Object.assign(resource, await hear())
try {
  await told('recovered', 'who')
} catch (error) {
  if (!(error instanceof Stranded)) throw error
  tell('stranded', { status: error.status, trips: browser.trips })
}
process.exit()
