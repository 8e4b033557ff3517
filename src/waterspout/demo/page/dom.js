// Elements. What people wrote is always set as text, never as HTML.

export const $ = (id) => document.getElementById(id);

export function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

export function button(label, action, className = "") {
  const element = make("button", className, label);
  element.type = "button";
  element.addEventListener("click", action);
  return element;
}

/** An icon of index.html's symbols. With a label it is an image, without one decoration. */
export function icon(name, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  svg.setAttribute("viewBox", "0 0 20 16");
  svg.setAttribute("aria-hidden", "true");
  const mark = make("span", "mark", svg);
  if (label) {
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", label);
    mark.title = label;
  }
  return mark;
}

/** The first letter of a name, on a colour of its own. */
export function face(name) {
  const element = make("span", "face", [...name][0].toUpperCase());
  const turn = [...name].reduce((sum, char) => (sum * 31 + char.codePointAt(0)) % 280, 7);
  element.style.setProperty("--hue", 140 + turn); // all but the yellows, which are muddy this dark
  element.setAttribute("aria-hidden", "true");
  return element;
}

/** Make a list show these items: what is there stays, so that nothing loses its focus. */
export function reconcile(list, items, key, build, update) {
  const before = new Map([...list.children].map((element) => [element.dataset.key, element]));
  items.forEach((item, at) => {
    const name = String(key(item));
    let element = before.get(name);
    before.delete(name);
    if (!element) {
      element = build(item);
      element.dataset.key = name;
    }
    update(element, item);
    if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null);
  });
  for (const element of before.values()) element.remove();
}
