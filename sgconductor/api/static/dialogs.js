/** Dialogs: to show, to ask for a word, and to ask who is there. */

import {Refused} from './api.js';
import {h, say} from './dom.js';

let made = 0;

/** A modal dialog, which is there until it is closed. */
export function dialog(title, ...content) {
  const id = `dialog${made += 1}`;
  const element = h('dialog', {'aria-labelledby': id},
    h('div', {class: 'title'},
      h('h2', {id}, title),
      h('button', {
        class: 'close', 'aria-label': 'Close', type: 'button',
        onclick: () => element.close(),
      }, '×')),
    ...content);
  element.addEventListener('close', () => element.remove());
  document.body.append(element);
  element.showModal();
  return element;
}

/** An error, for who has asked for what it says was not done. */
export function toldOff(error) {
  return h('p', {class: 'error', role: 'alert'}, sentence(error));
}

export function sentence(error) {
  if (!(error instanceof Refused)) {
    return 'The API does not answer. It is not certain whether this was done.';
  }
  if (error.status === 403) return `You may not do this. ${error.message}`;
  if (error.status === 503) {
    return `It is not certain whether this was done. ${error.message}`;
  }
  return error.message;
}

/**
 * Ask before something is done, and do it.
 *
 * @param {object} what
 * @param {string} what.title
 * @param {string} what.words - what it means
 * @param {object[]} what.fields - attributes of an input, and its `label`
 * @param {string} what.action - on the button that does it
 * @param {boolean} what.danger - whether it cannot be undone
 * @param {function} what.allows - whether the values are good enough for it;
 *   gets them by the names of the fields
 * @param {function} what.perform - does it with them; what it throws is shown
 * @returns {Promise<boolean>} whether it was done
 */
export function confirm({
  title, words, fields = [], action, danger = false,
  allows = () => true, perform,
}) {
  return new Promise((resolve) => {
    let done = false;
    const inputs = fields.map(({label, ...attributes}) => (
      h('label', {}, label, h('input', {autocomplete: 'off', ...attributes}))
    ));
    const problem = h('p', {class: 'error', role: 'alert'});
    const go = h('button', {class: danger ? 'danger' : 'primary'}, action);
    const form = h('form', {method: 'dialog'},
      h('p', {}, words), ...inputs, problem,
      h('div', {class: 'actions'}, go,
        h('button', {
          type: 'button', class: 'quiet', onclick: () => element.close(),
        }, 'Cancel')));
    const values = () => Object.fromEntries(new FormData(form));
    const look = () => { go.disabled = !allows(values()); };
    form.addEventListener('input', look);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      go.disabled = true;
      say(problem, '');
      try {
        await perform(values());
        done = true;
        element.close();
      } catch (error) {
        say(problem, sentence(error));
        look();
      }
    });
    const element = dialog(title, form);
    element.addEventListener('close', () => resolve(done));
    look();
    (form.querySelector('input') ?? go).focus();
  });
}

/**
 * Ask who is there.
 *
 * @param {string} challenge - the server's: what it wants to know
 * @param {boolean} again - whether an answer was wrong
 * @returns {Promise<string[]|null>} a header, as name and value
 */
export async function askWho(challenge, again) {
  const wrong = again ? 'That was not accepted. ' : '';
  const stays = 'It is kept in this tab alone, until it is closed.';
  let header = null;
  if (challenge.startsWith('Keystone')) {
    await confirm({
      title: 'Sign in with a token',
      words: `${wrong}Paste a token, as "openstack token issue" prints it. `
        + stays,
      fields: [{
        name: 'token', label: 'Token', type: 'password', required: true,
      }],
      action: 'Sign in',
      perform: ({token}) => { header = ['X-Auth-Token', token.trim()]; },
    });
  } else if (challenge.startsWith('Basic')) {
    await confirm({
      title: 'Sign in',
      words: `${wrong}Your name and password for sgconductor. ${stays}`,
      fields: [
        {
          name: 'name', label: 'Name', autocomplete: 'username',
          autocapitalize: 'none', required: true,
        },
        {
          name: 'password', label: 'Password', type: 'password',
          autocomplete: 'current-password', required: true,
        },
      ],
      action: 'Sign in',
      perform: ({name, password}) => {
        const bytes = new TextEncoder().encode(`${name}:${password}`);
        header = ['Authorization', `Basic ${btoa(
          String.fromCharCode(...bytes))}`];
      },
    });
  }
  return header;
}
