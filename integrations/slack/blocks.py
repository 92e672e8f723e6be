"""Answers, passages, forms and the home tab as Block Kit: plain dictionaries within Slack's published limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.answer import Answer, Citation
from corpus.programmes import Programme
from indexing.passages import Passage
from integrations.slack.text import escaped, harmless_markdown, link, parts, shortened
from integrations.slack.words import LANGUAGES, say

Block = dict[str, Any]

PART = 2800
"""Characters of an answer in one message; the rest waits behind a button. Slack allows 12,000."""
BUTTON = 75
TEXT = 3000
"""Characters in one text object, and in one piece of rich text as we write it."""
IN_CONTEXT = 10
SELECTABLE = 100
"""Options in a menu, or in one group of it."""
PASSAGES = 24
"""Passages in one modal: up to four blocks each, of 100."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message: `text` is streamed or shown first, `tail` are the blocks under it."""

    text: str
    tail: list[Block]

    @property
    def blocks(self) -> list[Block]:
        """The whole message."""
        return [markdown(self.text), *self.tail]

    @property
    def notification(self) -> str:
        """What notifications and screen readers get."""
        return escaped(shortened(self.text, 300))


def markdown(text: str) -> Block:
    """A Markdown block."""
    return {"type": "markdown", "text": harmless_markdown(text)}


