/** The table of services; the document has only the rows in sight. */

import {h, say, Views} from './dom.js';
import {duration, orders, reason, SYMBOLS} from './words.js';

export const COLUMNS = {
  state: 'State',
  host: 'Host',
  binary: 'Binary',
  group: 'Group',
  version: 'Version',
  beat: 'Last beat',
  why: 'Reason',
};
// Additional rows above and below the visible ones.
const MORE = 12;

/**
 * @param {Element} element - with `.head`, `.rows` and `.nothing`
 * @param {object} callbacks - `age(service)`, `open(service)` and
 *   `sort(column)`
 */
export class Table {
  #element;
  #rows;
  #views;
  #age;
  #services = [];
  #places = new Map();
  #headers = {};
  #height = 0;
  #held;

  constructor(element, {age, open, sort}) {
    this.#element = element;
    this.#age = age;
    this.#rows = element.querySelector('.rows');
    this.#views = new Views(this.#rows, () => new Row(open));
    const head = h('div', {role: 'row', 'aria-rowindex': '1'});
    for (const [name, title] of Object.entries(COLUMNS)) {
      const button = h('button', {onclick: () => sort(name)}, title);
      const header = h('div', {role: 'columnheader', class: name}, button);
      this.#headers[name] = header;
      head.append(header);
    }
    element.querySelector('.head').append(head);
    element.addEventListener('scroll', () => this.#render(), {passive: true});
    element.addEventListener('keydown', (event) => this.#walk(event));
    // Deferred: measuring may resize the element that is observed.
    const resized = () => requestAnimationFrame(() => this.#measure());
    new ResizeObserver(resized).observe(element);
  }

  /**
   * @param {object[]} services - in order
   * @param {{by: string, down: boolean}} order
   * @param {string} nothing - the text for an empty table
   */
  show(services, order, nothing) {
    this.#services = services;
    this.#places = new Map(services.map((one, i) => [one.uuid, i]));
    this.#element.setAttribute('aria-rowcount', services.length + 1);
    for (const [name, header] of Object.entries(this.#headers)) {
      const sorted = order.down ? 'descending' : 'ascending';
      header.ariaSort = order.by === name ? sorted : 'none';
    }
    const empty = this.#element.querySelector('.nothing');
    empty.hidden = services.length > 0;
    say(empty, nothing);
    this.#measure();
  }

  /** Update the ages. */
  tick() {
    this.#render();
  }

  #measure() {
    const height = getComputedStyle(this.#element).getPropertyValue('--row');
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.#height = parseFloat(height) * rem;
    this.#rows.style.height = `${this.#services.length * this.#height}px`;
    this.#render();
  }

  #render() {
    const {scrollTop, clientHeight} = this.#element;
    const first = Math.floor(scrollTop / this.#height) - MORE;
    const last = Math.ceil((scrollTop + clientHeight) / this.#height) + MORE;
    const places = [];
    // The row with the focus stays in the document when it is out of sight.
    const focused = this.#places.get(this.#focused());
    if (focused < first) places.push(focused);
    const end = Math.min(last, this.#services.length);
    for (let place = Math.max(first, 0); place < end; place++) {
      places.push(place);
    }
    if (focused >= last) places.push(focused);
    this.#views.show(
      places.map((place) => {
        const service = this.#services[place];
        const top = place * this.#height;
        return {service, place, top, age: this.#age(service)};
      }),
      ({service}) => service.uuid,
    );
  }

  /** The uuid of the row with the focus, or that had it below a dialog. */
  #focused() {
    const active = document.activeElement;
    if (!active?.closest('dialog')) {
      this.#held = active?.closest('.rows > *')?.dataset.uuid;
    }
    return this.#held;
  }

  /** Move from row to row with the arrow keys. */
  #walk(event) {
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    const place = this.#places.get(this.#focused()) + step;
    const service = this.#services[place];
    if (!service) return;
    event.preventDefault();
    const top = place * this.#height;
    const head = this.#rows.offsetTop;
    const bottom = top + this.#height + head - this.#element.clientHeight;
    if (this.#element.scrollTop > top) this.#element.scrollTop = top;
    if (this.#element.scrollTop < bottom) this.#element.scrollTop = bottom;
    this.#render();
    this.#views.get(service.uuid).focus();
  }
}

class Row {
  #cells = {};
  #service = null;
  #open;

  constructor(open) {
    this.element = h('div', {role: 'row'});
    for (const name of Object.keys(COLUMNS)) {
      const cell = h('div', {role: 'cell', class: name});
      this.#cells[name] = cell;
      this.element.append(cell);
    }
    this.#open = h('button', {onclick: () => open(this.#service)});
    this.#cells.host.append(this.#open);
  }

  focus() {
    this.#open.focus({preventScroll: true});
  }

  update({service, place, top, age}) {
    this.element.style.transform = `translateY(${top}px)`;
    this.element.setAttribute('aria-rowindex', place + 2);
    say(this.#cells.beat, duration(age));
    // A service that has changed is a new object.
    if (service !== this.#service) this.#write(service);
  }

  #write(service) {
    this.#service = service;
    const {liveness} = service;
    const {state, binary, group, version, why} = this.#cells;
    this.element.dataset.uuid = service.uuid;
    this.element.classList.toggle('disabled', service.disabled);
    state.className = `state ${liveness}`;
    state.replaceChildren(
      h('span', {class: 'symbol', 'aria-hidden': 'true'}, SYMBOLS[liveness]),
      liveness,
    );
    say(this.#open, service.host);
    say(binary, service.binary);
    say(group, service.topic);
    say(version, `${service.version}`);
    why.replaceChildren(
      ...orders(service).map((words) => h('span', {class: 'tag'}, words)),
      reason(service),
    );
    this.#open.title = service.host;
    why.title = service.why;
  }
}
