// The conversation: asking, watching the answer arrive, and what can be done with it.

import { Problem, ask, call } from "/static/api.js";
import { announce, el, icon } from "/static/dom.js";
import { render, spoken } from "/static/markdown.js";
import { load, programmeChosen, programmeName } from "/static/programmes.js";
import { asOf, closeSource, kindName, showSource } from "/static/source.js";

const STEPS = {
  understand: "Reading the question",
  retrieve: "Searching the guidance",
  compose: "Writing the answer",
  write: "Writing the answer",
  verify: "Checking every statement against its source",
};
const UP = "M7 9v8H3V9zM7 9l4-7c1.5 0 2 1 2 2l-.6 4H17l-1.5 9H7";
const DOWN = "M13 11V3h4v8zM13 11l-4 7c-1.5 0-2-1-2-2l.6-4H3l1.5-9H13";
const UNSAVED = "This conversation cannot be kept at the moment, so follow-up questions may not be understood.";

const $ = (id) => document.getElementById(id);
const [composer, question, conversation, turns] = ["composer", "question", "conversation", "turns"].map($);

let conversationId = localStorage.getItem("aeo.conversation");
let running = null; // the AbortController of the answer that is arriving

// --- asking ---------------------------------------------------------------------------------------------------------

function submit(text) {
  const asked = text.trim();
  if (!asked || running) return;
  question.value = "";
  fitHeight();
  const turn = newTurn(asked);
  turn.scrollIntoView({ block: "start" });
  answerInto(turn, asked);
}

async function answerInto(turn, asked) {
  const slot = turn.querySelector(".slot");
  const progress = el("p", { class: "progress" }, "Reading the question");
  const draft = el("div", { class: "text", dir: "auto" });
  slot.replaceChildren(el("article", { class: "answer", "aria-label": "Answer", "aria-busy": "true" }, progress, draft));
  running = new AbortController();
  setBusy(true);
  announce("Searching the guidance");
  const sentences = [];
  try {
    for await (const [name, data] of askInConversation(asked, running.signal)) {
      if (name === "step" && STEPS[data.name]) progress.textContent = STEPS[data.name];
      if (name === "sentence") draft.replaceChildren(render((sentences.push(data.text), sentences.join("\n\n")), pale));
      if (name === "answer") showAnswer(slot, data);
    }
  } catch (error) {
    if (error.name === "AbortError") showStopped(turn, asked, draft);
    else showProblem(turn, asked, error);
  } finally {
    running = null;
    setBusy(false);
  }
}

/** The answer's events. A conversation that is gone is begun anew; while none can be kept, the question stands alone. */
async function* askInConversation(asked, signal) {
  const jurisdictions = programmeChosen() ? [programmeChosen()] : [];
  const body = { question: asked, jurisdictions, audience: localStorage.getItem("aeo.audience") }; // null: recognised
  try {
    await ensureConversation();
    yield* ask({ ...body, conversation_id: conversationId }, signal);
  } catch (error) {
    if (error.kind === "not-found") {
      forgetConversation();
      await ensureConversation();
      yield* ask({ ...body, conversation_id: conversationId }, signal);
    } else if (error.kind === "database-unavailable") {
      for await (const [name, data] of ask(body, signal)) {
        yield [name, name === "answer" ? { ...data, notices: [...data.notices, UNSAVED] } : data];
      }
    } else {
      throw error;
    }
  }
}

async function ensureConversation() {
  if (conversationId) return;
  conversationId = (await call("POST", "/v1/conversations")).id;
  localStorage.setItem("aeo.conversation", conversationId);
}

function forgetConversation() {
  conversationId = null;
  localStorage.removeItem("aeo.conversation");
}

function setBusy(busy) {
  $("send").hidden = busy;
  $("stop").hidden = !busy;
  document.querySelectorAll(".choices button").forEach((button) => (button.disabled = busy));
}

// --- showing --------------------------------------------------------------------------------------------------------

function newTurn(asked) {
  $("welcome").hidden = true;
  $("start-over").hidden = false;
  const turn = el("li", {}, el("h2", { class: "asked" }, el("bdi", { dir: "auto" }, asked)), el("div", { class: "slot" }));
  turns.append(turn);
  return turn;
}

