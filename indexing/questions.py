"""Questions that provisions answer, written from the provisions: they are embedded beside them, so that people's own words
find what the law's words say (document expansion by queries, Nogueira et al., arXiv 1904.08375; here written, not generated
at build time, and matched by vectors).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexing.embedding import Vectors
from indexing.passages import DocumentError, Passage


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions with the row of the passage that answers each."""

    texts: tuple[str, ...]
    rows: NDArray[np.int64]


def question_files(folder: Path) -> dict[str, str]:
    """Digest by name of the files that `questions_of` reads: part of what an index was built from."""
    return {
        f"questions/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.tsv"))
    }


def read_questions(folder: Path) -> list[tuple[str, str]]:
    """Passage id and question, one a line, from all TSV files of a folder.

    Raises:
        DocumentError: naming the line that is not of that form.
    """
    found: list[tuple[str, str]] = []
    for path in sorted(folder.glob("*.tsv")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            identifier, tab, question = line.partition("\t")
            if not (identifier and tab and question.strip()):
                raise DocumentError(f"{path}:{number}: write passage id, a tab, and the question")
            found.append((identifier, question.strip()))
    return found


def questions_of(folder: Path, passages: Sequence[Passage]) -> Questions:
    """The questions of the passages that are held; others (of provisions that were changed since) are left out."""
    row = {passage.id: number for number, passage in enumerate(passages)}
    pairs = [(question, row[identifier]) for identifier, question in read_questions(folder) if identifier in row]
    return Questions(tuple(question for question, _ in pairs), np.array([place for _, place in pairs], np.int64))


def best_by_row(rows: NDArray[np.int64], scores: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """The best question's score for each of `size` rows; -1 where a row has no question."""
    best = np.full(size, -1, np.float32)
    np.maximum.at(best, rows, scores)
    return best


def save(folder: Path, questions: Questions, vectors: Vectors) -> None:
    """Write rows and vectors into a version folder."""
    np.save(folder / "question_rows.npy", questions.rows)
    np.save(folder / "question_vectors.npy", vectors)
