"""The vectors that are shipped beside the notes: `python -m indexing.shipped` (`make vectors`) brings them up to date."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from indexing.build import VectorCache, build_index
from indexing.embedding import DEFAULT_MODEL, Vectors, content_key
from indexing.library import collection
from indexing.questions import read_questions
from indexing.search import Index
from indexing.sources import SHIPPED_QUESTIONS, SHIPPED_VECTORS


def main() -> None:
    """Embed what the shipped files do not hold yet, write exactly what the shipped guidance needs, and drop questions
    whose provision was changed or removed: write new ones for it.
    """
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder)
        report = build_index(index, collection(None, index), shipped=SHIPPED_VECTORS, questions=SHIPPED_QUESTIONS)
        opened = Index.open(index)
        texts = [passage.text for passage in opened.store.all()]
        held = {passage.id for passage in opened.store.all()}
        _write(SHIPPED_VECTORS[0], texts, np.load(opened.folder / "vectors.npy"))
        dropped = _drop_orphans(held)
        asked = [question for identifier, question in read_questions(SHIPPED_QUESTIONS) if identifier in held]
        _write(SHIPPED_VECTORS[1], asked, np.load(opened.folder / "question_vectors.npy"))
    print(f"{len(texts)} provisions, {len(asked)} questions, {report.embedded} embedded, {dropped} questions dropped")


def _write(path: Path, texts: list[str], vectors: Vectors) -> None:
    rows = {content_key(DEFAULT_MODEL, text): row for row, text in enumerate(texts)}
    VectorCache.write(path, list(rows), vectors[list(rows.values())])


def _drop_orphans(held: set[str]) -> int:
    dropped = 0
    for path in SHIPPED_QUESTIONS.glob("*.tsv"):
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if line.partition("\t")[0] in held]
        dropped += len(lines) - len(kept)
        path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return dropped


if __name__ == "__main__":
    main()