function showAnswer(slot, answer) {
  const citations = new Map(answer.citations.map((citation) => [citation.marker, citation]));
  const markdown = (text) => render(text, (number) => marker(citations.get(number)));
  slot.replaceChildren(
    el(
      "article",
      { class: `answer ${answer.status}`, "aria-label": "Answer" },
      heading(answer),
      el("div", { class: "text", dir: "auto" }, markdown(answer.answer)),
      ...answer.notices.map((notice) => el("div", { class: "notice", dir: "auto" }, markdown(notice))),
      answer.citations.length > 0 && sources(answer.citations),
      answer.suggestions.length > 0 && suggestions(answer),
      feedback(answer),
    ),
  );
  announce(spoken(answer.answer) + (answer.citations.length ? ` Sources: ${answer.citations.length}.` : ""));
}

function heading(answer) {
  const programmes = answer.jurisdictions.map(programmeName).join(", ");
  const words = {
    answered: [programmes, answer.audience === "officer" && "for officers"].filter(Boolean).join(", "),
    clarify: "One more detail",
    declined: "No answer given",
  };
  return el("p", { class: "scope" }, words[answer.status]);
}

/** A marker before its citation is known. */
function pale(number) {
  return el("span", { class: "marker pale", "aria-hidden": "true" }, String(number));
}

function marker(citation) {
  if (!citation) return null;
  return el(
    "button",
    {
      type: "button",
      class: "marker",
      "aria-label": `Source ${citation.marker}: ${citation.reference || citation.document}`,
      "aria-haspopup": "dialog",
      onclick: (event) => showSource(citation, event.currentTarget),
    },
    String(citation.marker),
  );
}

function sources(citations) {
  const items = citations.map((citation) =>
    el(
      "li",
      {},
      el(
        "button",
        { type: "button", "aria-haspopup": "dialog", onclick: (event) => showSource(citation, event.currentTarget) },
        el("span", { class: "number" }, String(citation.marker)),
        el(
          "span",
          { class: "source" },
          el("strong", { dir: "auto" }, citation.reference || citation.document),
          el("span", { class: "origin", dir: "auto" }, [citation.document, citation.publisher].filter(Boolean).join(", ")),
          el("span", { class: "origin" }, `${kindName(citation)}, ${asOf(citation)}`),
        ),
      ),
    ),
  );
  return el("details", { class: "sources", open: true }, el("summary", {}, `Sources (${citations.length})`), el("ol", {}, ...items));
}

function suggestions(answer) {
  const labels = answer.status === "clarify" ? endings(answer.suggestions) : answer.suggestions;
  const buttons = answer.suggestions.map((text, i) =>
    el("li", {}, el("button", { type: "button", dir: "auto", "aria-label": text, onclick: () => submit(text) }, labels[i])),
  );
  const title = answer.status === "clarify" ? "Choose one" : "You could also ask";
  return el("section", { class: "next" }, el("h3", {}, title), el("ul", { class: "choices" }, ...buttons));
}

/** Choices that repeat the question and differ after its last comma, without what they share. */
function endings(choices) {
  const [first] = choices;
  const shared = first.slice(0, first.lastIndexOf(", ") + 2);
  const alike = choices.length > 1 && shared.length > 2 && choices.every((choice) => choice.startsWith(shared));
  return alike ? choices.map((choice) => choice.slice(shared.length).replace(/[?？]$/, "")) : choices;
}

function showStopped(turn, asked, draft) {
  draft.querySelectorAll(".marker").forEach((pending) => pending.remove());
  const again = retryButton(turn, asked, "Ask again");
  const line = el("p", { class: "stopped" }, "Stopped. ", draft.textContent && "The text above is not the whole answer. ", again);
  turn.querySelector(".slot").replaceChildren(el("article", { class: "answer", "aria-label": "Answer" }, draft, line));
  announce("Stopped");
  question.focus();
}

function showProblem(turn, asked, error) {
  const known = error instanceof Problem;
  if (!known) console.error(error);
  const words = known ? error.message : "Something went wrong on this page.";
  const again = retryButton(turn, asked, "Try again");
  turn.querySelector(".slot").replaceChildren(el("p", { class: "problem" }, el("span", {}, words), again));
  announce(words);
}

