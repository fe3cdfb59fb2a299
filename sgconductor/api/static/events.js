/** What happens, newest first. */

import {h, Views} from './dom.js';
import {happened, moment} from './words.js';

const SHOWN = 100;
// An event may come twice, but not that late.
const REMEMBERED = 5000;

export class Events {
  // Of the last that is known; 0 for none at all.
  last = 0;
  #known = new Set();
  #shown = [];
  #views;

  /** @param {function} open - gets the uuid of a service */
  constructor(element, open) {
    this.#views = new Views(element, (event) => make(event, open));
  }

  /** Whether an event is news. */
  take(event) {
    this.last = Math.max(this.last, event.id);
    if (this.#known.has(event.uuid)) return false;
    this.#known.add(event.uuid);
    if (this.#known.size > REMEMBERED) {
      this.#known.delete(this.#known.values().next().value);
    }
    this.#shown = [event, ...this.#shown.slice(0, SHOWN - 1)];
    return true;
  }

  show() {
    this.#views.show(this.#shown, (event) => event.uuid);
  }
}

function make(event, open) {
  const {word, symbol, kind, about} = happened(event);
  const {host, binary, uuid} = event.service;
  const element = h('li', {},
    h('time', {datetime: event.at, title: event.at}, moment(event.at)),
    h('span', {class: `state ${kind}`},
      h('span', {class: 'symbol', 'aria-hidden': 'true'}, symbol), word),
    h('span', {class: 'who'},
      h('button', {class: 'link', onclick: () => open(uuid)}, host),
      ` ${binary}`),
    about && h('span', {class: 'about'}, about));
  return {element, update: () => {}};
}
