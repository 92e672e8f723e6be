"""The guided pre-check: question after question, then what is covered, what is not, and what an officer must judge.

It never says whether a status would be granted: that is the customs authority's decision.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

from assistant.answer import Citation
from assistant.cited import Citations, joined, passage_with, sentences_around
from assistant.context import Statement
from corpus.eligibility import LABELS, Check, Means, PreCheck, pre_checks
from corpus.errors import UserError
from corpus.programmes import programmes
from indexing.search import Index

Outcome = Literal["covered", "not_covered", "needs_officer"]

_OUTCOMES: dict[Means, Outcome] = {"met": "covered", "not_met": "not_covered", "officer": "needs_officer"}
_SAID: dict[Outcome, str] = {
    "covered": "Covered by what you said",
    "not_covered": "Not covered",
    "needs_officer": "An officer must judge",
}
_PLAIN = (("yes", "Yes"), ("no", "No"), ("unsure", "Not sure"))


class EligibilityError(UserError):
    """A pre-check cannot go on as asked. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Session:
    """Where a pre-check stands. It is plain data: keep it, send it, and go on from it."""

    code: str
    answers: tuple[tuple[str, str], ...] = ()
    """Question id and choice id, in the order in which they were asked."""

    def to_json(self) -> dict[str, Any]:
        """Plain types only; `from_json` reads it back."""
        return {"programme": self.code, "answers": dict(self.answers)}


@dataclass(frozen=True, slots=True)
class Asked:
    """The question to put next."""

    id: str
    criterion: str
    """Its label: "Financial solvency"."""
    text: str
    choices: tuple[tuple[str, str], ...]
    """Choice id and what it says."""
    number: int
    """From 1."""

    def to_json(self) -> dict[str, Any]:
        """Plain types only."""
        return asdict(self) | {"choices": [{"id": identifier, "say": say} for identifier, say in self.choices]}


@dataclass(frozen=True, slots=True)
class Finding:
    """What the answer to one question means, and the provision that asks for it."""

    criterion: str
    question: str
    answer: str
    outcome: Outcome
    provision: str
    """The provision's own sentence, with its marker."""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings. There is no verdict in it."""

    code: str
    programme: str
    findings: tuple[Finding, ...]
    open_questions: int
    """Questions that were not answered yet."""
    citations: tuple[Citation, ...]
    notices: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain types only, with the number of findings by outcome."""
        counts = Counter(finding.outcome for finding in self.findings)
        plain = asdict(self)
        plain |= {name: list(plain[name]) for name in ("findings", "citations", "notices")}
        return plain | {"counts": {outcome: counts[outcome] for outcome in _SAID}}

    def to_markdown(self) -> str:
        """The report by outcome, then the sources of its markers."""
        blocks = [f"**Pre-check: {self.programme}**"]
        for outcome, said in _SAID.items():
            found = [finding for finding in self.findings if finding.outcome == outcome]
            lines = [f"- {f.criterion}: {f.question} {f.answer}. {f.provision}" for f in found]
            blocks += ["\n".join([f"{said} ({len(found)}):", "", *lines])] if found else []
        if self.open_questions:
            blocks.append(f"Not answered yet: {self.open_questions}.")
        return joined([*blocks, *self.notices, sources(self.citations)])


def sources(citations: tuple[Citation, ...]) -> str:
    """What each marker stands for, one line each."""
    return "\n".join(f"[{c.marker}] {c.reference}, as of {c.as_of}. {c.url}" for c in citations)


def available() -> tuple[str, ...]:
    """Codes of the programmes that have a pre-check."""
    return tuple(sorted(pre_checks()))


def start(code: str) -> Session:
    """Begin a pre-check.

    Raises:
        EligibilityError: the programme has none.
    """
    _pre_check(code.upper())
    return Session(code.upper())


