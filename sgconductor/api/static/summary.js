/** The numbers of services by state, in total and by group. */

import {bar, h, say, Views} from './dom.js';
import {count, number, SYMBOLS} from './words.js';

const TILES = {
  down: {symbol: SYMBOLS.down, title: 'Down'},
  unknown: {symbol: SYMBOLS.unknown, title: 'Unknown'},
  up: {symbol: SYMBOLS.up, title: 'Up'},
  disabled: {symbol: '‖', title: 'Disabled'},
};

/** Tiles with the totals; pressing one filters the table. */
export class Summary {
  #tiles = {};

  constructor(element, choose) {
    for (const [name, {symbol, title}] of Object.entries(TILES)) {
      const tile = {
        number: h('strong', {}, '–'),
        note: h('small'),
      };
      tile.element = h(
        'button',
        {class: `tile ${name}`, onclick: () => choose(name)},
        h('span', {},
          h('span', {class: 'symbol', 'aria-hidden': 'true'}, symbol), title),
        tile.number,
        tile.note,
      );
      this.#tiles[name] = tile;
      element.append(tile.element);
    }
  }

  show(all, chosen) {
    const notes = {
      down: all.ordered ? `${number(all.ordered)} planned` : '',
      unknown: all.unknown ? 'up or down' : '',
      up: `of ${number(all.total)}`,
      disabled: all.disabled ? 'by operators' : '',
    };
    for (const [name, tile] of Object.entries(this.#tiles)) {
      say(tile.number, number(all[name]));
      say(tile.note, notes[name]);
      tile.element.ariaPressed = name === chosen;
      tile.element.classList.toggle('none', all[name] === 0);
    }
  }
}

/** The list of groups; pressing one filters the table. */
export class Groups {
  #views;
  #chosen = '';

  constructor(element, choose) {
    this.#views = new Views(element, (group) => this.#make(group, choose));
  }

  show(groups, chosen) {
    this.#chosen = chosen;
    this.#views.show(groups, (group) => group.topic);
  }

  #make({topic}, choose) {
    const button = h('button', {onclick: () => choose(topic)});
    return {
      element: h('li', {}, button),
      update: (group) => {
        button.ariaPressed = topic === this.#chosen;
        const text = describe(group);
        if (button.dataset.text === text) return;
        button.dataset.text = text;
        const parts = ['up', 'unknown', 'down'].map((kind) => (
          {kind, amount: group[kind]}
        ));
        button.replaceChildren(
          h('span', {class: 'name'}, topic),
          h('span', {class: 'amount'}, text),
          bar(parts, null),
        );
      },
    };
  }
}

function describe({up, down, unknown, total}) {
  if (up === total) return `${count(total, 'service')} up`;
  const found = [`${number(up)} of ${number(total)} up`];
  if (down) found.push(`${number(down)} down`);
  if (unknown) found.push(`${number(unknown)} unknown`);
  return found.join(', ');
}
