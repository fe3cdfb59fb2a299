/** One service: its fields, the evidence, and the actions. */

import {confirm, dialog, errorMessage} from './dialogs.js';
import {h} from './dom.js';
import {duration, moment, number, orders, SYMBOLS} from './words.js';

/**
 * @param {Api} api
 * @param {Fleet} fleet
 * @param {string} uuid - of a service of the fleet
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
    // Buttons that stay are not replaced while the user may press one.
    const offer = isGone ? [] : ACTIONS.filter((one) => one.is(service));
    const names = offer.map((one) => one.name).join();
    if (names === offered) return;
    offered = names;
    actions.replaceChildren(
      ...offer.map((one) => h('button', {
        class: one.danger ? 'danger' : '',
        onclick: () => act(one),
      }, one.name)),
      h('button', {class: 'quiet', onclick: refresh}, 'Refresh'),
    );
  }

  async function refresh() {
    try {
      const answer = await api.evidence(uuid);
      fleet.put(answer.service);
      evidence.replaceChildren(table(answer.evidence));
    } catch (error) {
      evidence.replaceChildren(errorMessage(error));
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
    // The button that was pressed may be gone; keep the focus in the dialog.
    actions.querySelector('button').focus();
    await refresh();
  }

  const closed = new AbortController();
  fleet.addEventListener('change', show, {signal: closed.signal});
  element.addEventListener('close', () => closed.abort());
  show();
  refresh();
}

const ACTIONS = [
  {
    name: 'Disable…',
    is: (service) => !service.disabled,
    ask: () => ({
      text: 'It keeps running, but gets no new work. It still counts for '
        + 'its pin.',
      fields: [{name: 'reason', label: 'Reason', maxlength: 255}],
    }),
    body: ({reason}) => ({disabled: true, disabled_reason: reason || null}),
  },
  {
    name: 'Enable…',
    is: (service) => service.disabled,
    ask: (service) => ({
      text: `It gets new work again. At present it is ${orders(service)[0]}.`,
    }),
    body: () => ({disabled: false}),
  },
  {
    name: 'Force down…',
    is: (service) => !service.forced_down,
    ask: () => ({
      text: 'It is down, regardless of its heartbeats. Do this only if you '
        + 'know that its host is dead or fenced: other services may take '
        + 'over its work.',
    }),
    body: () => ({forced_down: true}),
  },
  {
    name: 'Undo force-down…',
    is: (service) => service.forced_down,
    ask: () => ({text: 'Its heartbeats decide again whether it is up.'}),
    body: () => ({forced_down: false}),
  },
  {
    name: 'Quarantine…',
    is: (service) => !service.quarantined && service.liveness === 'down',
    ask: () => ({
      text: 'It no longer counts for its pin. Do this if it will not come '
        + 'back with its old version. If it does, it can join only if the '
        + 'pin allows its version.',
    }),
    body: () => ({quarantined: true}),
  },
  {
    name: 'Unquarantine…',
    is: (service) => service.quarantined,
    ask: () => ({text: 'It counts for its pin again.'}),
    body: () => ({quarantined: false}),
  },
  {
    name: 'Delete…',
    is: () => true,
    danger: true,
    ask: ({host, binary}) => ({
      text: `This deletes the record of ${binary} on ${host}. If its process `
        + 'runs, it is no longer a member. You cannot undo this.',
      fields: [{
        name: 'host', label: `Type ${host} to confirm`, spellcheck: 'false',
        autocapitalize: 'none',
      }],
      allows: (values) => values.host === host,
    }),
  },
];

function verdict(service, isGone) {
  if (isGone) return ['This service was deleted.'];
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
    Heartbeats: `every ${service.report_interval} s, down after `
      + `${service.down_after} s; ${number(service.report_count)} received`,
    'Last heartbeat': moment(service.last_seen_up),
    Left: service.left_at ? moment(service.left_at) : null,
    'Pin epoch': `${service.pin_epoch}`,
    'First joined': moment(service.created_at),
    UUID: service.uuid,
  };
  return Object.entries(facts).filter(([, value]) => value !== null)
    .flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]);
}

function table(pieces) {
  return h('table', {},
    h('thead', {}, h('tr', {},
      ...['Source', 'Evidence', 'Age', 'Indicates'].map(
        (title) => h('th', {scope: 'col'}, title)))),
    h('tbody', {}, ...pieces.map((piece) => h('tr', {},
      h('td', {}, piece.source),
      h('td', {}, piece.says),
      h('td', {class: 'age'}, piece.age === null ? '' : duration(piece.age)),
      h('td', {}, piece.speaks_for)))));
}
