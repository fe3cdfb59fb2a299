/** Functions that make and update elements. */

/**
 * Make an element. Its content is text or elements; markup in a text is not
 * interpreted.
 *
 * @param {string} tag
 * @param {object} attributes - a function is an event listener; true sets an
 *   empty attribute; false, null and undefined set none
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

/** Set a text. If it is the same, screen readers do not read it again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * A list of views, one for each key. A view is reused as long as its key is
 * in the list.
 *
 * @param {Element} parent - contains their elements, in the same order
 * @param {function} make - makes a view of an item; a view has an `element`
 *   and `update(item)`
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

/** Make a parent contain exactly these elements, and move as few as needed. */
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
  // An element that is moved loses the focus.
  if (focused?.isConnected && focused !== document.activeElement) {
    focused.focus({preventScroll: true});
  }
}

/**
 * A stacked bar.
 *
 * @param {Array<{amount: number, kind: string}>} parts - kinds are classes of
 *   the style sheet
 * @param {string|null} label - for screen readers; null if a text beside the
 *   bar says the same
 */
export function bar(parts, label) {
  const element = h('div', {
    class: 'bar', role: 'img', 'aria-label': label,
    'aria-hidden': label === null && 'true',
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
