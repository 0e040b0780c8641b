// A person's browser without a screen and without scripts: it keeps cookies, follows redirects of one server and fills in its forms.
const MOST_STEPS = 10
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', '#34': '"', '#39': "'" }

const unescaped = (text) => text.replace(/&(amp|lt|gt|quot|#34|#39);/g, (_, name) => ENTITIES[name])

const attributes = (tag) => Object.fromEntries([...tag.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name, unescaped(value)]))

// The form with this id: where it is sent to, and what it hides.
function formOf(page, id) {
  const opening = [...page.matchAll(/<form\b[^>]*>/g)].find(([tag]) => attributes(tag).id === id)
  if (!opening) return undefined
  const body = page.slice(opening.index, page.indexOf('</form>', opening.index))
  const inputs = [...body.matchAll(/<input\b[^>]*>/g)].map(([tag]) => attributes(tag))
  const hidden = inputs.filter(({ type }) => type === 'hidden').map(({ name, value }) => [name, value])
  return { action: attributes(opening[0]).action, fields: Object.fromEntries(hidden) }
}

// What the person sees when the way ends at the server: no form, no redirect.
export class Stranded extends Error {
  constructor(status, page) {
    super(`the browser ended at a page (${status}): ${page.slice(0, 2000)}`)
    this.status = status
    this.page = page
  }
}

export class Browser {
  // How often a client sent the person here, and the forms of the last time.
  trips = 0
  forms = []
  #cookies = new Map()

  constructor(issuer, person) {
    this.issuer = issuer
    this.person = person
  }

  // Come from a client, sign in where asked, answer the question: the address that leads back to the client.
  async visit(url, decision = 'allow') {
    this.trips += 1
    this.forms = []
    let answer = await this.#get(url)
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const next = answer.headers.get('location')
      if (next && !next.startsWith(`${this.issuer}/`)) return new URL(next)
      answer = next ? await this.#get(next) : await this.#fill(answer, decision)
    }
    throw new Error(`no way out after ${MOST_STEPS} steps: ${this.forms}`)
  }

  async #fill(answer, decision) {
    const page = await answer.text()
    const filled = { 'sign-in': this.person, consent: { decision } }
    for (const [id, fields] of Object.entries(filled)) {
      const form = formOf(page, id)
      if (!form || this.forms.includes(id)) continue
      this.forms.push(id)
      return this.#post(form.action, { ...form.fields, ...fields })
    }
    throw new Stranded(answer.status, page)
  }

  #get(url) {
    return this.#ask(url, {})
  }

  // Pages of the server send no referrer, so browsers call the origin of their forms null.
  #post(action, fields) {
    return this.#ask(new URL(action, this.issuer), { method: 'POST', body: new URLSearchParams(fields), headers: { origin: 'null' } })
  }

  async #ask(url, { headers, ...request }) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const sent = { accept: 'text/html', 'user-agent': 'Example/1.0', ...(cookie ? { cookie } : {}), ...headers }
    const answer = await fetch(url, { ...request, headers: sent, redirect: 'manual' })
    for (const line of answer.headers.getSetCookie()) this.#keep(line)
    return answer
  }

  #keep(line) {
    const [pair, ...properties] = line.split(';').map((part) => part.trim())
    const [name, ...value] = pair.split('=')
    if (properties.includes('Max-Age=0')) this.#cookies.delete(name)
    else this.#cookies.set(name, value.join('='))
  }
}
