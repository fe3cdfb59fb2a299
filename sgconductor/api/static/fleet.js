/** The services as this page knows them, and the database's time. */

import {orders, reason} from './words.js';

// How much slower than this host's clock the database's may run: 1/1000.
const DRIFT = 1e-3;

/**
 * An estimate of the database's clock. The time of day of this host is not
 * used, since it may be wrong. Conductors send heartbeats all the time, so
 * the newest heartbeat in a list is close to the database's present.
 */
class Clock {
  #offset = -Infinity;
  #measuredAt = 0;
  #stoppedAt = null;

  /** @param {number} seen - a time of the database, not later than `at` */
  measure(seen, at) {
    const offset = seen - at;
    const drifted = this.#offset - (at - this.#measuredAt) * DRIFT;
    // If there are no new heartbeats, the old estimate is better.
    if (offset > drifted) {
      this.#offset = offset;
      this.#measuredAt = at;
    }
  }

  get now() {
    return (this.#stoppedAt ?? performance.now()) + this.#offset;
  }

  /** Freeze ages, while the page gets no data. */
  stop() {
    this.#stoppedAt ??= performance.now();
  }

  resume() {
    this.#stoppedAt = null;
  }
}

/** All known services; dispatches an event `change` after each change. */
export class Fleet extends EventTarget {
  clock = new Clock();
  #services = new Map();
  // The events since the start of the last read.
  #events = [];
  // When the last complete read started: older events are included in it.
  #asOf = Infinity;
  #readAt = 0;

  get size() {
    return this.#services.size;
  }

  get known() {
    return this.#services.values();
  }

  get(uuid) {
    return this.#services.get(uuid);
  }

  /**
   * Read a whole list, which replaces the previous one.
   *
   * @param {AsyncIterable<object[]>} pages
   */
  async read(pages) {
    const began = performance.now();
    const services = new Map();
    const isFirst = this.#asOf === Infinity;
    let newest = -Infinity;
    let arrived = began;
    if (!isFirst) this.#events = [];
    for await (const page of pages) {
      const at = performance.now();
      for (const one of page) {
        const service = complete(one);
        services.set(service.uuid, service);
        if (service.seen - at > newest - arrived) {
          newest = service.seen;
          arrived = at;
        }
      }
      if (isFirst) {
        this.clock.measure(newest, arrived);
        this.#services = services;
        this.#changed();
      }
    }
    if (services.size) this.clock.measure(newest, arrived);
    this.clock.resume();
    this.#services = services;
    this.#readAt = this.clock.now;
    this.#asOf = this.#readAt - (performance.now() - began);
    for (const event of this.#events) this.#apply(event);
    this.#changed();
  }

  /** Apply an event. */
  apply(event) {
    this.#events.push(event);
    this.#apply(event);
    this.#changed();
  }

  /** Show a service as the API has just returned it. */
  put(service) {
    this.apply({type: 'service.update', service, at: null});
  }

  drop(service) {
    this.apply({type: 'service.delete', service, at: null});
  }

  /** The age of the last heartbeat of a service, in seconds. */
  age(service) {
    const age = this.clock.now - service.seen;
    // A service that is up has sent heartbeats since the list was read;
    // otherwise an event would have said that it is down.
    const most = service.liveness === 'up'
      ? Math.max(this.#readAt - service.seen, service.report_interval * 1000)
      : Infinity;
    return Math.max(0, Math.min(age, most)) / 1000;
  }

  #apply({type, service, at}) {
    if (at !== null && Date.parse(at) < this.#asOf) return;
    const known = this.#services.get(service.uuid);
    if (type === 'service.delete') {
      this.#services.delete(service.uuid);
    } else {
      const updated = complete({...known, ...service});
      // An event may be older than the last heartbeat that is known.
      updated.seen = Math.max(updated.seen, known?.seen ?? updated.seen);
      this.#services.set(service.uuid, updated);
    }
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** Add the properties that views use, so that they are computed once. */
function complete(service) {
  const {liveness} = service;
  const ordered = service.forced_down || service.quarantined
    || Boolean(service.left_at);
  const why = [...orders(service), reason(service)].filter(Boolean);
  return {
    ...service,
    liveness,
    ordered,
    seen: Date.parse(service.last_seen_up),
    need: need(liveness, ordered, service.disabled),
    name: natural(`${service.host} ${service.binary}`),
    why: why.join(' · '),
    words: [
      service.host, service.binary, service.topic, service.availability_zone,
      liveness, `v${service.version}`, ...why,
    ].join('\n').toLowerCase(),
  };
}

/** Services with a lower value need attention first. */
function need(liveness, ordered, disabled) {
  if (liveness === 'down') return ordered ? 1 : 0;
  if (liveness === 'unknown') return 2;
  return disabled ? 3 : 4;
}

/** A key that sorts node9 before node10. */
function natural(text) {
  return text.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(9, 0));
}

const ORDERS = {
  state: (service) => service.need,
  host: (service) => service.name,
  binary: (service) => service.binary,
  group: (service) => service.topic,
  version: (service) => service.version,
  beat: (service) => -service.seen,
  why: (service) => service.why,
};

/**
 * The services that match, in order.
 *
 * @param {Iterable} services
 * @param {{text: string, state: string, group: string}} filter - each word
 *   of the text must occur in some column of a service
 * @param {{by: string, down: boolean}} order
 */
export function view(services, filter, order) {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (const service of services) {
    if ((!filter.state || isIn(service, filter.state))
        && (!filter.group || service.topic === filter.group)
        && words.every((word) => service.words.includes(word))) {
      found.push(service);
    }
  }
  const key = ORDERS[order.by];
  const sign = order.down ? -1 : 1;
  return found.sort((a, b) => (
    sign * compare(key(a), key(b))
    || a.need - b.need
    || compare(a.name, b.name)
  ));
}

function compare(a, b) {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function isIn(service, state) {
  return state === 'disabled' ? service.disabled : service.liveness === state;
}

/** The numbers of services by state, in total and by group. */
export function tally(services) {
  const all = {up: 0, down: 0, unknown: 0, disabled: 0, ordered: 0, total: 0};
  const groups = new Map();
  for (const service of services) {
    let group = groups.get(service.topic);
    if (group === undefined) {
      group = {topic: service.topic, up: 0, down: 0, unknown: 0, total: 0};
      groups.set(service.topic, group);
    }
    for (const counts of [all, group]) {
      counts[service.liveness] += 1;
      counts.total += 1;
    }
    if (service.disabled) all.disabled += 1;
    if (service.liveness === 'down' && service.ordered) all.ordered += 1;
  }
  return {
    all,
    groups: [...groups.values()].sort((a, b) => (
      (b.down > 0) - (a.down > 0)
      || (b.unknown > 0) - (a.unknown > 0)
      || compare(a.topic, b.topic)
    )),
  };
}
