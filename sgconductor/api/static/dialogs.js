/** Dialogs: to show something, to confirm an action, and to sign in. */

import {Refused} from './api.js';
import {h, say} from './dom.js';

let count = 0;

/** Open a modal dialog; it is removed when it is closed. */
export function dialog(title, ...content) {
  const id = `dialog${count += 1}`;
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

/** An element with an error message. */
export function errorMessage(error) {
  return h('p', {class: 'error', role: 'alert'}, explain(error));
}

function explain(error) {
  if (!(error instanceof Refused)) {
    return 'The API did not answer. The change may have been made or not.';
  }
  if (error.status === 403) {
    return `You are not allowed to do this. ${error.message}`;
  }
  if (error.status === 503) {
    return `The change may have been made or not. ${error.message}`;
  }
  return error.message;
}

/**
 * Ask the user to confirm an action, and perform it.
 *
 * @param {object} options
 * @param {string} options.title
 * @param {string} options.text - what the action does
 * @param {object[]} options.fields - attributes of inputs, with a `label`
 * @param {string} options.action - the label of the button
 * @param {boolean} options.danger - whether it cannot be undone
 * @param {function} options.allows - gets the values by field name; whether
 *   the button is enabled
 * @param {function} options.perform - performs the action with the values;
 *   an error that it throws is shown
 * @returns {Promise<boolean>} whether it was performed
 */
export function confirm({
  title, text, fields = [], action, danger = false,
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
      h('p', {}, text), ...inputs, problem,
      h('div', {class: 'actions'}, go,
        h('button', {
          type: 'button', class: 'quiet', onclick: () => element.close(),
        }, 'Cancel')));
    const values = () => Object.fromEntries(new FormData(form));
    const update = () => { go.disabled = !allows(values()); };
    form.addEventListener('input', update);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      go.disabled = true;
      say(problem, '');
      try {
        await perform(values());
        done = true;
        element.close();
      } catch (error) {
        say(problem, explain(error));
        update();
      }
    });
    const element = dialog(title, form);
    element.addEventListener('close', () => resolve(done));
    update();
    (form.querySelector('input') ?? go).focus();
  });
}

/**
 * Ask the user to sign in.
 *
 * @param {string} challenge - the server's WWW-Authenticate
 * @param {boolean} rejected - whether the last credentials were rejected
 * @returns {Promise<string[]|null>} a header, as name and value
 */
export async function signIn(challenge, rejected) {
  const wrong = rejected ? 'That was not accepted. ' : '';
  const stored = 'Only this tab stores it, until you close the tab.';
  let header = null;
  if (challenge.startsWith('Keystone')) {
    await confirm({
      title: 'Sign in with a token',
      text: `${wrong}Paste a token that "openstack token issue" printed. `
        + stored,
      fields: [{
        name: 'token', label: 'Token', type: 'password', required: true,
      }],
      action: 'Sign in',
      perform: ({token}) => { header = ['X-Auth-Token', token.trim()]; },
    });
  } else if (challenge.startsWith('Basic')) {
    await confirm({
      title: 'Sign in',
      text: `${wrong}Your user name and password for sgconductor. ${stored}`,
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
