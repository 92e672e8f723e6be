"""Retrieval on a foreign collection in BEIR form: Recall@10 and MAP@10 as trec_eval has them, and query times."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import AP, R

from evals.questions import EvalError
from indexing.search import Hit, Index

DEPTH = 10


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """Macro-averages over all questions of the judgements, and milliseconds of a query."""

    questions: int
    recall: float
    """Recall@10."""
    map: float
    """MAP@10: the precision at each relevant passage found, divided by all relevant ones."""
    p50_ms: float
    p95_ms: float

    def line(self) -> str:
        """What the command prints."""
        return (
            f"Recall@10 {self.recall:.4f}   MAP@10 {self.map:.4f}   "
            f"query p50 {self.p50_ms:.1f} ms, p95 {self.p95_ms:.1f} ms   ({self.questions:,} questions)"
        )


def retrieval(
    beir_dir: Path,
    index_dir: Path,
    progress: Callable[[str, int, int], None] = lambda step, done, total: None,
    search: Callable[[Index, str, int], list[Hit]] = Index.search,
) -> RetrievalScores:
    """Search an index of the collection for each judged question, one after the other, as `search` does it.

    Raises:
        EvalError: files of the collection are missing or malformed, or the index is of another collection.
        IndexMissing, IndexUnusable: see `indexing.versions`.
    """
    judgements = _judgements(beir_dir)
    questions = _questions(beir_dir, judgements)
    index = Index.open(index_dir)
    if all(index.store.get(identifier) is None for graded in judgements.values() for identifier in graded):
        raise EvalError(
            f"the index at {index_dir} holds no judged passage of {beir_dir}; build it with "
            f"'aeo index build --source {beir_dir} --index {index_dir}'"
        )
    search(index, "warm up", DEPTH)  # loads the model and the files, which is not a query's time
    found: dict[str, dict[str, float]] = {}
    times: list[float] = []
    for done, (identifier, text) in enumerate(questions.items()):
        progress("searching", done, len(questions))
        started = time.perf_counter()
        hits = search(index, text, DEPTH)
        times.append(1000 * (time.perf_counter() - started))
        # Scores that fall with the rank keep our order: the measures break ties by id.
        found[identifier] = {hit.passage.id: float(DEPTH - rank) for rank, hit in enumerate(hits)}
    progress("searching", len(questions), len(questions))
    index.close()
    recall, precision = macro_averages(judgements, found)
    p50, p95 = np.percentile(times, [50, 95])
    return RetrievalScores(len(questions), recall, precision, float(p50), float(p95))


def macro_averages(judgements: dict[str, dict[str, int]], found: dict[str, dict[str, float]]) -> tuple[float, float]:
    """Recall@10 and MAP@10; a judged question without results counts as 0."""
    sums = {R @ 10: 0.0, AP @ 10: 0.0}
    for value in ir_measures.iter_calc(list(sums), judgements, found):
        sums[value.measure] += value.value
    return sums[R @ 10] / len(judgements), sums[AP @ 10] / len(judgements)


def _judgements(folder: Path) -> dict[str, dict[str, int]]:
    """Relevant passages by question, from every file of judgements."""
    files = sorted((folder / "qrels").glob("*.tsv"))
    if not files:
        raise EvalError(f"no judgements in {folder / 'qrels'}; a BEIR folder has qrels/*.tsv")
    judgements: dict[str, dict[str, int]] = {}
    for path in files:
        with path.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
                if not row or (number == 1 and row[-1].strip() == "score"):
                    continue
                try:
                    question, passage, score = row
                    grade = int(score)
                except ValueError as error:
                    raise EvalError(f"{path}:{number}: a line has query-id, corpus-id and a whole score") from error
                if grade > 0:
                    judgements.setdefault(question, {})[passage] = grade
    if not judgements:
        raise EvalError(f"the judgements in {folder / 'qrels'} name no relevant passage")
    return judgements


def _questions(folder: Path, judgements: dict[str, dict[str, int]]) -> dict[str, str]:
    """Texts of the judged questions, in the order of the file."""
    path = folder / "queries.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines if line.strip()]
        texts = {str(entry["_id"]): str(entry["text"]) for entry in entries}
    except OSError as error:
        raise EvalError(f"cannot read {path}: {error.strerror}; a BEIR folder has queries.jsonl") from error
    except (ValueError, KeyError, TypeError) as error:
        raise EvalError(f"{path} is malformed ({error}); each line is a JSON object with _id and text") from error
    missing = judgements.keys() - texts.keys()
    if missing:
        raise EvalError(f"{path} lacks {len(missing)} judged questions, the first: {min(missing)}")
    return {identifier: text for identifier, text in texts.items() if identifier in judgements}
