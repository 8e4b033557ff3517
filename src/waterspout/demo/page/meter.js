// The live figure: messages per second, and the last minute of it as a curve.

import { $ } from "./dom.js";

const SPAN = 60;
const LEAST = 4; // messages per second that fill the curve, so that a quiet server looks quiet

let rates;
clear();

export function clear() {
  rates = Array(SPAN).fill(0);
}

export function add(rate) {
  rates = [...rates, rate].slice(-SPAN);
  draw();
}

function draw() {
  const now = rates.at(-1) ?? 0;
  const most = Math.max(LEAST, ...rates);
  const points = rates.map((rate, at) => `${(60 * at) / (SPAN - 1)} ${(19 - (18 * rate) / most).toFixed(2)}`);
  $("figure").hidden = false;
  $("rate").textContent = now < 10 ? String(Math.round(now * 10) / 10) : Math.round(now).toLocaleString();
  $("unit").textContent = now === 1 ? "message/s" : "messages/s";
  $("figure").querySelector(".line").setAttribute("d", `M${points.join("L")}`);
  $("figure").querySelector(".area").setAttribute("d", `M0 20L${points.join("L")}L60 20Z`);
}
