"""The guided pre-check: its questions, its states, and a report that never gives a verdict."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assistant import eligibility
from assistant.cited import passage_with
from assistant.eligibility import EligibilityError, Session, answer, available, from_json, next_question, report, start
from assistant.verify import figures
from corpus.eligibility import load, load_all, pre_checks, unsupported
from corpus.schema import CorpusError
from corpus.validate import load_notes
from indexing.build import build_index
from indexing.search import Index
from indexing.sources import note_files

VERDICT = re.compile(
    r"\b(you (are|would be|will be) (accepted|refused|granted)|eligible|qualif(y|ies) for|pass(ed)?|fail(ed)?)\b"
)


def finished(code: str, *wanted: str) -> Session:
    """A session with every question answered: by `wanted` in turn, as far as a question offers them."""
    session, turn = start(code), 0
    while (asked := next_question(session)) is not None:
        offered = [identifier for identifier, _ in asked.choices]
        turned = [*wanted[turn % len(wanted) :], *wanted[: turn % len(wanted)]]
        session = answer(session, asked.id, next((choice for choice in turned if choice in offered), offered[0]))
        turn += 1
    return session


def test_every_question_rests_on_a_provision_in_force() -> None:
    notes, problems = load_notes()
    assert problems == []
    assert "\n".join(unsupported(load_all(), notes)) == ""


def test_the_programmes_asked_for_have_a_pre_check() -> None:
    assert set(available()) >= {"EU", "GB", "US", "CN", "HK", "IN", "JP", "KR", "SG", "AU", "NZ"}


def test_figures_of_a_question_stand_in_its_provision(index: Index) -> None:
    for check in pre_checks().values():
        for question in check.questions:
            passage = passage_with(index, question.note, question.quote)
            assert passage is not None, (check.jurisdiction, question.id)
            assert figures(question.ask) <= figures(passage.text), (check.jurisdiction, question.id)


@pytest.mark.parametrize("code", sorted(pre_checks()))
def test_a_report_cites_every_finding_and_gives_no_verdict(code: str, index: Index) -> None:
    made = report(finished(code, "yes", "no", "unsure"), index)
    assert made.open_questions == 0
    assert made.findings
    for finding in made.findings:
        markers = [int(number) for number in re.findall(r"\[(\d+)\]", finding.provision)]
        assert markers
        for marker in markers:
            cited = made.citations[marker - 1]
            assert (cited.marker, cited.jurisdiction) == (marker, code)
            passage = index.store.get(cited.passage_id)
            assert passage is not None
            assert passage.text[cited.start : cited.end] == cited.quote
    own_words = " ".join([*made.notices, *(f.answer for f in made.findings)])
    assert not VERDICT.search(own_words)
    assert "decides nothing" in made.notices[0]
    assert json.loads(json.dumps(made.to_json()))["counts"].keys() == {"covered", "not_covered", "needs_officer"}
    assert made.to_markdown().count("\n- ") == len(made.findings)


def test_answers_mean_what_the_file_says(index: Index) -> None:
    outcomes = {f.question: f.outcome for f in report(finished("EU", "aeoc", "no"), index).findings}
    assert outcomes["Is your business established in the customs territory of the Union?"] == "not_covered"
    infringements = next(question for question in outcomes if "serious or repeated infringements" in question)
    assert outcomes[infringements] == "needs_officer"
    outcomes = {f.question: f.outcome for f in report(finished("EU", "unsure"), index).findings}
    assert set(outcomes.values()) == {"needs_officer"}


def test_choices_decide_what_is_asked() -> None:
    def asked(code: str, *choices: str) -> set[str]:
        return {identifier for identifier, _ in finished(code, *choices).answers}

    assert "competence" in asked("EU", "aeoc")
    assert "competence" not in asked("EU", "aeos")
    assert "buildings" in asked("EU", "aeos")
    assert {"competence", "buildings"} <= asked("EU", "both")
    assert "crisis" not in asked("HK", "tier1")
    assert "crisis" in asked("HK", "tier2")


def test_an_earlier_answer_can_be_changed() -> None:
    session = finished("EU", "aeoc", "yes")
    changed = answer(session, "status", "aeos")
    assert changed.answers == (("status", "aeos"),)
    following = next_question(changed)
    assert following is not None
    assert (following.id, following.number) == ("established", 2)


@pytest.mark.parametrize(
    ("question", "choice", "complaint"),
    [
        ("established", "yes", "answer 'status' next"),
        ("status", "perhaps", "choose one of: aeoc, aeos, both"),
        ("nonsense", "yes", "is not due"),
    ],
)
def test_a_wrong_answer_is_refused_in_one_line(question: str, choice: str, complaint: str) -> None:
    with pytest.raises(EligibilityError) as error:
        answer(start("EU"), question, choice)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_a_programme_without_a_pre_check_is_named() -> None:
    with pytest.raises(EligibilityError, match="no guided pre-check for 'ZW'; there is one for: AU"):
        start("zw")


def test_sessions_survive_json_and_are_checked_on_the_way_in() -> None:
    session = finished("HK", "tier2", "yes", "no")
    assert from_json(json.loads(json.dumps(session.to_json()))) == session
    for plain in (
        {"programme": "EU", "answers": {"established": "yes"}},
        {"programme": 1},
        {"programme": "EU", "answers": []},
    ):
        with pytest.raises(EligibilityError):
            from_json(plain)


@given(st.lists(st.sampled_from(["yes", "no", "unsure", "aeoc", "aeos", "both"]), max_size=40))
@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_run_of_answers_ends(choices: list[str]) -> None:
    session = finished("EU", *(choices or ["yes"]))
    assert next_question(session) is None
    assert len(dict(session.answers)) == len(session.answers)


def test_an_older_index_is_named(tmp_path: Path) -> None:
    files = [file for file in note_files(Path("corpus/notes")) if file.name.startswith("notes/nz/")]
    build_index(tmp_path / "index", files)
    opened = Index.open(tmp_path / "index")
    with pytest.raises(EligibilityError, match="aeo index update"):
        report(finished("HK", "tier1", "yes"), opened)
    opened.close()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("jurisdiction =", "not TOML"),
        ('jurisdiction = "EU"\nquestions = []', "questions"),
        ('jurisdiction = "EU"\n' + '[[questions]]\nid = "a"\ncriterion = "mood"\n' * 1, "criterion"),
        (
            'jurisdiction = "EU"\n'
            + "".join(
                f'[[questions]]\nid = "{i}"\ncriterion = "records"\nask = "Do you keep records?"\nnote = "n"\n'
                f'quote = "keeps records"\n{extra}\n'
                for i, extra in (("a", ""), ("b", 'only_if = "a=yes"'), ("c", ""))
            ),
            "only_if names no choice",
        ),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "eu.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=re.escape(str(path))) as error:
        load(path)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_is_named_for_its_programme(tmp_path: Path) -> None:
    source = Path("corpus/data/eligibility/nz.toml").read_text(encoding="utf-8")
    (tmp_path / "au.toml").write_text(source, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"name it nz\.toml"):
        load_all(tmp_path)


def test_the_outcomes_are_said_in_words() -> None:
    assert set(eligibility._SAID) == set(eligibility._OUTCOMES.values())
