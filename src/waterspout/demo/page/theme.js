// Light, dark, or as the system has it.

import { $ } from "./dom.js";
import { browser } from "./memory.js";

const THEMES = {
  auto: ["Auto", "light dark", "as the system has them"],
  light: ["Light", "light", "light"],
  dark: ["Dark", "dark", "dark"],
};

function paint(theme) {
  const [label, scheme, words] = THEMES[theme];
  document.documentElement.style.colorScheme = scheme;
  $("theme").lastElementChild.textContent = label;
  $("theme").setAttribute("aria-label", `Colours: ${words}`);
  $("theme").dataset.theme = theme;
}

const kept = browser.get("theme");
paint(Object.hasOwn(THEMES, kept) ? kept : "auto");

$("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf($("theme").dataset.theme) + 1) % names.length];
  paint(next);
  browser.set("theme", next);
});
