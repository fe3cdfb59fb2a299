/** One service: all there is to know of it, and what can be done. */

import {confirm, dialog, toldOff} from './dialogs.js';
import {h} from './dom.js';
import {duration, moment, number, orders, SYMBOLS} from './words.js';

/**
 * @param {Api} api
 * @param {Fleet} fleet
 * @param {string} uuid - of a service that is known
 */
export function openService(api, fleet, uuid) {
  let service = fleet.get(uuid);
  let offered = '';
  const lead = h('p', {class: 'lead'});
  const facts = h('dl', {class: 'facts'});
  const evidence = h('div', {'aria-live': 'polite'});
  const actions = h('div', {class: 'actions'});
  const element = dialog(
    `${service.binary} on ${service.host}`,
    h('div', {class: 'body'}, lead, facts, h('h3', {}, 'Evidence'), evidence),
    actions,
  );

  function show() {
    service = fleet.get(uuid) ?? service;
    const isGone = !fleet.get(uuid);
    lead.replaceChildren(...verdict(service, isGone));
    facts.replaceChildren(...describe(service));
    // They are not made anew under somebody's finger.
    const offer = isGone ? [] : ACTIONS.filter((one) => one.is(service));
    const names = offer.map((one) => one.name).join();
    if (names === offered) return;
    offered = names;
    actions.replaceChildren(
      ...offer.map((one) => h('button', {
        class: one.danger ? 'danger' : '',
        onclick: () => act(one),
      }, one.name)),
      h('button', {class: 'quiet', onclick: look}, 'Look again'),
    );
  }

  async function look() {
    try {
      const answer = await api.evidence(uuid);
      fleet.put(answer.service);
      evidence.replaceChildren(table(answer.evidence));
    } catch (error) {
      evidence.replaceChildren(toldOff(error));
    }
  }

  async function act({name, ask, body, danger}) {
    const done = await confirm({
      title: `${name.replace('…', '')}: ${service.binary} on ${service.host}`,
      action: name.replace('…', ''),
      danger,
      ...ask(service),
      perform: async (values) => {
        if (body) fleet.put(await api.change(uuid, body(values)));
        else {
          await api.delete(uuid);
          fleet.drop(service);
        }
      },
    });
    if (!done) return;
    if (!body) {
      element.close();
      return;
    }
    // The button that was pressed may be gone, and the focus with it.
    actions.querySelector('button').focus();
    await look();
  }

  const told = new AbortController();
  fleet.addEventListener('change', show, {signal: told.signal});
  element.addEventListener('close', () => told.abort());
  show();
  look();
}

const ACTIONS = [
  {
    name: 'Disable…',
    is: (service) => !service.disabled,
    ask: () => ({
      words: 'It goes on as it is, but is given no new work. It counts for '
        + 'its pin.',
      fields: [{name: 'reason', label: 'Reason', maxlength: 255}],
    }),
    body: ({reason}) => ({disabled: true, disabled_reason: reason || null}),
  },
  {
    name: 'Enable…',
    is: (service) => service.disabled,
    ask: (service) => ({
      words: `It is given work again. It is ${orders(service)[0]}.`,
    }),
    body: () => ({disabled: false}),
  },
  {
    name: 'Force down…',
    is: (service) => !service.forced_down,
    ask: () => ({
      words: 'It counts as down for everybody, whatever it says itself. Do '
        + 'this if you know that its host is dead or fenced: others may '
        + 'take over its work.',
    }),
    body: () => ({forced_down: true}),
  },
  {
    name: 'Take back force-down…',
    is: (service) => service.forced_down,
    ask: () => ({words: 'Whether it is up is decided by evidence again.'}),
    body: () => ({forced_down: false}),
  },
  {
    name: 'Quarantine…',
    is: (service) => !service.quarantined && service.liveness === 'down',
    ask: () => ({
      words: 'It counts no more for its pin: it is dead, and will not come '
        + 'back with its old version. If it does, it has to be let in like '
        + 'any other.',
    }),
    body: () => ({quarantined: true}),
  },
  {
    name: 'Unquarantine…',
    is: (service) => service.quarantined,
    ask: () => ({words: 'It counts for its pin again.'}),
    body: () => ({quarantined: false}),
  },
  {
    name: 'Delete…',
    is: () => true,
    danger: true,
    ask: ({host, binary}) => ({
      words: `This deletes the record of ${binary} on ${host}. Its process, `
        + 'if one runs, stops being a member. It cannot be undone.',
      fields: [{
        name: 'host', label: `Type ${host} to confirm`, spellcheck: 'false',
        autocapitalize: 'none',
      }],
      allows: (values) => values.host === host,
    }),
  },
];

function verdict(service, isGone) {
  if (isGone) return ['It is deleted.'];
  const {liveness} = service;
  return [
    h('span', {class: `state ${liveness}`},
      h('span', {class: 'symbol', 'aria-hidden': 'true'}, SYMBOLS[liveness]),
      liveness),
    service.why,
  ];
}

function describe(service) {
  const facts = {
    Group: service.topic,
    Zone: service.availability_zone ?? '–',
    Version: `${service.version}`,
    Incarnation: `${service.incarnation}`,
    Beats: `each ${service.report_interval} s, `
      + `allowed ${service.down_after} s; ${number(service.report_count)} `
      + 'so far',
    'Last beat': moment(service.last_seen_up),
    Left: service.left_at ? moment(service.left_at) : null,
    Follows: `epoch ${service.pin_epoch ?? '–'}`,
    'First joined': moment(service.created_at),
    UUID: service.uuid,
  };
  return Object.entries(facts).filter(([, value]) => value !== null)
    .flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]);
}

function table(pieces) {
  return h('table', {},
    h('thead', {}, h('tr', {}, ...['Source', 'Says', 'Age', 'For'].map(
      (title) => h('th', {scope: 'col'}, title)))),
    h('tbody', {}, ...pieces.map((piece) => h('tr', {},
      h('td', {}, piece.source),
      h('td', {}, piece.says),
      h('td', {class: 'age'}, piece.age === null ? '' : duration(piece.age)),
      h('td', {}, piece.speaks_for)))));
}
