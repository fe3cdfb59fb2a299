/** The page: what is read when, and where it is shown. */

import {Api, Refused, Unreachable} from './api.js';
import {askWho} from './dialogs.js';
import {find, h, say} from './dom.js';
import {Events} from './events.js';
import {Fleet, tally, view} from './fleet.js';
import {isFollowed, openPin, Pins} from './pins.js';
import {openService} from './service.js';
import {Groups, Summary} from './summary.js';
import {COLUMNS, Table} from './table.js';
import {count, duration, number} from './words.js';

// In milliseconds.
const READ_EVERY = 15_000;
const READ_MANY_EVERY = 60_000;
const MANY = 2000;
const PINS_EVERY = 15_000;
const BUSY_PINS_EVERY = 3000;
const AGAIN = 2000;
const BREATH = 300;
const HISTORY = 50;
const NO_ANSWER = 'The API cannot be reached.';

/** Something to wait for that may come earlier. */
class Alarm {
  #isRung = false;
  #wake = () => {};

  ring() {
    this.#isRung = true;
    this.#wake();
  }

  async wait(milliseconds) {
    // However often it rings, nobody asks without a pause.
    await new Promise((resolve) => setTimeout(resolve, BREATH));
    if (!this.#isRung) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, milliseconds - BREATH);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#isRung = false;
  }
}

const api = new Api(askWho);
const fleet = new Fleet();
const readAgain = new Alarm();
const pinsAgain = new Alarm();
const streamAgain = new Alarm();
const filter = {text: '', state: '', group: ''};
const order = {by: 'state', down: false};
const contact = {lost: false, at: null};

const open = (uuid) => fleet.get(uuid) && openService(api, fleet, uuid);
const table = new Table(find('#table'), {
  age: (service) => fleet.age(service),
  open: (service) => open(service.uuid),
  sort: (column) => sort(column, column === order.by && !order.down),
});
const summary = new Summary(find('#summary'), (name) => choose('state', name));
const groups = new Groups(find('#groups ul'), (name) => choose('group', name));
const events = new Events(find('#events ol'), open);
const pins = new Pins(find('#pins > ul'), (pin) => openPin(api, pin, {
  changed: () => pinsAgain.ring(),
  show: (service) => open(service.uuid),
}));

// What is shown ----------------------------------------------------------

let isDue = false;

/** Show what is known, once for all that changes until the next frame. */
function show() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    const {all, groups: found} = tally(fleet.known);
    if (isKnown()) summary.show(all, filter.state);
    groups.show(found, filter.group);
    const services = view(fleet.known, filter, order);
    const isWhole = !filter.text && !filter.state && !filter.group;
    table.show(services, order, nothing(isWhole));
    find('#clear').hidden = isWhole;
    say(find('#matches'), isWhole
      ? count(all.total, 'service')
      : `${number(services.length)} of ${count(all.total, 'service')}`);
    events.show();
    document.title = `${all.down ? `${number(all.down)} down · ` : ''}`
      + 'sgconductor';
  });
}

function isKnown() {
  return contact.at !== null || fleet.size > 0;
}

function nothing(isWhole) {
  if (!isKnown()) return 'Nothing is known yet.';
  return isWhole ? 'Nobody has joined yet.' : 'Nothing matches.';
}

function choose(name, value) {
  filter[name] = filter[name] === value ? '' : value;
  show();
  // On a phone they are far below.
  const {top} = find('#fleet').getBoundingClientRect();
  if (top > innerHeight * 0.8) find('#fleet').scrollIntoView();
}

function sort(column, down) {
  Object.assign(order, {by: column, down});
  find('#order select').value = column;
  show();
}

function tick() {
  if (contact.at !== null) {
    const age = duration((performance.now() - contact.at) / 1000);
    const old = contact.lost ? `What you see is ${age} old.` : '';
    say(find('#old'), old);
    say(find('#as-of'), contact.lost ? '' : `· list read ${age} ago`);
  }
  table.tick();
}

// Whether there is contact -----------------------------------------------

function found() {
  contact.lost = false;
  contact.at = performance.now();
  find('#banner').hidden = true;
  document.body.classList.remove('old');
  say(find('#trouble'), '');
  say(find('#status'), 'Connected');
  find('#sign-out').hidden = !api.signedIn;
  tick();
}

