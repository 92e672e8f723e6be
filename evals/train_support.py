"""Fits `assistant.support` to the dev questions: `python -m evals.train_support` prints constants and ROC.

Answered questions are positives; questions in and out of scope that nothing answers are negatives. Ten-fold
cross-validation by question; nothing of `test` is read.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from assistant.answer import Question
from assistant.context import Context
from assistant.pipeline import STEPS
from assistant.settings import settings
from assistant.support import features
from indexing.search import Index

SETS = ("core", "world", "cross", "refuse", "unanswerable")


def examples(index: Index) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Features, labels and questions of the English single-turn dev questions."""
    rows: list[tuple[float, ...]] = []
    labels: list[int] = []
    texts: list[str] = []
    steps = dict(STEPS)
    for name in SETS:
        for line in (Path(__file__).parent / "questions" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            wanted = entry["expect"] == "answered" or entry["reason"] in ("unsupported", "out_of_scope")
            if entry["split"] != "dev" or entry.get("history") or entry["language"] != "en" or not wanted:
                continue
            context = Context(Question(entry["question"]), index, settings())
            steps["understand"](context)
            context.jurisdictions = tuple(entry["jurisdictions"]) or context.jurisdictions or ("WCO",)
            steps["retrieve"](context)
            rows.append(max(features(context, code) for code in context.jurisdictions))
            labels.append(int(entry["expect"] == "answered"))
            texts.append(entry["question"])
    return np.array(rows), np.array(labels), texts


def main() -> None:
    """Print the constants for `assistant.support`, and what each threshold costs."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    x, y, texts = examples(Index.open(settings().index))
    model = LogisticRegression(C=10, class_weight="balanced", max_iter=1000)
    held_out = cross_val_predict(model, x, y, cv=10, method="predict_proba")[:, 1]
    model.fit(x, y)
    print(
        "WEIGHTS =",
        tuple(round(float(w), 2) for w in model.coef_[0]),
        "INTERCEPT =",
        round(float(model.intercept_[0]), 2),
    )
    print(f"{int(y.sum())} answered, {int((1 - y).sum())} not; ROC AUC, out of fold: {roc_auc_score(y, held_out):.3f}")
    for threshold in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5):
        caught, lost = (held_out[y == 0] < threshold).mean(), (held_out[y == 1] < threshold).mean()
        print(f"below {threshold:.2f}: {caught:.3f} of the unanswerable declined, {lost:.3f} of the answerable lost")
    for place in np.argsort(held_out):
        if y[place] and held_out[place] < 0.25:
            print(f"lost {held_out[place]:.2f} {texts[place]}")


if __name__ == "__main__":
    main()
