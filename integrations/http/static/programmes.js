// The choice of a programme: a text field that searches names, authorities and aliases (ARIA combobox with a listbox).

import { el } from "/static/dom.js";
import { call } from "/static/api.js";

const AUTOMATIC = { code: "", name: "Recognise from my question", authority: "", aliases: [] };

const input = document.getElementById("programme-input");
const list = document.getElementById("programme-list");
const clear = document.getElementById("programme-clear");

let all = [];
let shown = [];
let active = -1;
let chosen = AUTOMATIC;

/** Load the programmes and take up the earlier choice; how many there are. Throws Problem. */
export async function load() {
  all = await call("GET", "/v1/programmes");
  const remembered = localStorage.getItem("aeo.programme");
  select(all.find((programme) => programme.code === remembered) ?? AUTOMATIC);
  return all.length;
}

/** The code that was chosen, or "" to recognise it from the question. */
export function programmeChosen() {
  return chosen.code;
}

/** The name of a programme; the code while names are not loaded. */
export function programmeName(code) {
  return all.find((programme) => programme.code === code)?.name ?? code;
}

function select(programme) {
  chosen = programme;
  input.value = programme.code ? programme.name : "";
  clear.hidden = !programme.code;
  if (programme.code) localStorage.setItem("aeo.programme", programme.code);
  else localStorage.removeItem("aeo.programme");
}

function folded(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/** How well a programme fits: 0 its code, 1 a name that begins so, 2 a name that holds it, Infinity not at all. */
function distance(programme, wanted) {
  const names = [programme.name, programme.authority, ...programme.aliases].map(folded);
  if (folded(programme.code) === wanted) return 0;
  if (names.some((name) => name.startsWith(wanted))) return 1;
  return names.some((name) => name.includes(wanted)) ? 2 : Infinity;
}

function open(filter) {
  const wanted = folded(filter.trim());
  const fitting = all.map((programme) => [distance(programme, wanted), programme]).filter(([far]) => far < Infinity);
  fitting.sort(([a, first], [b, second]) => a - b || first.name.localeCompare(second.name));
  shown = [...(wanted ? [] : [AUTOMATIC]), ...fitting.map(([, programme]) => programme)];
  list.replaceChildren(...shown.map(option));
  if (!shown.length) list.append(el("li", { class: "none", role: "option", "aria-disabled": "true" }, "No such programme"));
  list.hidden = false;
  input.setAttribute("aria-expanded", "true");
  activate(wanted && shown.length ? 0 : -1);
}

function option(programme, index) {
  return el(
    "li",
    {
      id: `programme-${index}`,
      role: "option",
      "aria-selected": String(programme === chosen),
      onpointerdown: (event) => event.preventDefault(), // the field keeps the focus
      onclick: () => pick(index),
    },
    el("span", {}, programme.name),
    programme.authority && el("small", {}, programme.authority),
  );
}

function activate(index) {
  list.querySelector(".active")?.classList.remove("active");
  active = index;
  const node = list.children[index];
  if (index < 0 || !node) return input.removeAttribute("aria-activedescendant");
  node.classList.add("active");
  node.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", node.id);
}

function pick(index) {
  select(shown[index]);
  close();
}

function close() {
  list.hidden = true;
  active = -1;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
  input.value = chosen.code ? chosen.name : "";
}

function keydown(event) {
  const expanded = !list.hidden;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (!expanded) return open("");
    const step = event.key === "ArrowDown" ? 1 : -1;
    activate((active + step + shown.length + (active < 0 && step < 0 ? 1 : 0)) % Math.max(shown.length, 1));
  } else if (event.key === "Enter") {
    event.preventDefault();
    if (expanded && active >= 0) pick(active);
  } else if (event.key === "Escape" && expanded) {
    event.preventDefault();
    event.stopPropagation();
    close();
  } else if (event.key === "Tab" && expanded) {
    if (active >= 0 && input.value.trim()) pick(active);
    else close();
  }
}

input.addEventListener("keydown", keydown);
input.addEventListener("input", () => {
  if (!input.value.trim()) select(AUTOMATIC);
  open(input.value);
});
input.addEventListener("click", () => list.hidden && open(""));
input.addEventListener("focus", () => input.select());
input.addEventListener("blur", close);
clear.addEventListener("click", () => {
  select(AUTOMATIC);
  input.focus();
});
