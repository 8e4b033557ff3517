// Addresses in what people wrote, made to be followed. Only http and https: no other kind can be trusted with a click.

import { make } from "./dom.js";

const ADDRESS = /\bhttps?:\/\/[^\s<>"“”„«»]+/giu;
const CLOSING = { ")": "(", "]": "[", "}": "{" };

/** Return the text as nodes, in which addresses are links. */
export function linked(text) {
  const nodes = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = trimmed(found);
    if (!isSafe(address)) continue;
    nodes.push(text.slice(end, index), link(address));
    end = index + address.length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}

/** Leave the punctuation after an address to the sentence, and a bracket to whoever opened it. */
function trimmed(address) {
  for (;;) {
    const last = address.at(-1), opening = CLOSING[last];
    const isOdd = opening && address.split(last).length > address.split(opening).length;
    if (!isOdd && !/[.,:;!?'’*_~]/u.test(last)) return address;
    address = address.slice(0, -1);
  }
}

function isSafe(address) {
  try { return ["http:", "https:"].includes(new URL(address).protocol); } catch { return false; }
}

function link(address) {
  const element = make("a", "", address);
  element.href = address;
  element.target = "_blank";
  element.rel = "noopener noreferrer";
  return element;
}
