/** How values are written for people. */

const NUMBER = new Intl.NumberFormat('en');
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const SYMBOLS = {up: '●', down: '▼', unknown: '?'};

const EVENTS = {
  'service.create': {word: 'joined', symbol: '+', kind: 'new'},
  'service.update': {word: 'changed', symbol: '✎', kind: 'new'},
  'service.delete': {word: 'deleted', symbol: '×', kind: 'new'},
  'service.up': {word: 'up', symbol: SYMBOLS.up, kind: 'up'},
  'service.down': {word: 'down', symbol: SYMBOLS.down, kind: 'down'},
};

export const number = (value) => NUMBER.format(value);

/** For example "1 service", "2 services". */
export function count(amount, noun) {
  return `${number(amount)} ${noun}${amount === 1 ? '' : 's'}`;
}

/** A duration, rounded down to one unit. */
export function duration(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 2 * MINUTE) return `${whole} s`;
  if (whole < 2 * HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < 2 * DAY) return `${Math.floor(whole / HOUR)} h`;
  return `${number(Math.floor(whole / DAY))} d`;
}

/** What operators have set on a service. */
export function orders(service) {
  const found = [];
  if (service.disabled) {
    const reason = service.disabled_reason;
    found.push(reason ? `disabled: ${reason}` : 'disabled');
  }
  if (service.forced_down) found.push('forced down');
  if (service.quarantined) found.push('in quarantine');
  return found;
}

/** Why a service is not plainly up, unless what operators set says it. */
export function reason(service) {
  const {liveness_reason: text} = service;
  return orders(service).includes(text) ? '' : text;
}

/** An event: a word, a symbol, and details. */
export function describeEvent({type, service}) {
  const {word, symbol, kind} = EVENTS[type] ?? {
    word: type, symbol: '•', kind: 'new',
  };
  const about = {
    'service.create': () => [`version ${service.version}`],
    'service.update': () => [
      ...orders(service), `version ${service.version}`,
    ],
    'service.down': () => [service.liveness_reason],
  }[type]?.() ?? [];
  return {word, symbol, kind, about: about.filter(Boolean).join(', ')};
}

/** A time of day, with the date if it is not today. */
export function moment(iso) {
  const then = new Date(iso);
  const time = then.toLocaleTimeString('en-GB');
  const today = then.toDateString() === new Date().toDateString();
  return today ? time : `${then.toLocaleDateString('en-CA')} ${time}`;
}
