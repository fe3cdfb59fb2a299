/** The page: reads data from the API, and updates what is shown. */

import {Api, Refused, Unreachable} from './api.js';
import {signIn} from './dialogs.js';
import {find, h, say} from './dom.js';
import {Events} from './events.js';
import {Fleet, tally, view} from './fleet.js';
import {isFollowed, openPin, Pins} from './pins.js';
import {openService} from './service.js';
import {Groups, Summary} from './summary.js';
import {COLUMNS, Table} from './table.js';
import {count, duration, number} from './words.js';

// In milliseconds.
const READ_INTERVAL = 15_000;
const LARGE_READ_INTERVAL = 60_000;
const PINS_INTERVAL = 15_000;
const MOVING_PINS_INTERVAL = 3000;
const RETRY_INTERVAL = 2000;
const MIN_INTERVAL = 300;
// A number of services.
const LARGE = 2000;
// A number of events.
const HISTORY = 50;
const NO_ANSWER = 'The API cannot be reached.';

/** A timer that can be made to fire early. */
class Timer {
  #isDue = false;
  #wake = () => {};

  fire() {
    this.#isDue = true;
    this.#wake();
  }

  async wait(milliseconds) {
    // However often it fires, there is some time between two requests.
    await new Promise((resolve) => setTimeout(resolve, MIN_INTERVAL));
    if (!this.#isDue) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, milliseconds - MIN_INTERVAL);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#isDue = false;
  }
}

const api = new Api(signIn);
const fleet = new Fleet();
const readTimer = new Timer();
const pinsTimer = new Timer();
const streamTimer = new Timer();
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
  changed: () => pinsTimer.fire(),
  show: (service) => open(service.uuid),
}));

// Views ------------------------------------------------------------------

let isScheduled = false;

/** Update all views in the next frame, once however much changes. */
function show() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
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
  if (!isKnown()) return 'Loading…';
  return isWhole ? 'No service has joined yet.' : 'No service matches.';
}

function choose(name, value) {
  filter[name] = filter[name] === value ? '' : value;
  show();
  // On a phone, the table is far below.
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
    const old = contact.lost ? `This data is ${age} old.` : '';
    say(find('#old'), old);
    say(find('#as-of'), contact.lost ? '' : `· list read ${age} ago`);
  }
  table.tick();
}

// Connection status ------------------------------------------------------

function connected() {
  contact.lost = false;
  contact.at = performance.now();
  find('#banner').hidden = true;
  document.body.classList.remove('old');
  say(find('#trouble'), '');
  say(find('#status'), 'Connected');
  find('#sign-out').hidden = !api.signedIn;
  tick();
}

function disconnected(error) {
  const {title, text} = explain(error);
  contact.lost = true;
  fleet.clock.stop();
  find('#banner').hidden = false;
  find('#sign-in').hidden = error.status !== 401;
  find('#sign-out').hidden = !api.signedIn;
  document.body.classList.toggle('old', contact.at !== null);
  say(find('#status'), 'Not connected');
  // Screen readers would read the same text again.
  if (find('#trouble').textContent !== `${title} ${text}`) {
    find('#trouble').replaceChildren(h('strong', {}, title), ` ${text}`);
  }
  tick();
}

function explain(error) {
  const again = 'This page retries every few seconds.';
  if (error instanceof Unreachable) {
    return {title: NO_ANSWER, text: again};
  }
  if (!(error instanceof Refused)) {
    console.error(error);
    return {title: 'This page failed.', text: error.message};
  }
  const id = error.requestId ? ` (${error.requestId})` : '';
  switch (error.status) {
    case 401:
      return {title: 'You are not signed in.', text: error.message};
    case 403:
      return {title: 'You are not allowed to see this.', text: error.message};
    case 503:
      return {
        title: 'The conductor cannot be reached.',
        text: `${error.message} ${again}`,
      };
    default:
      return {
        title: `The API failed: ${error.title || error.status}.`,
        text: `${error.message}${id}`,
      };
  }
}

// Reading from the API ---------------------------------------------------

/** Wait until the tab is visible. */
function visible() {
  return new Promise((resolve) => {
    const check = () => {
      if (document.hidden) return;
      document.removeEventListener('visibilitychange', check);
      resolve();
    };
    document.addEventListener('visibilitychange', check);
    check();
  });
}

async function readServices() {
  for (;;) {
    await visible();
    let pause;
    try {
      await fleet.read(api.services());
      connected();
      pinsTimer.fire();
      pause = fleet.size > LARGE ? LARGE_READ_INTERVAL : READ_INTERVAL;
    } catch (error) {
      disconnected(error);
      pause = error.retryAfter ?? RETRY_INTERVAL;
    }
    await readTimer.wait(pause);
  }
}

async function readPins() {
  for (;;) {
    await visible();
    let pause = PINS_INTERVAL;
    try {
      const all = await api.pins();
      pins.show(all);
      if (!all.every(isFollowed)) pause = MOVING_PINS_INTERVAL;
      await readDrivers();
    } catch {
      // readServices() shows what is wrong.
    }
    await pinsTimer.wait(pause);
  }
}

async function readDrivers() {
  const failed = (await api.drivers()).filter((driver) => driver.trouble);
  find('#doubt').hidden = failed.length === 0;
  say(find('#doubt'), failed.map(({trouble}) => trouble).join(' '));
}

async function readEvents() {
  for (;;) {
    await visible();
    const hidden = new AbortController();
    const abort = () => document.hidden && hidden.abort();
    document.addEventListener('visibilitychange', abort);
    let pause = 0;
    try {
      if (!events.last) (await api.events(HISTORY)).forEach(addEvent);
      const opened = () => showStream('');
      const stream = api.stream(events.last, hidden.signal, opened);
      for await (const {type, data} of stream) {
        if (type === 'trouble') showStream(data);
        else addEvent(data);
      }
    } catch (error) {
      pause = error.retryAfter ?? RETRY_INTERVAL;
      showStream(error instanceof Refused ? error.message : NO_ANSWER);
    } finally {
      document.removeEventListener('visibilitychange', abort);
    }
    await streamTimer.wait(pause);
  }
}

function addEvent(event) {
  if (!events.add(event)) return;
  fleet.apply(event);
  // A service that goes up or down does not move a pin.
  if (!['service.up', 'service.down'].includes(event.type)) pinsTimer.fire();
}

/** Show whether the event stream works. */
function showStream(trouble) {
  const shown = find('#stream-trouble');
  // Whatever fails or recovers concerns the list of services too.
  if (Boolean(trouble) !== Boolean(shown.textContent)) readTimer.fire();
  say(find('#stream'), trouble ? 'not live' : 'live');
  say(shown, trouble);
}

// User input -------------------------------------------------------------

function readAll() {
  readTimer.fire();
  pinsTimer.fire();
  streamTimer.fire();
}

fleet.addEventListener('change', show);
addEventListener('online', readAll);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) readAll();
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
  readAll();
});
find('#sign-out').addEventListener('click', () => {
  api.signOut();
  // Remove all data from the page.
  location.reload();
});
setInterval(tick, 1000);
show();
readServices();
readPins();
readEvents();
