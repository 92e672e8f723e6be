"""The support measure on the labelled sentences: its figures may not get worse unseen."""

from __future__ import annotations

import pytest

from assistant.llm.check import _leaves_out
from assistant.llm.support import THRESHOLD
from evals.support.measure import Judged, area, judged, rates


@pytest.fixture(scope="module")
def found() -> list[Judged]:
    return judged()


def test_the_set_is_large_and_balanced(found: list[Judged]) -> None:
    assert len(found) >= 900
    assert 0.35 < sum(item.supported for item in found) / len(found) < 0.65


def test_few_supported_sentences_are_dropped(found: list[Judged]) -> None:
    supported = [item for item in found if item.supported]
    assert sum(item.outcome == "dropped" for item in supported) <= 0.05 * len(supported)


def test_rates_at_the_threshold(found: list[Judged]) -> None:
    calibration = [item for item in found if item.split == "calibration"]
    held_out = [item for item in found if item.split == "held-out"]
    kept, passed = rates(calibration, THRESHOLD)
    assert kept >= 0.72
    assert passed <= 0.045
    kept, passed = rates(held_out, THRESHOLD)
    assert kept >= 0.50
    assert passed <= 0.18
    assert area(held_out) >= 0.68


@pytest.mark.parametrize(
    ("sentence", "answer", "left_out"),
    [
        ("Customs may extend it, unless the applicant objects in writing.", "Customs may extend it.", True),
        (
            "Customs may extend it, unless the applicant objects.",
            "Customs extend it unless the applicant objects.",
            False,
        ),
        ("No fee is charged.", "Something else.", False),
        ("This does not apply to controls of elevated threat.", "Fewer controls.", True),
        ("Exports are exempt from sampling.", "Imports are sampled first.", True),
    ],
)
def test_conditions_left_out(sentence: str, answer: str, left_out: bool) -> None:
    assert _leaves_out(sentence, answer) is left_out
