"""Evaluation with a model beside evaluation without: the same questions, the same scores, one report."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.settings import Settings
from corpus.schema import Topic
from evals.compare import compare
from evals.questions import EvalError, EvalQuestion
from evals.report import report
from evals.runner import read_info, read_results, run
from tests.llm.cases import EU_FEE, EU_TIME, EU_VALID, EU_WHO, GB_FORM, GB_TIME, JP_TIME, JP_VALID
from tests.llm.scripted import Reply, ScriptedServer, answer, given, purpose

TEXTS = [EU_TIME, EU_FEE, EU_WHO, EU_VALID, JP_TIME, JP_VALID, GB_TIME, GB_FORM, "What is the capital of France?"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions over the notes of these tests, in place of the shipped ones."""
    asked = [
        EvalQuestion(
            id=f"small-{n}", split="dev", language="en", question=text, jurisdictions=(), audience="applicant",
            topic=Topic("application"), style="plain", expect="answered" if n < 7 else "declined", reason=None, facts=(("AEO",),),
            forbidden=(), references=(), source="test", twin=None,
        )
        for n, text in enumerate(TEXTS)
    ]  # fmt: skip
    monkeypatch.setattr("evals.runner.load_questions", lambda split, sets: asked)


def test_composers_are_set_side_by_side(llm_settings: Settings, server: ScriptedServer, tmp_path: Path) -> None:
    def script(request: dict) -> Reply:
        if purpose(request) != "write":
            return Reply("{}")
        token, text = next(iter(given(request).items()))
        return Reply(answer((text.split(". ")[0].rstrip(".") + ".", [token]), ("Everything is free.", [token])))

    server.script = script
    alone = llm_settings.model_copy(update={"llm": None})
    plain = run("dev", [], tmp_path / "plain", sample=6, settings=alone, show_progress=False)
    model = run("dev", [], tmp_path / "model", sample=6, settings=llm_settings, show_progress=False)
    before, after = read_results(plain), read_results(model)
    assert [result.question.id for result in before] == [result.question.id for result in after]
    assert len(before) == 6
    assert {result.question.expect for result in before} == {"answered", "declined"}
    assert all(not result.written for result in before)
    written = [result.written for result in after if result.written.get("calls")]
    assert written
    assert all(took["kept"] == 1 and took["dropped"] + took["repaired"] == 1 for took in written)
    assert read_info(model).composer == "scripted"
    assert compare(plain, model).differences
    for run_dir in (plain, model):
        page = report(run_dir).read_text(encoding="utf-8")
        assert "Composers side by side" in page
        assert "answered by extractive and by scripted" in page
        assert f"{len(written)} were shown as written" in page
    with pytest.raises(EvalError, match="another sample"):
        run("dev", [], plain, sample=5, resume=True, settings=alone, show_progress=False)


def test_one_composer_alone_has_nothing_beside_it(llm_settings: Settings, tmp_path: Path) -> None:
    alone = llm_settings.model_copy(update={"llm": None})
    folder = run("dev", [], tmp_path / "plain", sample=2, settings=alone, show_progress=False)
    assert "Composers side by side" not in report(folder).read_text(encoding="utf-8")
