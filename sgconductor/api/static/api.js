/** A client of the REST API. */

// The server may serve the page under any path.
const ROOT = new URL('..', import.meta.url);
const STORED = 'sgconductor.credentials';
// In milliseconds.
const REQUEST_TIMEOUT = 20_000;
const STREAM_TIMEOUT = 30_000;
const PAGE = 1000;

/** The API cannot be reached or did not answer. */
export class Unreachable extends Error {}

/**
 * The API answered with an error.
 *
 * The message is the error's detail; `retryAfter` is in milliseconds, or
 * null.
 */
export class Refused extends Error {
  constructor(status, title, detail, requestId, retryAfter) {
    super(detail);
    this.status = status;
    this.title = title;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

/**
 * @param {function} ask - asks the user for credentials: gets the server's
 *   challenge, and whether other credentials were rejected before; resolves
 *   to a header, as [name, value], or null
 */
export class Api {
  #ask;
  #asking = null;
  #declined = false;
  #credentials = JSON.parse(sessionStorage.getItem(STORED));

  constructor(ask) {
    this.#ask = ask;
  }

  get signedIn() {
    return this.#credentials !== null;
  }

  signOut() {
    this.#store(null);
  }

  /** Ask the user again at the next request that needs credentials. */
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
      // Behind a proxy, the link may have another origin than the page.
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
   * The messages of the event stream, until the server ends it, as it does
   * every minute.
   *
   * @param {number} after - the id of the last known event
   * @param {AbortSignal} signal
   * @param {function} opened - called when the server has answered
   */
  async *stream(after, signal, opened) {
    const timeout = new AbortController();
    let timer;
    const restartTimer = () => {
      clearTimeout(timer);
      timer = setTimeout(() => timeout.abort(), STREAM_TIMEOUT);
    };
    const makeSignal = () => {
      restartTimer();
      return AbortSignal.any([signal, timeout.signal]);
    };
    try {
      const options = {
        headers: {Accept: 'text/event-stream', 'Last-Event-ID': `${after}`},
      };
      const response = await this.#fetch(
        'GET', 'v1/events/stream', makeSignal, options,
      );
      opened();
      yield* messages(response.body.getReader(), restartTimer);
    } catch (error) {
      if (timeout.signal.aborted) throw new Unreachable('The stream timed out');
      if (error instanceof TypeError) throw new Unreachable(error.message);
      throw error;
    } finally {
      clearTimeout(timer);
      timeout.abort();
    }
  }

  async #json(method, path, body) {
    const makeSignal = () => AbortSignal.timeout(REQUEST_TIMEOUT);
    const options = body === undefined ? {} : {
      body: JSON.stringify(body),
      headers: {'Content-Type': 'application/json'},
    };
    try {
      const response = await this.#fetch(method, path, makeSignal, options);
      return response.status === 204 ? null : await response.json();
    } catch (error) {
      if (error instanceof Refused) throw error;
      throw new Unreachable(error.message);
    }
  }

  /**
   * Each attempt gets a new signal, so that the time to sign in does not
   * count.
   */
  async #fetch(method, path, makeSignal, options) {
    for (;;) {
      const credentials = this.#credentials;
      const response = await fetch(new URL(path, ROOT), {
        ...options,
        method,
        signal: makeSignal(),
        headers: {
          Accept: 'application/json',
          // Pages of other sites cannot send this header.
          'X-Requested-With': 'sgconductor',
          ...options.headers,
          ...(credentials && Object.fromEntries([credentials])),
        },
        // Else the browser would ask for a password itself.
        credentials: 'omit',
      });
      if (response.ok) return response;
      const challenge = response.headers.get('WWW-Authenticate') ?? '';
      if (response.status !== 401
          || !await this.#getCredentials(challenge, credentials)) {
        throw await refusal(response);
      }
    }
  }

  /** Whether there are other credentials now than the rejected ones. */
  async #getCredentials(challenge, rejected) {
    if (this.#credentials !== rejected) return true;
    if (this.#declined) return false;
    // Concurrent requests wait for the same dialog.
    this.#asking ??= this.#ask(challenge, rejected !== null);
    try {
      this.#store(await this.#asking);
    } finally {
      this.#asking = null;
    }
    this.#declined = this.#credentials === null;
    return !this.#declined;
  }

  #store(credentials) {
    this.#credentials = credentials;
    if (credentials === null) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, JSON.stringify(credentials));
  }
}

async function refusal(response) {
  const retryAfter = parseFloat(response.headers.get('Retry-After')) * 1000;
  let error = {};
  try {
    [error] = (await response.json()).errors;
  } catch {
    // A proxy has answered, not the API.
  }
  return new Refused(
    response.status,
    error.title ?? response.statusText,
    error.detail ?? `The server answered ${response.status}.`,
    error.request_id,
    retryAfter || null,
  );
}

/**
 * Parse the messages of a stream of server-sent events.
 * https://html.spec.whatwg.org/#event-stream-interpretation
 */
async function* messages(reader, received) {
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    received();
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