function retryButton(turn, asked, label) {
  return el("button", { type: "button", class: "quiet", onclick: () => running || answerInto(turn, asked) }, label);
}

// --- feedback -------------------------------------------------------------------------------------------------------

function feedback(answer) {
  const status = el("span", { class: "thanks", role: "status" });
  const up = thumb("This helped", UP);
  const down = thumb("This did not help", DOWN);
  const box = el("div", { class: "feedback" }, up, down, status);

  async function give(helpful, comment) {
    try {
      await call("POST", "/v1/feedback", { answer_id: answer.id, helpful, comment });
      status.textContent = "Thank you.";
      return true;
    } catch (problem) {
      status.textContent = problem.message;
      return false;
    }
  }

  function choose(helpful) {
    up.setAttribute("aria-pressed", String(helpful));
    down.setAttribute("aria-pressed", String(!helpful));
    box.querySelector("form")?.remove();
    const form = commentForm(helpful, async (comment) => {
      if (!(await give(helpful, comment))) return;
      form.remove();
      (helpful ? up : down).focus();
    });
    box.append(form);
    form.querySelector("textarea").focus({ preventScroll: true });
    form.scrollIntoView({ block: "nearest" });
    give(helpful, "");
  }

  up.addEventListener("click", () => choose(true));
  down.addEventListener("click", () => choose(false));
  return box;
}

function thumb(label, path) {
  return el("button", { type: "button", class: "icon", "aria-label": label, title: label, "aria-pressed": "false" }, icon(path));
}

function commentForm(helpful, send) {
  const wording = helpful ? "What was good about it? (optional)" : "What was wrong or missing? (optional)";
  const comment = el("textarea", { rows: "2", maxlength: "2000", dir: "auto" });
  const form = el("form", {}, el("label", {}, wording, comment), el("button", { class: "solid" }, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (comment.value.trim()) send(comment.value);
  });
  return form;
}

// --- the page -------------------------------------------------------------------------------------------------------

async function restore() {
  if (!conversationId) return;
  try {
    const { answers } = await call("GET", `/v1/conversations/${encodeURIComponent(conversationId)}`);
    for (const answer of answers) showAnswer(newTurn(answer.question).querySelector(".slot"), answer);
    turns.lastElementChild?.scrollIntoView({ block: "start" });
    announce("");
  } catch (problem) {
    if (problem.status === 404) forgetConversation();
    else pageProblem(problem, "The earlier conversation cannot be shown.");
  }
}

async function startOver() {
  running?.abort();
  closeSource();
  const forgotten = conversationId;
  forgetConversation();
  turns.replaceChildren();
  $("welcome").hidden = false;
  $("start-over").hidden = true;
  announce("New conversation");
  question.focus();
  if (forgotten) await call("DELETE", `/v1/conversations/${encodeURIComponent(forgotten)}`).catch(() => {});
}

function pageProblem(problem, what) {
  const again = el("button", { type: "button", class: "quiet", onclick: () => (line.remove(), begin()) }, "Try again");
  const line = el("p", { class: "problem" }, el("span", {}, `${what} ${problem.message}`), again);
  $("page-problems").replaceChildren(line);
  announce(line.firstChild.textContent);
}

async function begin() {
  await load()
    .then((count) => ($("coverage").textContent = `The guidance covers ${count} programmes.`))
    .catch((problem) => pageProblem(problem, "The list of programmes cannot be shown."));
  if (!turns.childElementCount) await restore();
}

function fitHeight() {
  question.style.height = "auto";
  question.style.height = `${question.scrollHeight}px`;
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  submit(question.value);
});
question.addEventListener("keydown", (event) => {
  // Enter that confirms an input method's candidate does not send.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit(question.value);
});
question.addEventListener("input", fitHeight);
$("stop").addEventListener("click", () => running?.abort());
$("start-over").addEventListener("click", startOver);
$("examples").addEventListener("click", (event) => event.target.matches("button") && submit(event.target.textContent));
composer.audience.forEach((choice) => {
  choice.checked = choice.value === (localStorage.getItem("aeo.audience") ?? "applicant");
  choice.addEventListener("change", () => localStorage.setItem("aeo.audience", choice.value));
});
begin();
