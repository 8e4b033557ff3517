// The rooms with their numbers, and who is here.

import { told } from "./connection.js";
import { $, button, face, make, reconcile } from "./dom.js";

const people = new Map(); // id -> person
let me = "";

const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

export function showRooms(rooms, current, enter) {
  reconcile($("rooms"), rooms, (room) => room.name,
    ({ name }) => make("li", "", button("", () => enter(name))),
    (item, room) => {
      const choice = item.firstElementChild;
      choice.replaceChildren(make("bdi", "name", room.name), make("span", "badge", String(room.people)));
      choice.setAttribute("aria-label", `${room.name}, ${plural(room.people, "person", "people")}`);
      if (room.name === current) choice.setAttribute("aria-current", "true");
      else choice.removeAttribute("aria-current");
    });
}

export function seat(id, here) {
  me = id;
  people.clear();
  for (const person of here) people.set(person.id, person);
  showPeople();
}

/** Take in somebody new or changed; return how they were before. */
export function put(person) {
  const before = people.get(person.id);
  people.set(person.id, person);
  showPeople();
  return before;
}

export function remove(id) {
  people.delete(id);
  showPeople();
}

function showPeople() {
  const sorted = [...people.values()].sort((a, b) => (b.id === me) - (a.id === me) || a.name.localeCompare(b.name));
  $("count").textContent = people.size;
  $("summary").textContent = `(${people.size})`;
  reconcile($("people"), sorted, (person) => person.id,
    ({ name }) => make("li", "", face(name), make("bdi", "who", name), make("span", "way")),
    (item, person) => {
      const name = item.querySelector(".who");
      name.textContent = person.name;
      name.title = person.name;
      if (person.id === me) name.append(make("span", "you", " (you)"));
      item.classList.toggle("away", person.away);
      const way = `${told(person.transport)} · ${person.generation}`;
      item.querySelector(".way").textContent = person.away ? "connection lost" : way;
    });
}
