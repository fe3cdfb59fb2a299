/** The list of events, newest first. */

import {h, Views} from './dom.js';
import {describeEvent, moment} from './words.js';

const SHOWN = 100;
// To recognize an event that the stream sends twice.
const REMEMBERED = 5000;

export class Events {
  // The id of the last known event; 0 for none.
  last = 0;
  #known = new Set();
  #shown = [];
  #views;

  /** @param {function} open - opens a service, by uuid */
  constructor(element, open) {
    this.#views = new Views(element, (event) => make(event, open));
  }

  /** Add an event; returns whether it is new. */
  add(event) {
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
  const {word, symbol, kind, about} = describeEvent(event);
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
