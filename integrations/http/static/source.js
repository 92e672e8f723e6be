// The panel that shows a citation's passage: beside the conversation, on a narrow screen as a sheet over it.

import { call } from "/static/api.js";
import { el, icon, webAddress } from "/static/dom.js";

const KINDS = { restatement: "Our restatement", official: "Official text" };
const KIND_NOTES = {
  restatement: "Our own words for what the provision says. Read the provision itself before you rely on it.",
  official: "The text of the publication itself.",
};
const SOURCES = {
  official: "Official publication",
  mirror: "Official text, copy on another site",
  secondary: "Secondary source (law firm, press, study)",
};
const MONTHS = "January February March April May June July August September October November December".split(" ");
const OUTWARD = "M8 4H4v12h12v-4M11 3h6v6M17 3l-8 8";

const panel = document.getElementById("panel");
const title = document.getElementById("panel-title");
const body = document.getElementById("panel-body");
const wide = matchMedia("(min-width: 62rem)");

let opener = null;
let current = null;

/** "2025-06-01" as "1 June 2025"; dates reduced to month or year stay so. */
export function readableDate(date) {
  const [year, month, day] = date.split("-").map(Number);
  return [day, MONTHS[month - 1], year].filter(Boolean).join(" ");
}

/** As of when a citation holds, in words. */
export function asOf(citation) {
  if (!citation.as_of) return "undated";
  const date = readableDate(citation.as_of);
  return citation.undated ? `undated page, read ${date}` : `as of ${date}`;
}

/** What kind of text a citation is, in words. */
export function kindName(citation) {
  return KINDS[citation.kind] ?? citation.kind;
}

/** Open the panel on a citation; when it closes, the focus goes back to `from`. */
export async function showSource(citation, from) {
  opener?.classList.remove("open");
  opener = from;
  opener.classList.add("open");
  current = citation;
  title.textContent = citation.reference || citation.document;
  body.setAttribute("aria-busy", "true");
  body.replaceChildren(...content(citation, null, ""));
  body.scrollTop = 0;
  if (!panel.open) openPanel();
  title.focus();
  let passage = null;
  let note = "";
  try {
    passage = await call("GET", `/v1/passages/${encodeURIComponent(citation.passage_id)}`);
    if (!located(passage.text, citation)) note = "The passage was revised after this answer was given.";
  } catch (problem) {
    note = problem.status === 404
      ? "The guidance no longer holds this passage. These words were quoted from it when the answer was given."
      : `${problem.message} Shown here are the words that the answer quotes.`;
  }
  if (current !== citation) return;
  body.removeAttribute("aria-busy");
  body.replaceChildren(...content(citation, passage, note));
}

/** Close the panel. */
export function closeSource() {
  if (panel.open) panel.close();
}

function openPanel() {
  if (wide.matches) panel.show();
  else panel.showModal();
}

/** Where the quoted words stand in a text, as [start, end] in characters; null where they do not. */
function located(text, citation) {
  // Positions count characters, JavaScript strings count UTF-16 units.
  const characters = [...text];
  if (characters.slice(citation.start, citation.end).join("") === citation.quote) return [citation.start, citation.end];
  const at = text.indexOf(citation.quote);
  if (at < 0) return null;
  const start = [...text.slice(0, at)].length;
  return [start, start + [...citation.quote].length];
}

function content(citation, passage, note) {
  const url = webAddress(citation.url);
  return [
    passage?.heading_path.length
      ? el("p", { class: "path" }, el("span", { class: "hidden" }, "Section: "), passage.heading_path.join(" › "))
      : null,
    el(
      "blockquote",
      { lang: passage?.language ?? citation.language, dir: "auto", cite: url },
      ...highlighted(passage?.text ?? citation.quote, citation),
    ),
    note && el("p", { class: "notice" }, note),
    el("p", { class: "kind" }, el("strong", {}, kindName(citation)), " ", KIND_NOTES[citation.kind] ?? ""),
    el(
      "dl",
      {},
      ...row("Document", citation.document),
      ...row("Publisher", citation.publisher),
      ...row("Source", SOURCES[citation.source_type] ?? citation.source_type),
      ...row("As of", asOf(citation).replace(/^as of /, "")),
      ...row("In force", validity(passage)),
      ...row("Page", passage?.page),
    ),
    url &&
      el(
        "a",
        { class: "outward", href: url, target: "_blank", rel: "noopener noreferrer" },
        "Open the source",
        el("span", { class: "hidden" }, " (new tab)"),
        icon(OUTWARD),
      ),
  ].filter(Boolean);
}

function row(name, value) {
  return value ? [el("dt", {}, name), el("dd", { dir: "auto" }, String(value))] : [];
}

function validity(passage) {
  const from = passage?.valid_from && `from ${readableDate(passage.valid_from)}`;
  const to = passage?.valid_to && `until ${readableDate(passage.valid_to)}`;
  return [from, to].filter(Boolean).join(" ");
}

function highlighted(text, citation) {
  const place = located(text, citation);
  if (!place) return [text];
  const characters = [...text];
  const [start, end] = place;
  const [before, quoted, after] = [characters.slice(0, start), characters.slice(start, end), characters.slice(end)];
  return [before.join(""), el("mark", {}, quoted.join("")), after.join("")];
}

panel.addEventListener("close", () => {
  current = null;
  opener?.classList.remove("open");
  const target = opener?.isConnected ? opener : document.getElementById("question");
  opener = null;
  target.focus();
});
panel.addEventListener("click", (event) => event.target === panel && closeSource()); // the backdrop of the sheet
document.getElementById("panel-close").addEventListener("click", closeSource);
document.addEventListener("keydown", (event) => event.key === "Escape" && closeSource());
wide.addEventListener("change", () => {
  if (!panel.open) return;
  const [citation, from] = [current, opener];
  panel.close();
  // The close event comes later and forgets both: open again after it.
  panel.addEventListener("close", () => showSource(citation, from), { once: true });
});
