"""Fits `assistant.support` to the dev questions: `python -m evals.train_support` prints constants and ROC.

Answered questions are positives; questions in and out of scope that nothing answers are negatives, but those to which the
guidance says itself that nothing was found. Further negatives, for training alone, are in `training/unanswerable.tsv`.
Ten-fold cross-validation by question; nothing of `test` is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assistant.answer import Question
from assistant.context import Context
from assistant.retrieve import retrieve
from assistant.settings import settings
from assistant.support import confidence, features
from assistant.terms import readable
from assistant.understand import understand
from evals.questions import load_questions
from indexing.search import Index

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

UNANSWERABLE = Path(__file__).parent / "training" / "unanswerable.tsv"
FOLDS = 10

Features = tuple[float, ...]


def asked(index: Index, text: str, jurisdictions: tuple[str, ...]) -> tuple[Features | None, bool]:
    """The most promising programme's features, None where there are none; and whether only gaps lead."""
    context = Context(Question(text), index, settings())
    understand(context)
    context.jurisdictions = jurisdictions or context.jurisdictions or ("WCO",)
    retrieve(context)
    held = [code for code in context.jurisdictions if context.hits.get(code)]
    if not held or not readable(context.language):
        return None, False
    gaps = all(context.hits[code][0].passage.status == "gap" for code in held)
    return max((features(context, code) for code in held), key=confidence), gaps


def dev_examples(index: Index) -> Iterator[tuple[Features, int, str]]:
    """Features, label and text of the single-turn dev questions."""
    for entry in load_questions("dev"):
        answered = entry.expect == "answered"
        if entry.history or not (answered or entry.reason in ("unsupported", "out_of_scope")):
            continue
        found, gaps = asked(index, entry.question, entry.jurisdictions)
        if found is not None and (answered or not gaps):
            yield found, int(answered), entry.question


def further_negatives(index: Index) -> Iterator[Features]:
    """Features of questions that nothing answers, which are trained on and not tested."""
    for line in UNANSWERABLE.read_text(encoding="utf-8").splitlines():
        code, question = line.split("\t")
        found, gaps = asked(index, question, (code,))
        if found is not None and not gaps:
            yield found


def main() -> None:
    """Print the constants for `assistant.support`, and what each threshold costs."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    index = Index.open(settings().index)
    tested = list(dev_examples(index))
    x, y = np.array([found for found, _, _ in tested]), np.array([label for _, label, _ in tested])
    further = np.array(list(further_negatives(index)))

    def fitted(rows: np.ndarray) -> Pipeline:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, class_weight="balanced", max_iter=1000))
        return model.fit(np.vstack([x[rows], further]), np.r_[y[rows], np.zeros(len(further))])

    fold = np.random.default_rng(3).integers(0, FOLDS, len(y))
    held_out = np.zeros(len(y))
    for number in range(FOLDS):
        held_out[fold == number] = fitted(fold != number).predict_proba(x[fold == number])[:, 1]
    scaler, model = (step for _, step in fitted(np.ones(len(y), bool)).steps)
    weights = model.coef_[0] / scaler.scale_
    print("WEIGHTS =", tuple(round(float(weight), 2) for weight in weights))
    print("INTERCEPT =", round(float(model.intercept_[0] - weights @ scaler.mean_), 2))
    print(f"{int(y.sum())} answered, {int((1 - y).sum())} not; ROC AUC, out of fold: {roc_auc_score(y, held_out):.3f}")
    for threshold in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5):
        caught, lost = (held_out[y == 0] < threshold).mean(), (held_out[y == 1] < threshold).mean()
        print(f"below {threshold:.2f}: {caught:.3f} of the unanswerable declined, {lost:.3f} of the answerable lost")
    for place in np.argsort(held_out):
        if y[place] and held_out[place] < 0.25:
            print(f"lost {held_out[place]:.2f} {tested[place][2]}")


if __name__ == "__main__":
    main()
