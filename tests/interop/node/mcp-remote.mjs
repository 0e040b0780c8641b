// mcp-remote as a desktop application starts it: a program that opens the person's browser and listens for the answer on localhost.
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { Browser } from './browser.mjs'
import { giveBack, Resource } from './resource.mjs'
import { hear, plan, shown, tell } from './telling.mjs'

const program = join(dirname(createRequire(import.meta.url).resolve('mcp-remote/package.json')), 'dist', 'proxy.js')
const browser = new Browser(plan.issuer, plan.person)
const resource = new Resource(plan)

// What opens browsers on this machine does nothing here; the address is taken from what mcp-remote prints.
const desk = join(plan.home, 'desk')
mkdirSync(desk, { recursive: true })
writeFileSync(join(desk, 'browser'), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
for (const name of ['open', 'xdg-open', 'gio', 'x-www-browser', 'sensible-browser']) symlinkSync('browser', join(desk, name))

const config = join(plan.home, 'config')
const env = {
  HOME: plan.home,
  MCP_REMOTE_CONFIG_DIR: config,
  BROWSER: join(desk, 'browser'),
  PATH: [desk, dirname(process.execPath), process.env.PATH].join(delimiter),
}

let asked
let back
let listens
let waitInVain

function desktop() {
  listens = false
  const args = [program, resource.url, '--transport', 'http-only']
  const transport = new StdioClientTransport({ command: process.execPath, args, env, stderr: 'pipe' })
  createInterface({ input: transport.stderr }).on('line', watch)
  const made = new Client({ name: 'Desktop', version: '1' })
  return { made, connected: made.connect(transport) }
}

async function start() {
  const { made, connected } = desktop()
  await connected
  return made
}

// The person goes where their browser was opened; it hands the answer to the listener, which in a running session starts only then.
async function watch(line) {
  if (line.startsWith(`${plan.issuer}/authorize?`)) asked = line
  if (line.includes('OAuth callback server running')) listens = true
  if (line.includes('already under way; not starting another')) waitInVain?.()
  if (line.includes('Browser opened automatically')) back = await browser.visit(asked)
  if (listens && back) await deliver()
}

async function deliver() {
  const where = back
  back = undefined
  listens = false
  const answer = await fetch(where)
  await answer.text()
  if (!answer.ok) throw new Error(`mcp-remote did not like the answer: ${answer.status}`)
}

// Where mcp-remote keeps things in its folder.
function place(what) {
  const [name] = readdirSync(config, { recursive: true }).filter((path) => path.endsWith(`_${what}.json`))
  return join(config, name)
}

const kept = (what) => JSON.parse(readFileSync(place(what), 'utf8'))

async function told(step, tool) {
  const { content } = await client.callTool({ name: tool, arguments: {} })
  tell(step, { said: content[0].text, trips: browser.trips, forms: browser.forms, ...shown(kept('client_info'), kept('tokens')) })
}

// Without tokens, mcp-remote first looks at the page by itself. Told there that it is unknown, it registers again, but release 0.15.1
// then waits for the browser that it did not open. Its person loses patience and starts it once more.
async function registersAgainWithoutTokens() {
  rmSync(place('tokens'))
  const vain = new Promise((resolve) => {
    waitInVain = resolve
  })
  const { made, connected } = desktop()
  await Promise.race([vain, connected])
  await made.close()
  await connected.catch(() => undefined)
}

// A refresh that nobody notices, a question for more, and the next day.
async function liveOn() {
  await giveBack(plan.issuer, kept('client_info'), kept('tokens'))
  await told('refreshed', 'who')
  await told('stepped_up', 'write')
  await client.close()
  client = await start()
  await told('restarted', 'who')
}

await resource.open()
let client = await start()
await told('asked', 'who')

if (!plan.brief) await liveOn()

const { after, ...news } = await hear()
Object.assign(resource, news)
if (after !== 'running') await client.close()
if (after === 'forgotten') await registersAgainWithoutTokens()
if (after !== 'running') client = await start()
await told('recovered', 'who')
await client.close()
process.exit()
