/** The REST API, as the page uses it. */

// The page may be at any path of a server.
const ROOT = new URL('..', import.meta.url);
const KEPT = 'sgconductor.credentials';
// In milliseconds.
const PATIENCE = 20_000;
const SILENCE = 30_000;
const PAGE = 1000;

/** The API cannot be reached, or gave no answer. */
export class Unreachable extends Error {}

/**
 * The API has refused.
 *
 * The message is the server's words; `again` is after how many milliseconds
 * to ask again, if it said so.
 */
export class Refused extends Error {
  constructor(status, title, detail, requestId, again) {
    super(detail);
    this.status = status;
    this.title = title;
    this.requestId = requestId;
    this.again = again;
  }
}

/**
 * @param {function} ask - gets the challenge of a server and whether an
 *   answer to it was wrong; resolves to a header, as [name, value], or null
 */
export class Api {
  #ask;
  #asking = null;
  #declined = false;
  #credentials = JSON.parse(sessionStorage.getItem(KEPT));

  constructor(ask) {
    this.#ask = ask;
  }

  get signedIn() {
    return this.#credentials !== null;
  }

  signOut() {
    this.#keep(null);
  }

  /** Let the next request that needs it ask who is there. */
  signIn() {
    this.#declined = false;
  }

  /** All services, page by page. */
  async *services() {
    let query = `?limit=${PAGE}`;
    while (query) {
      const page = await this.#json('GET', `v1/services${query}`);
      yield page.services;
      const next = page.links.find((link) => link.rel === 'next');
      // Behind a proxy, the rest of it may not be how we came here.
      query = next && new URL(next.href, ROOT).search;
    }
  }

  change(uuid, changes) {
    return this.#json('PATCH', `v1/services/${uuid}`, changes);
  }

  delete(uuid) {
    return this.#json('DELETE', `v1/services/${uuid}`);
  }

  evidence(uuid) {
    return this.#json('GET', `v1/services/${uuid}/evidence`);
  }

  async pins() {
    return (await this.#json('GET', 'v1/pins')).pins;
  }

  pin(binary) {
    return this.#json('GET', `v1/pins/${encodeURIComponent(binary)}`);
  }

  hold(binary, version) {
    const path = `v1/pins/${encodeURIComponent(binary)}/hold`;
    return this.#json('PUT', path, {version});
  }

  release(binary) {
    const path = `v1/pins/${encodeURIComponent(binary)}/hold`;
    return this.#json('DELETE', path);
  }

  async drivers() {
    return (await this.#json('GET', 'v1/liveness?limit=1')).drivers;
  }

  async events(limit) {
    return (await this.#json('GET', `v1/events?limit=${limit}`)).events;
  }

  /**
   * Messages as they come, until the server ends it, as it does now and
   * then.
   *
   * @param {number} after - id of the last event that is known
   * @param {AbortSignal} signal
   * @param {function} begun - is called when the server has answered
   */
  async *stream(after, signal, begun) {
    const silent = new AbortController();
    let timer;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE);
    };
    const until = () => {
      heard();
      return AbortSignal.any([signal, silent.signal]);
    };
    try {
      const response = await this.#fetch('GET', 'v1/events/stream', until, {
        headers: {Accept: 'text/event-stream', 'Last-Event-ID': `${after}`},
      });
      begun();
      yield* messages(response.body.getReader(), heard);
    } catch (error) {
      if (silent.signal.aborted) throw new Unreachable('The stream is silent');
      if (error instanceof TypeError) throw new Unreachable(error.message);
      throw error;
    } finally {
      clearTimeout(timer);
      silent.abort();
    }
  }

  async #json(method, path, body) {
    const until = () => AbortSignal.timeout(PATIENCE);
    const sent = body === undefined ? {} : {
      body: JSON.stringify(body),
      headers: {'Content-Type': 'application/json'},
    };
    try {
      const response = await this.#fetch(method, path, until, sent);
      return response.status === 204 ? null : await response.json();
    } catch (error) {
      if (error instanceof Refused) throw error;
      throw new Unreachable(error.message);
    }
  }

  /** Until makes a signal for each try: nobody has to sign in in time. */
  async #fetch(method, path, until, options) {
    for (;;) {
      const credentials = this.#credentials;
      const response = await fetch(new URL(path, ROOT), {
        ...options,
        method,
        signal: until(),
        headers: {
          Accept: 'application/json',
          // No other site's page can send this.
          'X-Requested-With': 'sgconductor',
          ...options.headers,
          ...(credentials && Object.fromEntries([credentials])),
        },
        // Or the browser would ask for a password itself.
        credentials: 'omit',
      });
      if (response.ok) return response;
      const challenge = response.headers.get('WWW-Authenticate') ?? '';
      if (response.status !== 401
          || !await this.#isAnswered(challenge, credentials)) {
        throw await refusal(response);
      }
    }
  }

  /** Whether there are others now than those that were not good enough. */
  async #isAnswered(challenge, tried) {
    if (this.#credentials !== tried) return true;
    if (this.#declined) return false;
    // Whoever comes meanwhile waits for the same answer.
    this.#asking ??= this.#ask(challenge, tried !== null);
    try {
      this.#keep(await this.#asking);
    } finally {
      this.#asking = null;
    }
    this.#declined = this.#credentials === null;
    return !this.#declined;
  }

  #keep(credentials) {
    this.#credentials = credentials;
    if (credentials === null) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, JSON.stringify(credentials));
  }
}

async function refusal(response) {
  const again = parseFloat(response.headers.get('Retry-After')) * 1000;
  let said = {};
  try {
    [said] = (await response.json()).errors;
  } catch {
    // Not from us, but from something that is in between.
  }
  return new Refused(
    response.status,
    said.title ?? response.statusText,
    said.detail ?? `The server answers ${response.status}.`,
    said.request_id,
    again || null,
  );
}

/**
 * The messages of a stream of server-sent events.
 * https://html.spec.whatwg.org/#event-stream-interpretation
 */
async function* messages(reader, heard) {
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    heard();
    text += decoder.decode(value, {stream: true});
    const whole = text.split('\n\n');
    text = whole.pop();
    for (const message of whole) {
      const fields = new Map();
      for (const line of message.split('\n')) {
        const [, name, data] = /^([^:]*):? ?(.*)$/.exec(line);
        fields.set(name, data);
      }
      if (fields.has('data')) {
        yield {type: fields.get('event'), data: JSON.parse(fields.get('data'))};
      }
    }
  }
}
