/** The versions of services, and the pins. */

import {confirm, dialog, errorMessage} from './dialogs.js';
import {bar, h, Views} from './dom.js';
import {count, moment, number} from './words.js';

// All older versions share the last shade.
const SHADES = 4;

export class Pins {
  #views;

  /** @param {function} open - opens a pin */
  constructor(element, open) {
    this.#views = new Views(element, () => make(open));
  }

  show(pins) {
    this.#views.show(pins, (pin) => pin.binary);
  }
}

function make(open) {
  const element = h('li');
  let shown = '';
  let pin;
  const button = h('button', {onclick: () => open(pin)}, 'Details…');
  return {
    element,
    update: (now) => {
      pin = now;
      const text = JSON.stringify(pin);
      if (text === shown) return;
      shown = text;
      button.setAttribute('aria-label', `Details of ${pin.binary}`);
      const head = h('div', {class: 'pin-head'},
        h('span', {class: 'name'}, pin.binary),
        h('span', {class: 'version'}, `pin ${pin.version}`),
      );
      // The button is reused, since it may have the focus.
      const rest = [
        versions(pin), legend(pin), h('p', {}, explainVersion(pin)),
        h('p', {class: isFollowed(pin) ? '' : 'behind'}, following(pin)),
      ];
      if (!element.contains(button)) element.append(head, button, ...rest);
      else {
        element.firstElementChild.replaceWith(head);
        while (button.nextSibling) button.nextSibling.remove();
        button.after(...rest);
      }
    },
  };
}

/** The versions with their numbers of services, newest first. */
function census(pin) {
  return Object.entries(pin.services)
    .map(([version, amount]) => ({version: Number(version), amount}))
    .sort((a, b) => b.version - a.version);
}

const shade = (i) => `shade${Math.min(i, SHADES - 1)}`;

function versions(pin) {
  const label = census(pin)
    .map(({version, amount}) => `${number(amount)} of version ${version}`)
    .join(', ');
  return bar(
    census(pin).map(({amount}, i) => ({amount, kind: shade(i)})),
    `${pin.binary}: ${label}`,
  );
}

function legend(pin) {
  return h('ul', {class: 'legend', 'aria-hidden': 'true'},
    ...census(pin).map(({version, amount}, i) => h('li', {},
      h('span', {class: `swatch ${shade(i)}`}),
      `v${version} `, h('b', {}, number(amount)))));
}

/** Why a pin is at its version. */
export function explainVersion(pin) {
  const oldest = pin.services[pin.min_version] ?? 0;
  const newest = census(pin)[0]?.version;
  const held = pin.held_version;
  if (held !== null && held <= pin.min_version) {
    return `Held at ${held} by an operator; the services allow `
      + `${pin.min_version}.`;
  }
  const hold = held === null ? '' : ` Held at ${held} or lower.`;
  if (!oldest) return `No service counts for it.${hold}`;
  if (newest === pin.min_version) {
    const all = oldest === 1 ? 'The only service has'
      : `All ${number(oldest)} services have`;
    return `${all} this version.${hold}`;
  }
  const who = `${count(oldest, 'service')} of version ${pin.min_version}`;
  return `Held down by ${who}.${hold}`;
}

export const isFollowed = (pin) => pin.following >= pin.live;

export function following(pin) {
  const live = count(pin.live, 'live member');
  if (!isFollowed(pin)) return `${number(pin.following)} of ${live} follow.`;
  return pin.live === 1 ? 'The only live member follows.'
    : `All ${live} follow.`;
}

/**
 * Open a dialog with a pin and its actions.
 *
 * @param {Api} api
 * @param {object} pin
 * @param {object} callbacks - `changed()` and `show(service)`
 */
export function openPin(api, pin, {changed, show}) {
  const {binary} = pin;
  const body = h('div', {class: 'body', 'aria-live': 'polite'});
  const actions = h('div', {class: 'actions'});
  const element = dialog(`Pin of ${binary}`, body, actions);

  async function refresh() {
    try {
      const answer = await api.pin(binary);
      pin = answer.pin;
      body.replaceChildren(...explain(answer, show));
      actions.replaceChildren(
        h('button', {onclick: hold},
          pin.held_version === null ? 'Hold…' : 'Change the hold…'),
        pin.held_version === null ? '' : h('button', {onclick: release},
          'Release the hold…'),
        h('button', {class: 'quiet', onclick: refresh}, 'Refresh'),
      );
    } catch (error) {
      body.replaceChildren(errorMessage(error));
    }
  }

  async function hold() {
    const done = await confirm({
      title: `Hold the pin of ${binary}`,
      text: 'Clients do not call its services beyond this version, whatever '
        + 'joins. Services of an older release can join again if you hold '
        + 'the pin at their version and all live members follow.',
      fields: [{
        name: 'version', label: 'Version', type: 'number', min: 0, step: 1,
        value: `${pin.version}`, required: true,
      }],
      action: 'Hold',
      perform: ({version}) => api.hold(binary, Number(version)),
    });
    await after(done);
  }

  async function release() {
    const done = await confirm({
      title: `Release the pin of ${binary}`,
      text: `It moves to ${pin.min_version}, the lowest version of its `
        + 'services.',
      action: 'Release',
      perform: () => api.release(binary),
    });
    await after(done);
  }

  async function after(done) {
    if (!done) return;
    changed();
    await refresh();
  }

  refresh();
  return element;
}

function explain({pin, oldest, lagging}, show) {
  const older = pin.services[pin.min_version] ?? 0;
  return [
    h('p', {class: 'lead'}, `Clients use version ${pin.version}. `,
      explainVersion(pin)),
    h('dl', {class: 'facts'},
      ...fact('Services', census(pin)
        .map(({version, amount}) => `${number(amount)} of version ${version}`)
        .join(', ') || 'none'),
      ...fact('Hold', pin.held_version === null ? 'none'
        : `at ${pin.held_version}`),
      ...fact('Epoch', `${number(pin.epoch)}, since ${moment(pin.since)}`),
      ...fact('Cause', pin.cause),
      ...fact('Members', following(pin))),
    ...list(`Oldest services, of version ${pin.min_version}`, older, oldest,
      show),
    ...list('Members that do not follow yet', pin.live - pin.following, lagging,
      show),
  ];
}

const fact = (name, value) => [h('dt', {}, name), h('dd', {}, value)];

/** Some services by name, and the number of the others. */
function list(title, amount, services, show) {
  if (!services.length) return [];
  const more = amount - services.length;
  return [
    h('h3', {}, title),
    h('ul', {class: 'people'},
      ...services.map((service) => h('li', {},
        h('button', {class: 'link', onclick: () => show(service)},
          `${service.host}`),
        ` ${service.binary}, version ${service.version}, ${service.liveness}`)),
      more > 0 && h('li', {}, `and ${number(more)} more`)),
  ];
}
