"""The measures of the evals, on answers made by hand: each must be able to see what it is there to see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.answer import Answer, Question
from assistant.conversations import Conversations
from assistant.settings import Settings
from evals.candidates import candidates, masked
from evals.compare import compare_results, paired_interval
from evals.diagnosis import kind_of
from evals.gate import neutral_noise
from evals.judge import judge
from evals.matching import answer_sentences, holds, holds_fact, numbers, plain
from evals.metrics import readability
from evals.questions import EvalError, EvalQuestion, load_questions, question_json
from evals.relevance import Judgements, Relevance, retrieval_scores
from evals.retrieval import macro_averages, retrieval
from evals.rules import violations
from evals.runner import RESULTS, RUN, Evaluation, Result, read_results, run, summary
from indexing.build import build_index
from indexing.passages import Document, Passage
from indexing.search import Index
from indexing.sources import SourceFile, beir_files


def question(**changes: Any) -> EvalQuestion:
    fields: dict[str, Any] = {
        "id": "eu-app-900", "split": "dev", "language": "en", "question": "How long does the EU take?",
        "jurisdictions": ["EU"], "audience": "applicant", "topic": "application", "style": "plain",
        "expect": "answered", "reason": None, "facts": [["120 days"]], "forbidden": ["90 days"],
        "references": ["UCC Art. 22(3)"], "source": "https://example.org/faq", "twin": None,
    }  # fmt: skip
    return EvalQuestion.model_validate_json(json.dumps(fields | changes))


# Question sets


def test_the_shipped_sets_are_of_the_schema_and_large_enough() -> None:
    questions = load_questions()
    assert len(questions) >= 500
    assert len({q.language for q in questions}) >= 11
    for split in ("dev", "test"):
        some = load_questions(split)
        assert {q.expect for q in some} == {"answered", "clarify", "declined"}
        assert {"multi-turn", "comparison", "mra", "typo"} <= {q.style for q in some}


def test_a_question_survives_being_written(tmp_path: Path) -> None:
    asked = question(history=["Earlier?"], style="multi-turn")
    (tmp_path / "one.jsonl").write_text(question_json(asked) + "\n", encoding="utf-8")
    assert load_questions(folder=tmp_path) == [asked]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"facts": []}, "needs facts"),
        ({"expect": "declined"}, "a reason belongs"),
        ({"expect": "declined", "reason": "unsupported"}, "facts belong to answered"),
        ({"facts": [[" "]]}, "no empty one"),
        ({"history": ["Earlier?"]}, "multi-turn"),
        ({"topic": "weather"}, "topic"),
        ({"extra": 1}, "extra"),
        ({"twin": "eu-app-001"}, "English question has no twin"),
        ({"twin": "none-such", "language": "de"}, "is no English question"),
    ],
)
def test_a_faulty_question_is_refused_with_its_place(tmp_path: Path, changes: dict[str, Any], cause: str) -> None:
    line = json.dumps(question().model_dump(mode="json") | changes)
    (tmp_path / "set.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(EvalError, match=cause):
        load_questions(folder=tmp_path)


def test_unknown_sets_and_repeated_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match="no question set 'nowhere'"):
        load_questions(sets=["nowhere"])
    line = question_json(question()) + "\n"
    (tmp_path / "set.jsonl").write_text(line + line, encoding="utf-8")
    with pytest.raises(EvalError, match="occurs twice"):
        load_questions(folder=tmp_path)


# Matching


@pytest.mark.parametrize(
    ("text", "wanted", "held"),
    [
        ("within 120 days", "120 days", True),
        ("within **120** days[1]", "120 days", True),
        ("within 1,120 days", "120 days", False),
        ("within 2120 days", "120", False),
        ("120.5 days", "120", False),
        ("33/2016", "2016", True),
        ("EUR 1,000", "1000", True),
        ("several risks", "risk", True),
        ("asterisk", "risk", False),
        ("AEOC holders", "AEO", False),
        ("an AEO-S", "AEO", True),
        ("twofold", "two ", False),
        ("two years", "two ", True),
        ("supply–chain", "supply-chain", True),
        ("五个等级", "五个", True),
    ],
)
def test_strings_are_found_as_whole_numbers_and_beginnings_of_words(text: str, wanted: str, held: bool) -> None:
    assert holds(plain(text), wanted) is held


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_number_is_found_only_as_itself(there: int, wanted: int) -> None:
    assert holds_fact(plain(f"It takes {there:,} days."), (str(wanted),)) is (there == wanted)


def test_sentences_keep_the_markers_that_follow_them() -> None:
    answer = "**EU AEO**\n\nFirst rule. Second rule, Art. 39(c) [1][2]. Third. [3]\n\n- Item [4]\n1. Last"
    found = [(s.text, s.markers, s.heading) for s in answer_sentences(answer)]
    assert found == [
        ("First rule.", (), "EU AEO"),
        ("Second rule, Art. 39(c)", (1, 2), "EU AEO"),
        ("Third.", (3,), "EU AEO"),
        ("Item", (4,), "EU AEO"),
        ("Last", (), "EU AEO"),
    ]


@given(st.text(max_size=300))
def test_any_text_can_be_measured(text: str) -> None:
    numbers(text)
    assert set(readability(text)) == {"words_per_sentence", "flesch"}
    assert all(sentence.text for sentence in answer_sentences(text))


# Over a small index


_TEXTS = {
    ("EU", "UCC Art. 22(3)"): "The decision on an EU AEO application is taken within 120 days of acceptance. It may be "
    "extended by 60 days, unless the applicant objects.",
    ("EU", "UCC Art. 38(2)"): "The EU grants two types of AEO: customs simplifications and security.",
    ("GB", "HMRC page"): "HMRC decides within 120 days of receiving the application.",
    ("US", "6 U.S.C. 964"): "CTPAT reviews an application within 90 days.",
}


def _passage(jurisdiction: str, reference: str, text: str, **changes: Any) -> Passage:
    passage = Passage(
        id=f"{jurisdiction}-{reference}", document_id=jurisdiction, text=text, heading_path=("Application",),
        reference=reference, topic="application", programme=jurisdiction, jurisdiction=jurisdiction, kind="restatement",
        language="en", url="https://example.org", as_of="2026-01-01", undated=False, source_type="official",
        status="verified", access="public", valid_from=None, valid_to=None,
    )  # fmt: skip
    return replace(passage, **changes)


def _documents(path: Path) -> list[tuple[Document, list[Passage]]]:
    passages = [_passage(code, reference, text) for (code, reference), text in _TEXTS.items()]
    old = _passage("EU", "Old rule", "Decided within 120 days, formerly.", valid_to="2015-01-01")
    unread = _passage("EU", "Hearsay", "Decided within 120 days, they say.", status="unverified")
    secret = _passage("EU", "Officers' manual", "Decided within 120 days: internal target.", access="officer")
    found = []
    for code in ("EU", "GB", "US"):
        document = Document(
            id=code, title=code, publisher=code, programme=code, jurisdiction=code, kind="restatement", language="en",
            url="https://example.org", as_of="2026-01-01", access="public", content_hash="",
        )  # fmt: skip
        members = [p for p in (*passages, old, unread, secret) if p.jurisdiction == code]
        found.append((document, members))
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "index"
    build_index(folder, [SourceFile("three", Path("three"), "1", _documents)])
    return folder


@pytest.fixture(scope="module")
def small_index(small: Path) -> Index:
    return Index.open(small)


def _citation(index: Index, marker: int, cited: str, **changes: Any) -> dict[str, Any]:
    passage = index.store.get(cited)
    assert passage is not None
    fields = {
        "marker": marker, "passage_id": passage.id, "jurisdiction": passage.jurisdiction,
        "reference": passage.reference,
        "kind": passage.kind, "url": passage.url, "as_of": passage.as_of, "language": passage.language,
        "quote": passage.text, "start": 0, "end": len(passage.text),
    }  # fmt: skip
    return fields | changes


def _answer(text: str, citations: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    fields = {
        "status": "answered", "reason": None, "answer": text, "jurisdictions": ["EU"], "audience": "applicant",
        "citations": citations, "timings_ms": {"retrieve": 2.0},
    }  # fmt: skip
    return fields | changes


DECISION = "EU-UCC Art. 22(3)"
WHOLE = (
    "The decision on an EU AEO application is taken within 120 days of acceptance. [1] "
    "It may be extended by 60 days, unless the applicant objects. [1]"
)


def test_an_honest_answer_breaks_no_rule(small_index: Index) -> None:
    assert violations(_answer(WHOLE, [_citation(small_index, 1, DECISION)]), small_index.store) == []


@pytest.mark.parametrize(
    ("text", "passage", "changes", "rule"),
    [
        (WHOLE, DECISION, {"quote": "The decision on an AEO"}, "rule 1"),
        (WHOLE, DECISION, {"start": 4}, "rule 1"),
        (WHOLE, DECISION, {"reference": "UCC Art. 99"}, "rule 1"),
        (WHOLE, DECISION, {"passage_id": "EU-made up"}, "rule 1"),
        ("It takes 120 days.", DECISION, {}, "rule 2"),
        ("Guaranteed. It takes 120 days. [1]", DECISION, {}, "rule 2"),
        ("It takes 120 days. [1][2]", DECISION, {}, "rule 2"),
        ("It takes 150 days. [1]", DECISION, {}, "rule 3"),
        ("It takes ninety days. [1]", DECISION, {}, "rule 3"),
        ("It takes 120 days from July. [1]", DECISION, {}, "rule 3"),
        ("It takes 120 days. [1]", "GB-HMRC page", {}, "rule 4"),
        ("In Japan it takes 120 days. [1]", DECISION, {}, "rule 4"),
        ("It takes 120 days. [1]", "EU-Officers' manual", {}, "rule 5"),
    ],
)
def test_each_breach_is_seen(small_index: Index, text: str, passage: str, changes: dict[str, Any], rule: str) -> None:
    broken = violations(_answer(text, [_citation(small_index, 1, passage, **changes)]), small_index.store)
    assert any(line.startswith(rule) for line in broken), broken


def test_a_section_may_not_rest_on_another_programme(small_index: Index) -> None:
    citations = [_citation(small_index, 1, "GB-HMRC page"), _citation(small_index, 2, DECISION)]
    text = "**UK AEO**\n\nIt takes 120 days. [{}]\n\n**EU AEO**\n\nIt takes 120 days. [{}]"
    right = _answer(text.format(1, 2), citations, jurisdictions=["GB", "EU"])
    swapped = _answer(text.format(2, 1), citations, jurisdictions=["GB", "EU"])
    assert violations(right, small_index.store) == []
    assert [line[:6] for line in violations(swapped, small_index.store)] == ["rule 4", "rule 4"]


def test_relevance_is_derived_from_facts_of_verified_public_provisions_in_force(small_index: Index) -> None:
    judgements = Relevance(small_index).judgements(question(facts=[["120 days"], ["60 days"]]))
    assert judgements.grades == {DECISION: 2}
    assert judgements.provisions == {DECISION}
    assert judgements.held
    assert not Relevance(small_index).judgements(question(facts=[["77 days"]])).held


def test_retrieval_scores_follow_trec_eval() -> None:
    judgements = Judgements({"a": 1, "b": 2}, (frozenset("ab"), frozenset("b")))
    scores = retrieval_scores(["x", "a", "y", "z", "w", "b"], judgements)
    assert scores["recall@5"] == 0.5
    assert scores["recall@10"] == 1
    assert scores["map@10"] == pytest.approx((1 / 2 + 2 / 6) / 2)
    assert scores["right@5"] == 0
    assert scores["facts@5"] == 0.5
    assert retrieval_scores([], judgements)["recall@5"] == 0
    assert retrieval_scores(["a"], Judgements({}, ()))["recall@5"] is None


@pytest.fixture(scope="module")
def evaluation(small_index: Index, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    url = f"sqlite:///{tmp_path_factory.mktemp('db') / 'aeo.sqlite3'}"
    return Evaluation(small_index, Settings(database_url=url))


def _scored(index: Index, asked: EvalQuestion, answer: dict[str, Any]) -> dict[str, float | None]:
    from evals.metrics import score

    return score(asked, answer, [DECISION], Relevance(index).judgements(asked), index)[0]


def test_a_right_answer_scores_full_marks(small_index: Index) -> None:
    scores = _scored(small_index, question(), _answer(WHOLE, [_citation(small_index, 1, DECISION)]))
    assert {name: value for name, value in scores.items() if value not in (None, 1.0)} == {}
    assert scores["solved"] == scores["conditions_kept"] == scores["provision"] == 1


def test_a_condition_left_out_is_seen(small_index: Index) -> None:
    short = "The decision on an EU AEO application is taken within 120 days of acceptance. [1]"
    assert (
        _scored(small_index, question(), _answer(short, [_citation(small_index, 1, DECISION)]))["conditions_kept"] == 0
    )


def test_wrong_and_forbidden_figures_are_seen(small_index: Index) -> None:
    cited = [_citation(small_index, 1, DECISION)]
    wrong = _scored(small_index, question(), _answer("It takes 120 days, or 150 days. [1]", cited))
    assert wrong["fact_precision"] == 0.5
    assert wrong["rules_kept"] == wrong["solved"] == 0
    apart = question(facts=[["120 days"]], forbidden=["60 days"])
    assert _scored(small_index, apart, _answer(WHOLE, cited))["solved"] == 0
    together = _answer("It takes 120 days, which may be extended by 60 days. [1]", cited)
    assert _scored(small_index, apart, together)["solved"] == 1


def test_unsupported_sentences_and_needless_citations_are_seen(small_index: Index) -> None:
    both = [_citation(small_index, 1, DECISION), _citation(small_index, 2, "EU-UCC Art. 38(2)")]
    padded = "The decision is taken within 120 days of acceptance of the application. [1][2]"
    scores = _scored(small_index, question(), _answer(padded, both))
    assert (scores["citation_recall"], scores["citation_precision"]) == (1, 0.5)
    invented = "Within 120 days a cheerful inspector brings your company flowers and music. [1]"
    assert _scored(small_index, question(), _answer(invented, both[:1]))["citation_recall"] == 0


def test_refusals_are_measured_both_ways(small_index: Index) -> None:
    declined = _answer("I cannot answer.", [], status="declined", reason="unsupported", jurisdictions=[])
    wrongly = _scored(small_index, question(), declined)
    assert (wrongly["decline_precision"], wrongly["decline_recall"], wrongly["fact_recall"]) == (0, None, 0)
    impossible = question(expect="declined", reason="no_programme", facts=[], jurisdictions=[])
    rightly = _scored(small_index, impossible, declined)
    assert (rightly["decline_precision"], rightly["decline_recall"], rightly["decline_reason"]) == (1, 1, 0)
    assert rightly["solved"] == 0


@pytest.mark.parametrize(
    ("changes", "given", "right"),
    [
        ({}, ["EU"], 1),
        ({}, ["EU", "GB"], 0),
        ({}, ["GB"], 0),
        ({}, ["NL", "EU"], 1),
        ({"topic": "recognition"}, ["EU", "JP"], 1),
        ({"topic": "recognition"}, ["JP"], 0),
        ({"question": "In the EU as in Japan?"}, ["EU", "JP"], 1),
        ({"question": "In Japan as in the EU?", "jurisdictions": ["JP"]}, ["EU", "JP"], 1),
    ],
)
def test_programmes_are_those_expected_and_what_belongs_to_them(
    small_index: Index, changes: dict[str, Any], given: list[str], right: int
) -> None:
    answer = _answer(WHOLE, [_citation(small_index, 1, DECISION)], jurisdictions=given)
    assert _scored(small_index, question(**changes), answer)["programme"] == right


def test_a_question_is_asked_after_its_history(evaluation: Evaluation) -> None:
    first = "How long does the EU take to decide on an AEO application?"
    asked = question(question="And what types are there?", history=[first], style="multi-turn", facts=[["two types"]])
    result = evaluation.evaluate(asked)
    assert result.answer["jurisdictions"] == ["EU"]
    assert "observe" not in result.answer["timings_ms"]
    assert Result.of_json(result.to_json()) == result


# Runs


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[EvalQuestion]:
    texts = ["How long does an EU AEO decision take?", "Which types of AEO are there in the EU?", "Best pizza in Rome?"]
    questions = [
        question(id="q-1", question=texts[0]),
        question(id="q-2", question=texts[1], facts=[["simplification"], ["security"]], topic="tiers"),
        question(id="q-3", question=texts[2], expect="declined", reason="out_of_scope", facts=[], jurisdictions=[]),
    ]
    monkeypatch.setattr("evals.runner.load_questions", lambda split, sets: questions)
    return questions


def _settings(small: Path, tmp_path: Path) -> Settings:
    return Settings(index=small, database_url=f"sqlite:///{tmp_path / 'aeo.sqlite3'}")


def test_a_killed_run_is_resumed_where_it_stopped(small: Path, tmp_path: Path, few: list[EvalQuestion]) -> None:
    settings = _settings(small, tmp_path)
    folder = run("dev", [], tmp_path / "run", settings=settings, show_progress=False)
    whole = read_results(folder)
    assert "Facts stated" in summary(folder)
    assert [result.question.id for result in whole] == ["q-1", "q-2", "q-3"]
    lines = (folder / RESULTS).read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / RESULTS).write_text(lines[0] + lines[1][:100], encoding="utf-8")
    with pytest.raises(EvalError, match="already holds a run"):
        run("dev", [], folder, settings=settings, show_progress=False)
    run("dev", [], folder, resume=True, settings=settings, show_progress=False)
    assert (folder / RESULTS).read_text(encoding="utf-8").startswith(lines[0])
    assert [r.scores for r in read_results(folder)] == [r.scores for r in whole]
    with pytest.raises(EvalError, match="another split"):
        run("test", [], folder, resume=True, settings=settings, show_progress=False)


def test_processes_side_by_side_find_the_same(small: Path, tmp_path: Path, few: list[EvalQuestion]) -> None:
    settings = _settings(small, tmp_path)
    runs = [run("dev", [], tmp_path / str(n), workers=n, settings=settings, show_progress=False) for n in (1, 2)]
    alone, together = ([result.scores for result in read_results(folder)] for folder in runs)
    assert alone == together


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvalError, match="holds no run"):
        read_results(tmp_path)
    (tmp_path / RUN).write_text("{}", encoding="utf-8")
    with pytest.raises(EvalError, match="holds no run"):
        read_results(tmp_path)


# Comparison


def _result(identifier: str, solved: bool) -> Result:
    answer = _answer("It takes 120 days. [1]", [])
    scores = {"solved": float(solved), "fact_recall": float(solved), "programme": 1.0, "held": 1.0, "facts@5": 1.0}
    missing = () if solved else (("120 days",),)
    return Result(question(id=identifier), answer, (), (), scores, (), missing, {})


def test_a_comparison_lists_flips_both_ways_and_tells_chance_from_change() -> None:
    before = [_result(f"q-{n:03}", n >= 40) for n in range(100)]
    after = [_result(f"q-{n:03}", n != 99) for n in range(100)]
    compared = compare_results(before, [*after, _result("q-new", True)])
    assert (len(compared.better), [flip.id for flip in compared.worse], compared.only_after) == (40, ["q-099"], 1)
    assert compared.worse[0].after == "does not state 120 days"
    solved = compared.differences[0]
    assert solved.metric == "solved"
    assert solved.change == pytest.approx(0.39)
    assert solved.significant
    assert solved.low < 0.39 < solved.high
    text = compared.text()
    assert "no longer solved (1)\n  q-099: " in text
    assert "newly solved (40)" in text
    one = [_result(f"q-{n:03}", n >= 39) for n in range(100)]
    assert not compare_results(before, one).differences[0].significant
    with pytest.raises(EvalError, match="share no question"):
        compare_results(before, [_result("other", True)])


def test_intervals_are_the_same_every_time() -> None:
    changes = np.random.default_rng(1).normal(0.1, 1, 200)
    assert paired_interval(changes) == paired_interval(changes)
    assert paired_interval(np.zeros(50)) == (0, 0)


def test_noise_grows_with_spread_and_shrinks_with_questions() -> None:
    mixed = np.array([0.0, 1.0] * 20)
    assert neutral_noise(np.ones(40)) == 0
    assert 0 < neutral_noise(np.tile(mixed, 20)) < neutral_noise(mixed)


def test_the_first_fault_names_the_stage() -> None:
    lost = _result("q-1", False)
    kinds = {
        "composition": lost,
        "retrieval": replace(lost, scores=lost.scores | {"facts@5": 0.0}),
        "corpus": replace(lost, scores=lost.scores | {"held": 0.0}),
        "programme": replace(lost, scores=lost.scores | {"programme": 0.0}),
        "refused": replace(lost, answer=lost.answer | {"status": "declined"}),
        "rule": replace(lost, violations=("rule 3: 99",)),
        "wrong": replace(lost, answer=lost.answer | {"answer": "It takes 90 days. [1]"}),
    }
    assert {name: kind.id for name, result in kinds.items() if (kind := kind_of(result))} == {k: k for k in kinds}
    assert kind_of(_result("q-2", True)) is None


# A foreign collection


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beir")
    corpus = {
        "d-1": "A fund manager must appoint an independent custodian.",
        "d-2": "Capital of a bank must exceed ten million dollars.",
        "d-3": "Complaints are answered within eight weeks.",
    }
    lines = [json.dumps({"_id": key, "title": f"Rule {key}", "text": text}) for key, text in corpus.items()]
    (folder / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    queries = {"q1": "Who must appoint a custodian?", "q2": "When are complaints answered?", "unjudged": "Weather?"}
    lines = [json.dumps({"_id": key, "text": text}) for key, text in queries.items()]
    (folder / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "qrels").mkdir()
    (folder / "qrels" / "dev.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\td-1\t1\nq2\td-3\t1\nq2\td-2\t0\nq2\tnot-there\t1\n", encoding="utf-8"
    )
    return folder


def test_a_foreign_collection_is_searched_under_its_own_ids(beir: Path, small: Path, tmp_path: Path) -> None:
    build_index(tmp_path / "index", beir_files(beir))
    scores = retrieval(beir, tmp_path / "index")
    assert (scores.questions, scores.recall, scores.map) == (2, 0.75, 0.75)
    assert "Recall@10 0.7500   MAP@10 0.7500" in scores.line()
    with pytest.raises(EvalError, match="holds no judged passage"):
        retrieval(beir, small)


def test_questions_without_results_count_as_nothing() -> None:
    assert macro_averages({"a": {"x": 1}, "b": {"y": 1}}, {"a": {"x": 1.0}}) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("file", "text", "cause"),
    [
        ("queries.jsonl", '{"_id": "q1"}', "malformed"),
        ("queries.jsonl", '{"_id": "q1", "text": "x"}', "lacks 1 judged questions"),
        ("qrels/dev.tsv", "q1\td-1\tmany\n", "a whole score"),
        ("qrels/dev.tsv", "query-id\tcorpus-id\tscore\n", "no relevant passage"),
    ],
)
def test_a_faulty_collection_is_named(
    beir: Path, small: Path, tmp_path: Path, file: str, text: str, cause: str
) -> None:
    for name in ("queries.jsonl", "qrels/dev.tsv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((beir / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(EvalError, match=cause):
        retrieval(tmp_path, small)
    with pytest.raises(EvalError, match="no judgements"):
        retrieval(tmp_path / "nowhere", small)


# Candidates


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("write to ana.lee@firm.example", "write to [e-mail]"),
        ("call +49 (30) 1234-567 or 020 7946 0958", "call [number] or [number]"),
        ("passport AB1234567, SSN 123-45-6789", "passport [number], SSN [number]"),
        ("EORI GB123456789000", "EORI [number]"),
        ("Ms Ana Lee and Mr. John van der Berg ask", "Ms [name] and Mr. [name] ask"),
        ("mr smith wants it", "mr [name] wants it"),
        ("my name is Paul Smith.", "my name is [name]."),
        ("田中さんのAEO", "[name]さんのAEO"),
        ("Circular 33/2016, Art. 255-2, 2015/2447, 6 U.S.C. 964 of 2026-11-22", None),
        ("1,000 days, ISO 17712, section 114A(2)(b), 120 days", None),
    ],
)
def test_personal_data_is_masked_and_provisions_are_not(text: str, shown: str | None) -> None:
    assert masked(text) == (text if shown is None else shown)


def test_thumbs_down_become_drafts_for_review(tmp_path: Path) -> None:
    conversations = Conversations(f"sqlite:///{tmp_path / 'aeo.sqlite3'}")
    text = "I am Ms Ana Lee (ana@firm.example). Is the EU fee 100 euro?"
    for helpful in (False, False, True):
        answer = Answer(Question(text).text, "declined", "No.", ("EU",), "applicant", "v1", "extractive")
        answer = replace(answer, conversation_id=conversations.start(), reason="unsupported")
        conversations.record(answer)
        conversations.add_feedback(answer.id, helpful, "ring me: 020 7946 0958")
    out = tmp_path / "drafts.jsonl"
    assert candidates(conversations, out) == 1
    written = out.read_text(encoding="utf-8")
    assert not [secret for secret in ("Ana", "Lee", "firm.example", "7946") if secret in written]
    draft = json.loads(written)
    assert draft["review"]["thumbs_down"] == 2
    with pytest.raises(EvalError):  # no draft becomes a question unseen
        load_questions(folder=tmp_path, sets=["drafts"])


# A judge


def test_a_judge_is_averaged_over_runs_with_its_spread(small: Path, tmp_path: Path, few: list[EvalQuestion]) -> None:
    from langchain_core.language_models import FakeListChatModel

    folder = run("dev", [], tmp_path / "run", settings=_settings(small, tmp_path), show_progress=False)
    replies = ['{"faithfulness": 4, "helpfulness": 2}', '{"faithfulness": 4, "helpfulness": 4}']
    answers = sum(result.answer["status"] == "answered" for result in read_results(folder))
    model = FakeListChatModel(responses=[r for r in [*replies, "Grade: fine"] for _ in range(answers)])
    with pytest.raises(EvalError, match="no grades"):
        judge(folder, model, "fake", runs=3)
    model = FakeListChatModel(responses=[r for r in replies for _ in range(answers)])
    judged = judge(folder, model, "fake", runs=2)
    assert (judged.faithfulness.mean, judged.helpfulness.mean) == (1, 0.75)
    assert (judged.helpfulness.low, judged.helpfulness.high) == (0.5, 1)
