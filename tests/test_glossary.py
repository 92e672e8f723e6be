"""The glossary: its form, and that what is unverified never reaches an answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assistant.service import Assistant
from corpus.glossary import Term, glossary, load, programme_names, terms_in, widened
from corpus.programmes import EU_MEMBERS, programmes
from corpus.schema import CorpusError

HEADING = "concept,term,language,script_note,jurisdiction,source_url,verified"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("validation,audit,fr,,FR,,true", "needs a source_url"),
        ("validation,audit,fr,,FR,https://example.org,false", "unverified one has none"),
        ("validation,audit,French,,FR,,false", "column 'language'"),
        ("validation,audit,fr,,France,,false", "column 'jurisdiction'"),
        ("validation,,fr,,FR,,false", "column 'term'"),
        ("validation,validation,fr,,FR,,false", "same term as in line 2"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, complaint: str) -> None:
    path = tmp_path / "glossary.csv"
    path.write_text(f"{HEADING}\nvalidation,validation,fr,,FR,,false\n{row}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=re.escape(f"{path}:3: ")) as error:
        load(path)
    assert complaint in str(error.value)


def test_unverified_terms_are_left_out_unless_asked_for() -> None:
    assert all(term.verified for term in terms_in("ar"))
    assert any(not term.verified for term in terms_in("ar", verified_only=False))
    assert all(term.source_url for term in glossary() if term.verified)


def test_a_language_finds_its_variants_and_no_other() -> None:
    languages = {term.language for term in terms_in("zh", verified_only=False)}
    assert languages == {"zh-Hans", "zh-Hant", "zh-Hant-TW"}
    assert {term.language for term in terms_in("pt-BR")} == {"pt-BR"}


def test_names_of_programmes() -> None:
    assert {spelling for term in programme_names("CN") for spelling in term.spellings} >= {"高级认证企业"}
    assert programme_names("HK") == []  # its Chinese name is unverified
    assert programme_names("HK", verified_only=False) != []


def test_spellings_stand_alone() -> None:
    term = Term(
        concept="customs broker", term="报关企业；报关行 (x)", language="zh-Hans", jurisdiction="CN", verified=False
    )
    assert term.spellings == ("报关企业", "报关行")


@pytest.mark.parametrize(
    ("query", "added"),
    [
        ("Reconocimiento Mutuo con Japón", ["mutual recognition"]),
        ("재무건전성은 어떻게 심사하나요", ["solvency", "validation"]),
        ("通関業者の承認", ["customs broker"]),
        ("高级认证企业", ["authorized economic operator"]),
        ("mutual recognition (reconocimiento mutuo)", []),
        ("nothing of the kind", []),
        ("solvency of the applicant", []),
        ("", []),
    ],
)
def test_words_of_other_languages_are_looked_for_in_english_too(query: str, added: list[str]) -> None:
    words = widened(query)
    assert words.startswith(query)
    assert all(concept in words.removeprefix(query) for concept in added)
    assert bool(added) == (words != query)


def test_a_word_within_another_word_is_not_meant() -> None:
    assert "applicant" in widened("qué debe probar el solicitante")
    assert widened("xsolicitantex") == "xsolicitantex"


def test_a_search_in_another_language_finds_the_provision(assistant: Assistant) -> None:
    for query, code, word in (
        ("재무건전성", "KR", "financ"),
        ("reconnaissance mutuelle", "EU", "recogni"),
        ("報關業者", "TW", "broker"),
    ):
        found = assistant.search(query, 5, (code,))
        assert any(word in hit.passage.text.casefold() for hit in found), query


def test_jurisdictions_are_known() -> None:
    known = programmes().keys() | EU_MEMBERS | {"BN"}
    assert {code for term in glossary() for code in term.jurisdictions} <= known
