"""The five rules that every answer keeps, as properties over what a composer could write."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from assistant.answer import Question
from assistant.conclude import written
from assistant.context import Context, Section, Statement, Support
from assistant.settings import Settings
from assistant.verify import figures, restricted, verify, violations
from indexing.passages import Passage
from indexing.search import Index

TEXT = (
    "EU customs decide within 120 calendar days of accepting the application (Article 22(3) UCC). The period may be "
    "extended by up to 60 days. From 1 April 2026 form Q117 replaces SAQ-2."
)


def passage(text: str = TEXT, jurisdiction: str = "EU", access: str = "public") -> Passage:
    return Passage(
        id="p1", document_id="d", text=text, heading_path=("EU",), reference="UCC Art. 22(3)", topic="application",
        programme="EU AEO", jurisdiction=jurisdiction, kind="restatement", language="en", url="https://example.org/",
        as_of="2025", undated=False, source_type="official", status="verified", access=access,  # type: ignore[arg-type]
        valid_from=None, valid_to=None,
    )  # fmt: skip


spans = (
    st.tuples(st.integers(0, len(TEXT)), st.integers(0, len(TEXT))).map(sorted).filter(lambda span: span[0] < span[1])
)


@given(spans)
def test_rule_1_the_quote_is_the_passage_at_its_span(span: list[int]) -> None:
    support = Support(passage(), span[0], span[1])
    text, supports = written((Section("EU AEO", (Statement(support.quote, (support,), leads=True),)),))
    assert supports[0].passage.text[supports[0].start : supports[0].end] == support.quote
    assert text.endswith("[1]")


@given(st.integers(-50, 400), st.integers(-50, 400))
def test_rule_1_spans_outside_the_passage_fail(start: int, end: int) -> None:
    broken = violations(Statement("Customs decide.", (Support(passage(), start, end),)))
    assert any("rule 1" in line for line in broken) == (not 0 <= start < end <= len(TEXT))


@given(st.text(min_size=1))
def test_rule_2_no_sentence_without_marker(sentence: str) -> None:
    assert violations(Statement(sentence, ())) == ["rule 2: no passage is cited"]


@given(st.lists(spans, min_size=1, max_size=6))
def test_rule_2_every_marker_has_its_citation(found: list[list[int]]) -> None:
    statements = tuple(Statement("Customs decide.", (Support(passage(), a, b),), leads=True) for a, b in found)
    text, supports = written((Section("EU", statements),))
    used = {int(number) for number in __import__("re").findall(r"\[(\d+)\]", text)}
    assert used == set(range(1, len(supports) + 1))


@given(st.integers(0, 10_000))
def test_rule_3_a_number_that_no_passage_holds_fails(number: int) -> None:
    held = figures(TEXT)
    broken = violations(Statement(f"Customs decide within {number} days.", (Support(passage(), 0, 10),)))
    assert any("rule 3" in line for line in broken) == (str(number) not in held)


@given(
    st.sampled_from(
        ["Article 23(3)", "form Q118", "1 May 2027", "AEO-T3", "Article 22(4) UCC", "2.5 %", "1,200 days", "July"]
    )
)
def test_rule_3_dates_forms_and_articles_count(foreign: str) -> None:
    assert any("rule 3" in line for line in violations(Statement(f"See {foreign}.", (Support(passage(), 0, 10),))))


@given(st.sampled_from(["120 days", "60 days", "Article 22(3)", "form Q117", "1 April 2026", "SAQ-2"]))
def test_rule_3_what_the_passage_holds_passes(own: str) -> None:
    assert violations(Statement(f"See {own}.", (Support(passage(), 0, 10),))) == []


@given(st.sampled_from(["CTPAT", "Japan", "HMRC", "India", "香港"]))
def test_rule_4_another_programme_fails(foreign: str) -> None:
    broken = violations(Statement(f"Under {foreign}, customs decide within 120 days.", (Support(passage(), 0, 10),)))
    assert any("rule 4" in line for line in broken)


def test_rule_4_holds_for_a_section_of_one_programme() -> None:
    statement = Statement("Customs decide.", (Support(passage(jurisdiction="US"), 0, 10),))
    assert violations(statement, "EU") == ["rule 4: rests on US"]
    assert violations(statement, "US") == []


@given(st.booleans(), st.sampled_from(["public", "officer"]))
def test_rule_5_restricted_text_only_for_officers(officer: bool, access: str) -> None:
    statement = Statement("Customs decide.", (Support(passage(access=access), 0, 10),))
    assert restricted([statement], officer) == (access == "officer" and not officer)


def test_verify_drops_what_breaks_a_rule_and_keeps_the_rest(index: Index) -> None:
    good = Statement("EU customs decide within 120 calendar days.", (Support(passage(), 0, 10),))
    bad = replace(good, text="EU customs decide within 90 calendar days.")
    context = Context(Question("?"), index, Settings())
    context.sections = (Section("EU AEO", (bad, good)), Section("EU AEO", (bad,)))
    verify(context)
    assert context.sections == (Section("EU AEO", (good,)),)


@given(st.text())
def test_figures_never_fail_and_are_stable(text: str) -> None:
    assert figures(text) == figures(text)
