"""Reviews each sentence of a model before it is shown: keeps it, repairs it once from its passages, or drops it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from assistant.context import Context, Section, Statement, Support
from assistant.language import detect
from assistant.llm.limits import Account, Caller
from assistant.llm.models import LlmError
from assistant.llm.prompts import fenced, prompt
from assistant.llm.support import evidence
from assistant.llm.translation import translation_faults
from assistant.llm.wording import coverage
from assistant.llm.write import Draft
from assistant.programmes import mentions
from assistant.verify import restricted, violations
from indexing.analysis import terms
from indexing.passages import Passage
from indexing.sentences import sentence_spans

Outcome = Literal["kept", "attributed", "repaired", "dropped"]

LONGEST = 420
"""Characters of a sentence."""
REPAIR_FROM = 0.5
"""Share of a failed sentence's words that a passage's own sentence must hold to stand in for it."""
TRIED = 4
"""Further passages that are tried for a sentence whose tokens are missing or wrong."""
RIVALS = 4
"""Other sentences that a translation must be further from than from its own."""
COVERED = 0.6
"""Share of a condition's words from which an answer has said it."""

_CONDITION = re.compile(
    r"\b(unless|except\w*|however|but|only|provided that|not apply|subject to|without prejudice|as long as|if|where"
    r"|when|in that case|exempt\w*|suspend\w*|otherwise|extend\w*|not counted|at the latest|until|whether)\b",
    re.I,
)
_CONDITION_CLAUSE = re.compile(r"(?<=[,;:.(])|(?=\b(?:unless|except|but|if|where|when|as long as|only|until)\b)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a draft."""

    draft: Draft
    outcome: Outcome
    statement: Statement | None
    """What is shown; None when dropped."""
    reasons: tuple[str, ...] = ()
    score: float | None = None

    def to_trace(self) -> dict[str, Any]:
        """For the answer's trace."""
        return {
            "step": "write",
            "sentence": self.draft.text,
            "tokens": list(self.draft.tokens),
            "outcome": self.outcome,
            "shown": self.statement.text if self.statement else None,
            "reasons": list(self.reasons),
            "score": self.score,
        }


@dataclass(frozen=True, slots=True)
class _Found:
    supports: tuple[Support, ...]
    faults: tuple[str, ...]
    score: float | None


class Reviewer:
    """Reviews the drafts of one answer."""

    def __init__(self, context: Context, given: dict[str, Passage], second: Caller | None, account: Account) -> None:
        self._context = context
        self._given = given
        self._second = second
        self._account = account
        self._officer = context.question.officer_access and context.audience == "officer"
        self.statements: list[Statement] = []
        """What was shown so far."""
        self._english: list[str] = []

    def review(self, draft: Draft) -> Verdict:
        """Judge a draft. What is not dropped counts as shown."""
        verdict = self._judged(draft)
        if verdict.statement is not None:
            self.statements.append(verdict.statement)
        return verdict

    def _judged(self, draft: Draft) -> Verdict:
        malformed = _malformed(draft.text)
        if malformed:
            return Verdict(draft, "dropped", None, (malformed,))
        unknown = [token for token in draft.tokens if token not in self._given]
        cited = [self._given[token] for token in draft.tokens if token in self._given]
        reasons = [f"{token} is no passage" for token in unknown]
        found = self._supported(draft.text, cited)
        if found.supports:
            return self._shown(draft, found, "attributed" if unknown else "kept", reasons)
        reasons += found.faults or (["cites no passage"] if not unknown else [])
        others = self._others(draft.text, cited)
        elsewhere = self._supported(draft.text, others)
        if elsewhere.supports:
            return self._shown(draft, elsewhere, "attributed", reasons)
        return self._repaired(draft, cited, reasons, found.score)

    def _supported(self, text: str, passages: list[Passage]) -> _Found:
        """The passages that each support the text whole. All of them belong to one programme, or none is taken."""
        if len({passage.jurisdiction for passage in passages}) > 1:
            return _Found((), ("rests on passages of several programmes",), None)
        supports: list[Support] = []
        faults: list[str] = []
        best: float | None = None
        for passage in passages:
            if passage.language != "en":
                faults.append("the passage is not in English, so a sentence about it cannot be checked")
                continue
            exact = _exact_span(text, passage)
            if exact is not None:
                return _Found((Support(passage, *exact),), (), 1.0)
            known = f"{passage.reference} {passage.programme}"
            found = evidence(text, passage.text, passage.jurisdiction, self._context.index.embed, known)
            best = max(best or 0.0, found.score)
            if found.holds:
                supports += [Support(passage, start, end) for start, end in found.spans]
            else:
                faults += found.faults or (f"too little support ({found.score:.2f})",)
        statement = Statement(text, tuple(supports))
        if supports and (broken := violations(statement) or self._foreign(statement)):
            return _Found((), tuple(broken), best)
        if restricted([statement], self._officer):
            return _Found((), ("rests on a passage for officers",), best)
        if supports and (doubt := self._doubted(statement)):
            return _Found((), (doubt,), best)
        return _Found(tuple(supports), tuple(dict.fromkeys(faults)), best)

    def _foreign(self, statement: Statement) -> list[str]:
        codes = set(self._context.jurisdictions)
        cited = {support.passage.jurisdiction for support in statement.support}
        return [f"rule 4: rests on {', '.join(sorted(cited - codes))}"] if codes and cited - codes else []

    def _doubted(self, statement: Statement) -> str | None:
        """The second model's no, or its silence: both keep the sentence from being shown."""
        if self._second is None:
            return None
        passage = " ".join(dict.fromkeys(support.passage.text for support in statement.support))
        return self._says_no(passage, statement.text)

    def _says_no(self, passage: str, claim: str) -> str | None:
        assert self._second is not None
        messages = prompt("check").messages(passage=fenced(passage), claim=fenced(claim))
        try:
            said = self._second.complete(messages, "check", account=self._account)
        except LlmError as error:
            return f"the checking model gave no answer: {error}"
        return None if re.match(r"\W*yes\b", said, re.I) else "the checking model says no"

    def _others(self, text: str, cited: list[Passage]) -> list[Passage]:
        """Passages of the programme that the sentence may have meant: the cited, the named, or the only one."""
        codes = {passage.jurisdiction for passage in cited}
        if not codes:
            codes = {mention.code for mention in mentions(text)} & {p.jurisdiction for p in self._given.values()}
        if not codes:
            codes = {passage.jurisdiction for passage in self._given.values()}
        if len(codes) != 1:
            return []
        pool = [p for p in self._given.values() if p.jurisdiction in codes and p not in cited and p.language == "en"]
        return sorted(pool, key=lambda passage: -coverage(text, passage.text))[:TRIED]

    def _shown(self, draft: Draft, found: _Found, outcome: Outcome, reasons: list[str]) -> Verdict:
        said = {_plain(statement.text) for statement in self.statements} | {_plain(text) for text in self._english}
        if _plain(draft.text) in said:
            return Verdict(draft, "dropped", None, ("said before",), found.score)
        self._english.append(draft.text)
        text = draft.text
        language = self._context.language
        if language != "en":
            faults = self._untranslated(draft, found)
            reasons = [*reasons, *(f"translation not shown: {fault}" for fault in faults)]
            text = draft.text if faults else draft.translation
        return Verdict(draft, outcome, Statement(text, found.supports), tuple(reasons), found.score)

    def _untranslated(self, draft: Draft, found: _Found) -> list[str]:
        """Why the translation is not shown. Without a checking model none is: no measure sees a subtle error."""
        if self._second is None:
            return ["no checking model is set (AEO_LLM_CHECK_MODEL)"]
        rivals = self._rivals(draft.text, found)
        faults = translation_faults(draft.text, draft.translation, self._context.language, rivals)
        if not faults and (doubt := self._says_no(draft.text, draft.translation)):
            faults = [doubt]
        return faults

    def _rivals(self, text: str, found: _Found) -> list[str]:
        """Sentences of the passages that are most like this one without being its support."""
        own = {support.quote for support in found.supports}
        others = {p.text[a:b] for p in self._given.values() for a, b in sentence_spans(p.text)} - own
        return sorted(others, key=lambda other: (-coverage(text, other), other))[:RIVALS]

    def _repaired(self, draft: Draft, cited: list[Passage], reasons: list[str], score: float | None) -> Verdict:
        """The cited passage's own sentence in place of one that fails, where it speaks of the same."""
        used = {(s.passage.id, s.start, s.end) for statement in self.statements for s in statement.support}
        best: tuple[float, Support] | None = None
        for passage in cited:
            for start, end in sentence_spans(passage.text):
                held = coverage(draft.text, passage.text[start:end])
                if best is None or held > best[0]:
                    best = (held, Support(passage, start, end))
        if best is None or best[0] < REPAIR_FROM:
            return Verdict(draft, "dropped", None, tuple(reasons), score)
        support = best[1]
        own = Statement(support.quote, (support,))
        if (support.passage.id, support.start, support.end) in used:
            return Verdict(draft, "dropped", None, (*reasons, "its provision is shown already"), score)
        if violations(own) or restricted([own], self._officer) or self._foreign(own):
            return Verdict(draft, "dropped", None, tuple(reasons), score)
        return Verdict(draft, "repaired", own, tuple(reasons), score)

    def omitted(self) -> list[Statement]:
        """Conditions and exceptions of the cited provisions that nothing shown says, in the provisions' words."""
        answer = " ".join([*self._english, *(statement.text for statement in self.statements)])
        shown = {s.quote for statement in self.statements for s in statement.support if s.quote == statement.text}
        found: list[Statement] = []
        for passage in dict.fromkeys(s.passage for statement in self.statements for s in statement.support):
            for start, end in sentence_spans(passage.text):
                sentence = passage.text[start:end]
                if sentence in shown or not _leaves_out(sentence, answer):
                    continue
                shown.add(sentence)
                found.append(Statement(sentence, (Support(passage, start, end),), bullet=True))
        self.statements += found
        return found


def _leaves_out(sentence: str, answer: str) -> bool:
    """Whether a conditional clause of the sentence is not said in the answer."""
    held = answer
    for clause in _CONDITION_CLAUSE.split(sentence):
        if _CONDITION.search(clause) and terms(clause) and coverage(clause, held) < COVERED:
            return True
    return False


_NO_CLAIM = re.compile(
    r"^(sure|certainly|of course|here (is|are)|hello|hi|dear|thank|i hope|let me|as an ai|i am|i'm|note that this"
    r"|in summary|answer)\b",
    re.I,
)


_PERSON = re.compile(
    r"(?<![\w.])(I|we|our|my|us|ours|mine|myself|ourselves)(?![\w.])|\b(you should|you could|you can sue|your best)\b",
    re.I,
)


def _malformed(text: str) -> str | None:
    """Why a text is no sentence of an answer, or None."""
    if len(text) > LONGEST:
        return f"longer than {LONGEST} characters"
    if re.search(r"[<>{}\x00-\x08\x0b-\x1f‹›]|</?\w+|\bP\d{1,2}\b|passage token", text):
        return "holds markup, a token or control characters"
    if re.search(r"\w+://|www\.", text) and len(text.split()) < 4:
        return "a bare address"
    if len(terms(text)) < 2:
        return "says nothing that can be checked"
    if text.rstrip().endswith(("?", "？")):
        return "a question"
    if text.rstrip().endswith(":"):
        return "an introduction"
    if _NO_CLAIM.search(text) or _PERSON.search(text):
        return "speaks of itself and not of a provision"
    if detect(text) != "en":
        return "not in English, so it cannot be checked"
    return None


def _exact_span(text: str, passage: Passage) -> tuple[int, int] | None:
    """Where the passage has this very sentence."""
    wanted = _plain(text)
    return next((span for span in sentence_spans(passage.text) if _plain(passage.text[slice(*span)]) == wanted), None)


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(" .").casefold()


def as_sections(statements: Iterable[Statement], titles: dict[str, str]) -> tuple[Section, ...]:
    """Runs of statements about one programme, in order."""
    sections: list[Section] = []
    for statement in statements:
        title = titles[statement.support[0].passage.jurisdiction]
        if sections and sections[-1].title == title:
            sections[-1] = Section(title, (*sections[-1].statements, statement))
        else:
            sections.append(Section(title, (statement,)))
    return tuple(sections)
