"""Reading notes: what is a provision, what is refused, and with which line."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.loader import parse_note
from corpus.schema import TOPIC_HEADINGS, CorpusError, Topic
from indexing.sentences import sentence_spans

HEAD = """---
id: xx-test
jurisdiction: EU
programme: EU AEO
title: Test
publisher: Somebody
instrument: Some act
url: https://example.org/
source_type: official
as_of: "2025-06"
sources:
  act:
    title: The act
    short: Act
    url: https://example.org/act
    type: official
    as_of: "2025"
---
"""


def note(body: str, head: str = HEAD):  # type: ignore[no-untyped-def]
    return parse_note(head + body, Path("x.md"))


def test_a_provision_per_item_and_paragraph() -> None:
    parsed = note(
        "# T\n\n## Criteria\n\n### Cargo\n\nFirst rule of one paragraph\nover two lines. [@act, Art. 1(2)]\n\n"
        "- Second rule:\n  - (a) one;\n  - (b) two. [@act, Art. 3; @act, Annex] {valid_to=2026-03-31}\n- Nothing was found. {gap}\n"
    )
    one, two, three = parsed.provisions
    assert one.text == "First rule of one paragraph over two lines."
    assert one.headings == ("T", "Criteria", "Cargo")
    assert (one.topic, parsed.reference(one), one.line) == (Topic.CRITERIA, "Act Art. 1(2)", 25)
    assert two.text == "Second rule:\n- (a) one;\n- (b) two."
    assert parsed.reference(two) == "Act Art. 3; Act Annex"
    assert two.valid_to == "2026-03-31"
    assert (three.status, three.cited) == ("gap", ())


def test_a_line_that_begins_with_a_year_is_no_sub_item() -> None:
    parsed = note(
        "# T\n\n## Criteria\n\n- In force since 1 April\n  2020. It was signed before. [@act]\n"
        "- Steps:\n  1. apply;\n  2. wait. [@act]\n"
    )
    assert [provision.text for provision in parsed.provisions] == [
        "In force since 1 April 2020. It was signed before.",
        "Steps:\n1. apply;\n2. wait.",
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("## Fees\n\n- A rule. [@act]\n", "x.md:19: 'Fees' is no standard topic"),
        ("## Criteria\n\n- A rule.\n", "x.md:21: provision without source"),
        ("## Criteria\n\n- A rule. [@law, 1]\n", "x.md:21: source '@law, 1' is not listed"),
        ("## Criteria\n\n- A rule. [@act] {until=2026}\n", "x.md:21: 'until=2026' is no attribute"),
        ("- A rule. [@act]\n", "x.md:19: text before the first topic"),
        ("## Criteria\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "x.md:21: write provisions as paragraphs"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(body: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message.replace("|", r"\|")):
        note(body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("jurisdiction: EU", "jurisdiction: Europe"), "x.md:3: front matter field 'jurisdiction'"),
        (('as_of: "2025-06"', 'as_of: "June"'), "x.md:10: front matter field 'as_of'.*YYYY-MM-DD"),
        (("publisher: Somebody\n", ""), "front matter field 'publisher'"),
        (("programme: EU AEO", "programme: EU AEO\nprogram: x"), "front matter field 'program'"),
        (("url: https://example.org/\nsource", "url: example\nsource"), "front matter field 'url'"),
        (("title: Test", "title: a: b"), "x.md:5: front matter is not YAML"),
    ],
)
def test_front_matter_is_checked(change: tuple[str, str], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        note("## Criteria\n\n- A rule. [@act]\n", HEAD.replace(*change))


def test_no_front_matter() -> None:
    with pytest.raises(CorpusError, match="x.md:1: no front matter"):
        parse_note("# Title\n", Path("x.md"))


words = st.text(alphabet="abcdefgh ÄéÇ中文0123456789,", min_size=1, max_size=60).filter(lambda text: text.strip(" ,"))


@given(st.lists(st.tuples(st.sampled_from(sorted(TOPIC_HEADINGS)), words), min_size=1, max_size=8))
def test_no_provision_is_lost(items: list[tuple[str, str]]) -> None:
    body = "".join(f"## {heading}\n\n- Rule {text.strip()}. [@act]\n\n" for heading, text in items)
    parsed = note(body)
    assert [p.topic for p in parsed.provisions] == [TOPIC_HEADINGS[heading] for heading, _ in items]
    assert [p.text for p in parsed.provisions] == [f"Rule {text.strip()}." for _, text in items]


@given(st.text(max_size=300))
def test_any_text_parses_or_is_refused_with_one_line(body: str) -> None:
    try:
        note(body)
    except CorpusError as error:
        assert str(error).startswith("x.md:")


@given(st.text(max_size=400))
def test_sentences_lose_nothing(text: str) -> None:
    spans = sentence_spans(text)
    assert all(a < b for a, b in spans)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))
    outside = "".join(
        text[a:b] for a, b in zip([0, *[b for _, b in spans]], [*[a for a, _ in spans], len(text)], strict=True)
    )
    assert not outside.strip()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("See Art. 39(c) and No. 282 of the U.S. Code. It binds.", 2),
        ("The fee is 2.5 %. Pay it.", 2),
        ("It is codified in 6 U.S.C. 961 to 973. The act binds CBP.", 2),
        ("The rules of 2016 (Notification 134/2016 (N.T.)). As introduced, duty was due.", 2),
        ("Conditions: e.g. seals, i.e. ISO 17712. (See Annex.) Done.", 3),
        ("高级认证企业每五年复核一次。认证企业不同。", 2),
        ("One rule:\n- (a) first;\n- (b) second.", 3),
        ("Is it valid? Yes! “Always.” Never.", 4),
    ],
)
def test_sentences_end_where_they_should(text: str, count: int) -> None:
    assert len(sentence_spans(text)) == count