def context(*texts: str) -> Block:
    """Small grey `mrkdwn` lines."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text} for text in texts]}


def section(text: str, accessory: Block | None = None) -> Block:
    """A `mrkdwn` paragraph."""
    block: Block = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    return block if accessory is None else block | {"accessory": accessory}


def plain(text: str) -> Block:
    """A plain text object."""
    return {"type": "plain_text", "text": text}


def button(label: str, action: str, value: str, style: str | None = None) -> Block:
    """A button; the label is shortened between words."""
    element: Block = {"type": "button", "text": plain(shortened(label, BUTTON)), "action_id": action, "value": value}
    return element if style is None else element | {"style": style}


def key_of(answer: Answer) -> str:
    """How buttons name an answer that is kept."""
    return f"{answer.conversation_id}|{answer.id}"


def answer_message(
    answer: Answer,
    names: Mapping[str, str],
    language: str = "en",
    *,
    part: int = 0,
    sharing: bool = False,
    interactive: bool = True,
) -> Message:
    """One part of an answer, with the sources of that part.

    `names` gives programmes by code. Only the last part has suggestions and feedback buttons, the others a button that
    shows the next one. `sharing` adds the button that shows an answer to the channel; without `interactive` there are
    only text, sources and notices.
    """
    pieces = parts(answer.answer, PART)
    part = min(part, len(pieces) - 1)
    text, last = pieces[part], part == len(pieces) - 1
    cited = [c for c in answer.citations if f"[{c.marker}]" in text] if len(pieces) > 1 else list(answer.citations)
    tail = _sources(cited, _about(answer, names, language), language)
    if last:
        tail += _notices(answer.notices)
    if not interactive:
        return Message(text, tail)
    tail += _buttons(answer, cited, language, part=part, last=last, sharing=sharing)
    if last:
        tail += _choices(answer)
        tail.append(feedback(answer, language))
    return Message(text, tail)


def whole_message(answer: Answer, names: Mapping[str, str], language: str, shared_by: str) -> list[Block]:
    """An answer as it is shown to a channel: everything, without buttons that only its asker could mean."""
    head = context(say("shared_by", language, user=f"<@{shared_by}>", question=f"_{_flat(answer.question, 600)}_"))
    pieces = parts(answer.answer, PART)
    shown = answer_message(answer, names, language, interactive=False)
    more = _buttons(answer, answer.citations, language, part=0, last=len(pieces) == 1, sharing=False)
    return [head, *shown.blocks, *more]


def _about(answer: Answer, names: Mapping[str, str], language: str) -> str:
    """Whom and which programme the answer is about."""
    programmes = [names.get(code, code) for code in answer.jurisdictions]
    whom = say("for_officers" if answer.audience == "officer" else "for_applicants", language)
    return " · ".join([*map(escaped, programmes), whom])


def _sources(citations: Sequence[Citation], about: str, language: str) -> list[Block]:
    """A line for each source, with the markers that stand on it; what all share is said once, in the heading."""
    if not citations:
        return []
    common = [facts[0] for facts in zip(*(_facts(c, language) for c in citations), strict=True) if len(set(facts)) == 1]
    lines: dict[str, list[int]] = {}
    for citation in citations:
        lines.setdefault(_source_line(citation, language, common), []).append(citation.marker)
    texts = [" · ".join([f"*{say('sources', language)}*", about, *(escaped(fact) for fact in common if fact)])]
    for line, markers in lines.items():
        entry = "".join(f"[{marker}]" for marker in markers) + f" {line}"
        if len(texts[-1]) + len(entry) + 1 <= 2000:
            texts[-1] += f"\n{entry}"
        else:
            texts.append(entry)
    return [context(*texts[start : start + IN_CONTEXT]) for start in range(0, len(texts), IN_CONTEXT)]


def _source_line(citation: Citation, language: str, elsewhere: Sequence[str] = ()) -> str:
    """The source as a link, and what is known of it, unless that is said elsewhere."""
    label = shortened(citation.reference or citation.document, 150)
    facts = [escaped(fact) for fact in _facts(citation, language) if fact and fact not in elsewhere]
    return " · ".join([link(citation.url, label), *facts])


def _facts(citation: Citation, language: str) -> tuple[str, str, str]:
    """Publisher, date, and kind of text."""
    date = say("read_on" if citation.undated else "as_of", language, date=citation.as_of) if citation.as_of else ""
    kind = "secondary" if citation.source_type == "secondary" else citation.kind
    return shortened(citation.publisher, 80), date, say(kind, language)


def _notices(notices: Iterable[str]) -> list[Block]:
    texts = [f":information_source: {_flat(notice, 1000)}" for notice in notices]
    return [context(*texts[start : start + IN_CONTEXT]) for start in range(0, len(texts), IN_CONTEXT)]


def _buttons(
    answer: Answer, cited: Sequence[Citation], language: str, *, part: int, last: bool, sharing: bool
) -> list[Block]:
    elements = []
    if not last:
        elements.append(button(say("show_more", language), "more", f"{key_of(answer)}|{part + 1}", "primary"))
    if cited:
        elements.append(button(say("read_passages", language), "passages", key_of(answer)))
    if sharing:
        elements.append(button(say("share", language), "share", key_of(answer)))
    return [{"type": "actions", "elements": elements}] if elements else []


def _choices(answer: Answer) -> list[Block]:
    """Suggested questions, or the choices that a clarification offers, as buttons that ask them."""
    questions = [question for question in answer.suggestions if len(question) <= 2000][:8]
    if not questions:
        return []
    labels = _distinct(questions) if answer.status == "clarify" else questions
    elements = [
        button(label, f"ask:{number}", question)
        for number, (label, question) in enumerate(zip(labels, questions, strict=True))
    ]
    return [{"type": "actions", "elements": elements}]


def _distinct(questions: Sequence[str]) -> list[str]:
    """What distinguishes choices that all begin with the same words: "…, EU AEO?", "…, Japan AEO?"."""
    alike = 0
    for letters in zip(*questions, strict=False):
        if len(set(letters)) > 1:
            break
        alike += 1
    start = questions[0].rfind(" ", 0, alike) + 1 if len(questions) > 1 else 0
    labels = [question[start:].strip(" ?？") for question in questions]
    return labels if all(labels) else list(questions)


def feedback(answer: Answer, language: str) -> Block:
    """Thumbs under an answer."""
    return {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": "feedback",
                "positive_button": {"text": plain(say("helpful", language)), "value": f"up|{key_of(answer)}"},
                "negative_button": {"text": plain(say("not_helpful", language)), "value": f"down|{key_of(answer)}"},
            }
        ],
    }


def _flat(text: str, limit: int) -> str:
    return escaped(shortened(text, limit))


def comment_view(metadata: str) -> Block:
    """The form that asks why an answer was not helpful."""
    field = {
        "type": "plain_text_input",
        "action_id": "comment",
        "multiline": True,
        "max_length": 2000,
        "placeholder": plain("For example: the deadline is for another programme."),
    }
    return {
        "type": "modal",
        "callback_id": "comment",
        "title": plain("What was missing?"),
        "submit": plain("Send"),
        "close": plain("Skip"),
        "notify_on_close": True,
        "private_metadata": metadata,
        "blocks": [
            {
                "type": "input",
                "block_id": "comment",
                "optional": True,
                "label": plain("Tell us in your words"),
                "element": field,
            },
            context("People who maintain the guidance read this. Leave out personal data."),
        ],
    }


def passages_view(citations: Sequence[Citation], passages: Mapping[str, Passage], language: str) -> Block:
    """The cited passages with the quoted words in bold; a passage that is no longer held is shown as it was quoted."""
    by_passage: dict[str, list[Citation]] = {}
    for citation in citations:
        by_passage.setdefault(citation.passage_id, []).append(citation)
    blocks: list[Block] = []
    for identifier, cited in list(by_passage.items())[:PASSAGES]:
        if blocks:
            blocks.append({"type": "divider"})
        markers = "".join(f"[{citation.marker}]" for citation in cited)
        blocks.append(context(f"*{markers}* {_source_line(cited[0], language)}"))
        passage = passages.get(identifier)
        blocks.append(_marked(passage.text if passage else None, cited))
        if passage is None:
            blocks.append(context("This passage has left the guidance since; these are the words that were quoted."))
    if len(by_passage) > PASSAGES:
        blocks.append(context(f"{len(by_passage) - PASSAGES} more are in the list of sources under the answer."))
    return {"type": "modal", "title": plain("Passages"), "close": plain("Close"), "blocks": blocks}


def _marked(text: str | None, cited: Sequence[Citation]) -> Block:
    """The passage as rich text, the quoted spans in bold."""
    if text is None:
        elements = [_words("\n".join(dict.fromkeys(citation.quote for citation in cited)), True)]
    else:
        elements, at = [], 0
        for citation in sorted(cited, key=lambda c: c.start):
            start, end = max(citation.start, at), citation.end
            if text[citation.start : citation.end] != citation.quote or start >= end:
                continue
            if start > at:
                elements.append(_words(text[at:start], False))
            elements.append(_words(text[start:end], True))
            at = end
        if at < len(text):
            elements.append(_words(text[at:], False))
        elements = _trimmed(elements)
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}


def _words(text: str, bold: bool) -> Block:
    element: Block = {"type": "text", "text": text}
    return element | {"style": {"bold": True}} if bold else element


def _trimmed(elements: list[Block]) -> list[Block]:
    """Shortens what stands around the quotes until everything fits, never the quotes."""
    total = sum(len(element["text"]) for element in elements)
    if total <= TEXT:
        return elements
    around = [element for element in elements if "style" not in element]
    room = max(0, TEXT - (total - sum(len(element["text"]) for element in around)))
    share = room // max(1, len(around))
    for place, element in enumerate(elements):
        if "style" in element or len(element["text"]) <= share:
            continue
        if place == 0:
            element["text"] = "…" + element["text"][-share:].partition(" ")[2]
        else:
            element["text"] = element["text"][:share].rpartition(" ")[0] + "… "
    return elements


@dataclass(frozen=True, slots=True)
class Profile:
    """How a user is answered."""

    programme: str = ""
    audience: str = ""
    language: str = "en"


def home_view(profile: Profile, programmes: Sequence[Programme], recent: Sequence[str]) -> Block:
    """The home tab: what the assistant does, the user's defaults, the user's last questions."""
    blocks: list[Block] = [
        {"type": "header", "text": plain("AEO guidance")},
        section(escaped(say("greeting", profile.language))),
        section(
            "*I can* find the provision, say as of when it holds, compare programmes, and show the words I rely on.\n"
            "*I cannot* decide whether you qualify, give legal advice, see your files, or take personal data. "
            "Customs decides."
        ),
        {"type": "divider"},
        section(
            "*Your programme*\nUsed when a question does not name one.",
            _menu("set_programme", _programme_options(programmes), profile.programme),
        ),
        section(
            "*You are*\nOfficers get what to examine, applicants what to show.",
            _menu(
                "set_audience",
                [("As the question reads", "auto"), ("An applicant", "applicant"), ("A customs officer", "officer")],
                profile.audience or "auto",
            ),
        ),
        section(
            "*My words*\nThe language of buttons and messages. Provisions stay in the language of their source.",
            _menu("set_language", [(name, code) for code, name in LANGUAGES.items()], profile.language),
        ),
        {"type": "divider"},
        section("*Your last questions*"),
    ]
    if recent:
        blocks += [section(f"• {_flat(question, 200)}") for question in recent]
        blocks.append({"type": "actions", "elements": [button("Forget my questions", "forget", "all", "danger")]})
    else:
        blocks.append(context("None yet. Write to me in *Messages*, mention me in a channel, or use `/aeo`."))
    return {"type": "home", "blocks": blocks}


def _programme_options(programmes: Sequence[Programme]) -> list[tuple[str, str]]:
    named = sorted((shortened(f"{programme.name}", BUTTON), programme.code) for programme in programmes)
    return [("None", "none"), *named]


def _menu(action: str, options: Sequence[tuple[str, str]], chosen: str) -> Block:
    """A menu; more than 100 options are put into groups named after their first and last."""
    entries: list[Block] = [{"text": plain(label), "value": value} for label, value in options]
    menu: Block = {"type": "static_select", "action_id": action, "placeholder": plain("Choose")}
    if len(entries) <= SELECTABLE:
        menu["options"] = entries
    else:
        groups = [entries[start : start + SELECTABLE] for start in range(0, len(entries), SELECTABLE)]
        menu["option_groups"] = [
            {
                "label": plain(shortened(f"{group[0]['text']['text']} – {group[-1]['text']['text']}", BUTTON)),
                "options": group,
            }
            for group in groups
        ]
    initial = next((entry for entry in entries if entry["value"] == chosen), None)
    return menu | {"initial_option": initial} if initial else menu


def _span(group: Sequence[Block]) -> str:
    first, last = (shortened(entry["text"]["text"], BUTTON // 2 - 2) for entry in (group[0], group[-1]))
    return f"{first} – {last}"


def prompts(programme: Programme | None) -> list[dict[str, str]]:
    """Up to four questions to start with."""
    if programme is None:
        asked = [
            ("Who may apply?", "Who may apply for AEO in the EU?"),
            ("How long does it take?", "How long does customs have to decide on an AEO application in the EU?"),
            ("Compare two programmes", "Compare the AEO criteria in the EU and in the United Kingdom"),
            ("What is an AEO?", "What is an Authorized Economic Operator?"),
        ]
    else:
        name = programme.name
        asked = [
            ("Who may apply?", f"Who may apply for {name}?"),
            ("What are the criteria?", f"What are the criteria of {name}?"),
            ("How long does it take?", f"How long does {name} take to decide on an application?"),
            ("What do we gain?", f"What are the benefits of {name}?"),
        ]
    return [{"title": title, "message": message} for title, message in asked]
