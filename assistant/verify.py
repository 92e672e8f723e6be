"""The five rules that hold for every sentence of every answer, whoever wrote it (docs/architecture.md).

1. A quote is exactly the passage's characters at its span.
2. Every sentence carries a marker, and every marker has a citation.
3. Every number, date, form name and article of a sentence stands in a passage that it cites.
4. A sentence about one programme rests on that programme's passages.
5. What is restricted to officers never reaches an applicant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from assistant.context import Context, Section, Statement
from assistant.programmes import mentions

# Figures with their decimals and thousands ("1,000", "2.5"), articles and sections with their sub-numbers
# ("39(c)", "114A(2)(b)", "64E.01", "33/2016"), and form names that mix letters and digits ("C117", "AEO-T2").
_FIGURE = re.compile(r"[A-Za-z]*-?\d[\w]*(?:[.,/:-]\d[\w]*)*(?:\(\w{1,4}\))*")
_MONTHS = {
    name: number
    for number, names in enumerate(
        ["january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
         "september sep sept", "october oct", "november nov", "december dec"],
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "ninety": "90", "hundred": "100"}


def figures(text: str) -> set[str]:
    """Numbers, months, articles and form names of a text, in one spelling each.

    >>> sorted(figures("within 1,000 days under Art. 39(c), from 1 April, two years"))
    ['1', '1000', '2', '39(c)', 'april']
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    found = {_spelled(match.group()) for match in _FIGURE.finditer(plain)}
    for word in re.findall(r"[a-z]+", plain):
        if word in _NUMBER_WORDS and word not in ("one", "zero"):
            found.add(_NUMBER_WORDS[word])
        elif word in _MONTHS and word != "may" and word != "mar":
            found.add(next(name for name, number in _MONTHS.items() if number == _MONTHS[word]))
    return found


def _spelled(figure: str) -> str:
    figure = figure.strip("-")
    return re.sub(r"(?<=\d),(?=\d{3}\b)", "", figure)


def violations(statement: Statement, section_code: str | None = None) -> list[str]:
    """Which of rules 1 to 4 a statement breaks, one line each; empty when it holds."""
    broken: list[str] = []
    for support in statement.support:
        if not (0 <= support.start < support.end <= len(support.passage.text)):
            broken.append("rule 1: the span lies outside the passage")
    if not statement.support:
        return [*broken, "rule 2: no passage is cited"]
    held = set[str]().union(*(figures(support.passage.text) for support in statement.support))
    missing = figures(statement.text) - held
    if missing:
        broken.append(f"rule 3: {', '.join(sorted(missing))} not in the cited passages")
    cited = {support.passage.jurisdiction for support in statement.support}
    if section_code is not None and cited - {section_code}:
        broken.append(f"rule 4: rests on {', '.join(sorted(cited - {section_code}))}")
    elif section_code is None and _foreign(statement, cited):
        broken.append("rule 4: names a programme that its passages do not")
    return broken


def _foreign(statement: Statement, cited: set[str]) -> bool:
    if any(statement.text in support.passage.text for support in statement.support):
        return False  # a passage's own words name nothing that it does not
    named = {mention.code for mention in mentions(statement.text)}
    held = {mention.code for support in statement.support for mention in mentions(support.passage.text)}
    return bool(named - held - cited)


def restricted(statements: Iterable[Statement], officer: bool) -> bool:
    """Whether rule 5 is broken."""
    return not officer and any(s.passage.access == "officer" for statement in statements for s in statement.support)


def verify(context: Context) -> None:
    """Drop every sentence that breaks a rule; decline when nothing is left."""
    officer = context.question.officer_access and context.audience == "officer"
    kept: list[Section] = []
    for section in context.sections:
        statements = tuple(
            statement
            for statement in section.statements
            if not violations(statement) and not restricted([statement], officer)
        )
        if statements:
            kept.append(Section(section.title, statements))
    context.sections = tuple(kept)
