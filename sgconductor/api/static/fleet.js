/** The services as they are known here, and what time it is for them. */

import {orders, reason} from './words.js';

// How much slower than ours the database's clock may be: one in a thousand.
const DRIFT = 1e-3;

/**
 * The database's clock, as far as the data tell: no host's clock takes part,
 * and this one neither. Conductors beat all the time, so the newest moment
 * in a list is as good as now.
 */
class Clock {
  #ahead = -Infinity;
  #heard = 0;
  #stopped = null;

  /** Learn that it was so late at least, at a moment of our own clock. */
  hear(moment, at) {
    const ahead = moment - at;
    const kept = this.#ahead - (at - this.#heard) * DRIFT;
    // Where nobody beats, the newest moment says nothing new.
    if (ahead > kept) {
      this.#ahead = ahead;
      this.#heard = at;
    }
  }

  get now() {
    return (this.#stopped ?? performance.now()) + this.#ahead;
  }

  /** Stand still: nobody knows what goes on. */
  stop() {
    this.#stopped ??= performance.now();
  }

  go() {
    this.#stopped = null;
  }
}

/** Tells of each change with an event `change`. */
export class Fleet extends EventTarget {
  clock = new Clock();
  #services = new Map();
  // What has happened since the reading that is under way began.
  #news = [];
  // All that happened before is in the list.
  #asOf = Infinity;
  #read = 0;

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
   * Read a whole list, which takes the place of the one before.
   *
   * @param {AsyncIterable<object[]>} pages
   */
  async read(pages) {
    const began = performance.now();
    const services = new Map();
    const isFirst = this.#asOf === Infinity;
    let newest = -Infinity;
    let arrived = began;
    if (!isFirst) this.#news = [];
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
        this.clock.hear(newest, arrived);
        this.#services = services;
        this.#changed();
      }
    }
    if (services.size) this.clock.hear(newest, arrived);
    this.clock.go();
    this.#services = services;
    this.#read = this.clock.now;
    this.#asOf = this.#read - (performance.now() - began);
    for (const event of this.#news) this.#apply(event);
    this.#changed();
  }

  /** Take in an event, if it is news. */
  take(event) {
    this.#news.push(event);
    this.#apply(event);
    this.#changed();
  }

  /** Take in what an action has made of a service. */
  put(service) {
    this.take({type: 'service.update', service, at: null});
  }

  drop(service) {
    this.take({type: 'service.delete', service, at: null});
  }

  /** For how long a service has not been heard, in seconds. */
  age(service) {
    const age = this.clock.now - service.seen;
    // One that is up has beaten since, or an event would have said so.
    const most = service.liveness === 'up'
      ? Math.max(this.#read - service.seen, service.report_interval * 1000)
      : Infinity;
    return Math.max(0, Math.min(age, most)) / 1000;
  }

  #apply({type, service, at}) {
    if (at !== null && Date.parse(at) < this.#asOf) return;
    const known = this.#services.get(service.uuid);
    if (type === 'service.delete') {
      this.#services.delete(service.uuid);
    } else {
      const now = complete({...known, ...service});
      // What was heard later stays heard.
      now.seen = Math.max(now.seen, known?.seen ?? now.seen);
      this.#services.set(service.uuid, now);
    }
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** What is asked of a service for each view is found out once. */
function complete(service) {
  const liveness = service.liveness
    // A conductor of an older release says no more.
    ?? (service.is_up === false ? 'down' : 'up');
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

/** The lower, the sooner somebody should look. */
function need(liveness, ordered, disabled) {
  if (liveness === 'down') return ordered ? 1 : 0;
  if (liveness === 'unknown') return 2;
  return disabled ? 3 : 4;
}

/** Has node9 come before node10. */
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
 * @param {{text: string, state: string, group: string}} filter - all words
 *   of the text have to be in what is shown of a service
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

/** How many services there are of each kind, in all and by group. */
export function tally(services) {
  const all = {up: 0, down: 0, unknown: 0, disabled: 0, ordered: 0, total: 0};
  const groups = new Map();
  for (const service of services) {
    let group = groups.get(service.topic);
    if (group === undefined) {
      group = {topic: service.topic, up: 0, down: 0, unknown: 0, total: 0};
      groups.set(service.topic, group);
    }
    for (const of of [all, group]) {
      of[service.liveness] += 1;
      of.total += 1;
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
