"""Readings: a verdict on every question of a set that somebody read in full, and the set covers what its page says."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from evals.questions import load_questions

READINGS = sorted((Path(__file__).parents[1] / "evals" / "readings").glob("*.csv"))
TWELVE = ("WCO", "EU", "GB", "US", "CN", "HK", "JP", "KR", "IN", "SG", "AU", "NZ")


@pytest.mark.parametrize("path", READINGS, ids=lambda path: path.stem)
def test_every_question_of_the_set_has_one_verdict(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["id"] for row in rows) == sorted(q.id for q in load_questions(sets=[path.stem]))
    assert {row["verdict"] for row in rows} <= {"good", "acceptable", "bad"}
    assert all(row["remark"] for row in rows if row["verdict"] != "good")


def test_own_questions_over_the_twelve_programmes() -> None:
    questions = load_questions(sets=["own-twelve"])
    assert {q.split for q in questions} == {"dev"}
    asked = Counter(place for q in questions for place in q.jurisdictions)
    assert all(asked[place] >= 9 for place in TWELVE), asked