def from_json(plain: dict[str, Any]) -> Session:
    """Go on from what `Session.to_json` gave: the answers are replayed, so that none is taken unchecked.

    Raises:
        EligibilityError: it is not of that form, or holds an answer that was never offered.
    """
    code, answers = plain.get("programme"), plain.get("answers", {})
    if not isinstance(code, str) or not isinstance(answers, dict):
        raise EligibilityError('a pre-check is {"programme": "EU", "answers": {"question": "choice"}}')
    session = start(code)
    left = dict(answers)
    while (asked := next_question(session)) is not None and asked.id in left:
        session = answer(session, asked.id, str(left.pop(asked.id)))
    if left:
        raise EligibilityError(f"question '{next(iter(left))}' is not due in this pre-check; leave it out")
    return session


def next_question(session: Session) -> Asked | None:
    """The question to put next; None when all are answered."""
    answered = dict(session.answers)
    for question in _due(session):
        if question.id not in answered:
            return Asked(question.id, LABELS[question.criterion], question.ask, _choices(question), len(answered) + 1)
    return None


def answer(session: Session, question_id: str, choice: str) -> Session:
    """Answer the next question, or an earlier one anew: then the answers after it are dropped.

    Raises:
        EligibilityError: the question is not due, or the choice is none of its choices.
    """
    earlier = [identifier for identifier, _ in session.answers]
    asked = next_question(session)
    if question_id in earlier:
        kept = session.answers[: earlier.index(question_id)]
    elif asked is not None and asked.id == question_id:
        kept = session.answers
    else:
        raise EligibilityError(f"question '{question_id}' is not due; answer '{asked.id if asked else 'none'}' next")
    question = next(q for q in _pre_check(session.code).questions if q.id == question_id)
    offered = [identifier for identifier, _ in _choices(question)]
    if choice not in offered:
        raise EligibilityError(f"'{choice}' is no answer to '{question_id}'; choose one of: {', '.join(offered)}")
    return Session(session.code, (*kept, (question_id, choice)))


def report(session: Session, index: Index) -> Report:
    """What the answers so far mean, each with the provision that asks for it.

    Raises:
        EligibilityError: the index lacks a provision that a question rests on.
    """
    pre_check = _pre_check(session.code)
    programme = programmes()[session.code]
    questions = {question.id: question for question in pre_check.questions}
    citations = Citations(index)
    findings = [
        _finding(questions[identifier], choice, session.code, index, citations)
        for identifier, choice in session.answers
        if not questions[identifier].choices
    ]
    answered = {identifier for identifier, _ in session.answers}
    notices = [f"This helps to prepare an application and decides nothing: the decision is for {programme.authority}."]
    if pre_check.leaves_out:
        notices.append(pre_check.leaves_out)
    return Report(
        code=session.code,
        programme=programme.name,
        findings=tuple(findings),
        open_questions=sum(question.id not in answered for question in _due(session)),
        citations=citations.all,
        notices=tuple(notices),
    )


def _finding(question: Check, choice: str, code: str, index: Index, citations: Citations) -> Finding:
    passage = passage_with(index, question.note, question.quote)
    if passage is None:
        raise EligibilityError(f"the index lacks the provision behind '{question.id}'; run 'aeo index update'")
    support = sentences_around(passage, question.quote)
    means: Means = {"yes": question.yes, "no": question.no, "unsure": question.unsure}[choice]
    return Finding(
        criterion=LABELS[question.criterion],
        question=question.ask,
        answer=dict(_choices(question))[choice],
        outcome=_OUTCOMES[means],
        provision=citations.cite(Statement(support.quote, (support,)), code),
    )


def _pre_check(code: str) -> PreCheck:
    found = pre_checks().get(code)
    if found is None:
        raise EligibilityError(f"there is no guided pre-check for '{code}'; there is one for: {', '.join(available())}")
    return found


def _due(session: Session) -> list[Check]:
    """The questions that the choices made so far call for."""
    answered = dict(session.answers)
    due: list[Check] = []
    for question in _pre_check(session.code).questions:
        condition = question.condition
        if condition is None or answered.get(condition[0]) in condition[1]:
            due.append(question)
    return due


def _choices(question: Check) -> tuple[tuple[str, str], ...]:
    return tuple((choice.id, choice.say) for choice in question.choices) or _PLAIN
