/** Elements: to make them, and to keep those that stay. */

/**
 * An element. Whatever is in it is text or another element, never markup.
 *
 * @param {string} tag
 * @param {object} attributes - a function listens; true is there, and false,
 *   null and undefined are not
 * @param {...(Node|string|null|false)} content
 */
export function h(tag, attributes = {}, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      element.addEventListener(name.slice(2), value);
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...content.filter((one) => one || one === 0));
  return element;
}

export const find = (selector) => document.querySelector(selector);

/** Set a text; one that is the same is not touched, nor read out again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A list of views, one for each key, which stays as long as the key does.
 *
 * @param {Element} parent - has them, in their order
 * @param {function} make - gets an item; a view has an `element`, and
 *   `update(item)`
 */
export class Views {
  #parent;
  #make;
  #views = new Map();

  constructor(parent, make) {
    this.#parent = parent;
    this.#make = make;
  }

  get(key) {
    return this.#views.get(key);
  }

  /**
   * @param {Array} items
   * @param {function} keyOf - of an item
   */
  show(items, keyOf) {
    const views = new Map();
    for (const item of items) {
      const key = keyOf(item);
      const view = this.#views.get(key) ?? this.#make(item);
      view.update(item);
      views.set(key, view);
    }
    this.#views = views;
    arrange(this.#parent, [...views.values()].map((view) => view.element));
  }
}

/** Have a parent contain these elements alone, and move few of them. */
function arrange(parent, elements) {
  const focused = document.activeElement;
  const wanted = new Set(elements);
  for (const child of [...parent.children]) {
    if (!wanted.has(child)) child.remove();
  }
  let next = parent.firstElementChild;
  for (const element of elements) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  // What is moved loses the focus.
  if (focused?.isConnected && focused !== document.activeElement) {
    focused.focus({preventScroll: true});
  }
}

/**
 * Parts of a whole, side by side.
 *
 * @param {Array<{amount: number, kind: string}>} parts - the style sheet
 *   knows the kinds
 * @param {string|null} words - the same for who does not see it; null if they
 *   are there already
 */
export function bar(parts, words) {
  const element = h('div', {
    class: 'bar', role: 'img', 'aria-label': words,
    'aria-hidden': words === null && 'true',
  });
  for (const {amount, kind} of parts) {
    if (amount) {
      const part = h('span', {class: kind});
      part.style.flexGrow = amount;
      element.append(part);
    }
  }
  return element;
}