function lost(error) {
  const {title, words} = explain(error);
  contact.lost = true;
  fleet.clock.stop();
  find('#banner').hidden = false;
  find('#sign-in').hidden = error.status !== 401;
  find('#sign-out').hidden = !api.signedIn;
  document.body.classList.toggle('old', contact.at !== null);
  say(find('#status'), 'Not connected');
  // Words that stay are not read out again.
  if (find('#trouble').textContent !== `${title} ${words}`) {
    find('#trouble').replaceChildren(h('strong', {}, title), ` ${words}`);
  }
  tick();
}

function explain(error) {
  const again = 'It is asked again every few seconds.';
  if (error instanceof Unreachable) {
    return {title: NO_ANSWER, words: again};
  }
  if (!(error instanceof Refused)) {
    console.error(error);
    return {title: 'This page has failed.', words: error.message};
  }
  const id = error.requestId ? ` (${error.requestId})` : '';
  switch (error.status) {
    case 401:
      return {title: 'You are not signed in.', words: error.message};
    case 403:
      return {title: 'You may not see this.', words: error.message};
    case 503:
      return {
        title: 'The conductor cannot be reached.',
        words: `${error.message} ${again}`,
      };
    default:
      return {
        title: `The API has failed: ${error.title || error.status}.`,
        words: `${error.message}${id}`,
      };
  }
}

// What is read when ------------------------------------------------------

/** Until somebody looks. */
function seen() {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    look();
  });
}

async function read() {
  for (;;) {
    await seen();
    let pause;
    try {
      await fleet.read(api.services());
      found();
      pinsAgain.ring();
      pause = fleet.size > MANY ? READ_MANY_EVERY : READ_EVERY;
    } catch (error) {
      lost(error);
      pause = error.again ?? AGAIN;
    }
    await readAgain.wait(pause);
  }
}

async function readPins() {
  for (;;) {
    await seen();
    let pause = PINS_EVERY;
    try {
      const all = await api.pins();
      pins.show(all);
      if (!all.every(isFollowed)) pause = BUSY_PINS_EVERY;
      await readDrivers();
    } catch {
      // The reading of services tells of what is wrong.
    }
    await pinsAgain.wait(pause);
  }
}

async function readDrivers() {
  const silent = (await api.drivers()).filter((driver) => driver.trouble);
  find('#doubt').hidden = silent.length === 0;
  say(find('#doubt'), silent.map(({trouble}) => trouble).join(' '));
}

async function follow() {
  for (;;) {
    await seen();
    const hidden = new AbortController();
    const hide = () => document.hidden && hidden.abort();
    document.addEventListener('visibilitychange', hide);
    let pause = 0;
    try {
      if (!events.last) (await api.events(HISTORY)).forEach(take);
      const begun = () => streams('');
      const stream = api.stream(events.last, hidden.signal, begun);
      for await (const {type, data} of stream) {
        if (type === 'trouble') streams(data);
        else take(data);
      }
    } catch (error) {
      pause = error.again ?? AGAIN;
      streams(error instanceof Refused ? error.message : NO_ANSWER);
    } finally {
      document.removeEventListener('visibilitychange', hide);
    }
    await streamAgain.wait(pause);
  }
}

function take(event) {
  if (!events.take(event)) return;
  fleet.take(event);
  // An up or a down moves no pin.
  if (!['service.up', 'service.down'].includes(event.type)) pinsAgain.ring();
}

/** Say whether events come, or why they do not. */
function streams(words) {
  const told = find('#stream-trouble');
  // What is away for the one is away for the list.
  if (Boolean(words) !== Boolean(told.textContent)) readAgain.ring();
  say(find('#stream'), words ? 'not live' : 'live');
  say(told, words);
}

// What is done to the page -----------------------------------------------

function everything() {
  readAgain.ring();
  pinsAgain.ring();
  streamAgain.ring();
}

fleet.addEventListener('change', show);
addEventListener('online', everything);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) everything();
});
find('#filter').addEventListener('input', (event) => {
  filter.text = event.target.value;
  show();
});
find('#clear').addEventListener('click', () => {
  Object.assign(filter, {text: '', state: '', group: ''});
  find('#filter').value = '';
  find('#filter').focus();
  show();
});
find('#order select').append(...Object.entries(COLUMNS).map(
  ([name, title]) => h('option', {value: name}, title)));
find('#order select').addEventListener('change', (event) => {
  sort(event.target.value, false);
});
find('#sign-in').addEventListener('click', () => {
  api.signIn();
  everything();
});
find('#sign-out').addEventListener('click', () => {
  api.signOut();
  // Nothing of what was shown stays.
  location.reload();
});
setInterval(tick, 1000);
show();
read();
readPins();
follow();
