"""From two lists of scores to one order: weighted fusion, then the shipped reranker over the best candidates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexing.analysis import terms
from indexing.embedding import OnnxEmbedder, StateEmbedder, Vectors, pooled
from indexing.late import PieceStore, Projection
from indexing.lexical import LexicalIndex
from indexing.rerank import Collection, Question, Reranker, fuse_tuned

MODELS = Path(__file__).parent / "models"
RERANKER = MODELS / "reranker.txt"
TUNED_RERANKER = MODELS / "reranker-tuned.txt"
LATE_RERANKER = MODELS / "reranker-late.txt"
QUERY_ENCODER = MODELS / "query-encoder.onnx"

DENSE_WEIGHT = 0.4
"""Share of the cosine in the fused score; the rest is BM25 (docs/retrieval.md: tuned on ObliQA dev)."""

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def fuse(lexical: Floats, dense: Floats) -> Floats:
    """Weighted sum of both scores, each scaled to its best."""
    top_lexical = max(float(lexical.max()), 1e-9)
    top_dense = max(float(dense.max()), 1e-9)
    fused = (1 - DENSE_WEIGHT) * lexical / top_lexical + DENSE_WEIGHT * np.maximum(dense, 0) / top_dense
    return np.asarray(fused, np.float32)


class Ranker:
    """Ranks all passages of one version for a query. Safe to use from several threads."""

    def __init__(
        self,
        lexical: LexicalIndex,
        collection: Collection,
        reranker: Reranker,
        encoder: StateEmbedder | None,
        projection: Projection | None = None,
    ) -> None:
        self._lexical = lexical
        self._collection = collection
        self._reranker = reranker
        self._encoder = encoder
        self._projection = projection

    @classmethod
    def open(
        cls, lexical: LexicalIndex, document: NDArray[np.int32], vectors: Vectors, pieces: PieceStore | None = None
    ) -> Ranker:
        """With the tuned query encoder where it is shipped (indexing/models/README.md says what it may be left out for),
        and with late interaction where the index holds word pieces too.
        """
        tuned = QUERY_ENCODER.exists() and TUNED_RERANKER.exists()
        late = tuned and pieces is not None and LATE_RERANKER.exists()
        return cls(
            lexical,
            Collection.of(document, lexical.tokens, lexical.offsets, lexical.idf(), vectors, pieces if late else None),
            Reranker.load(LATE_RERANKER if late else TUNED_RERANKER if tuned else RERANKER),
            OnnxEmbedder(QUERY_ENCODER) if tuned else None,
            Projection.open() if late else None,
        )

    def vectors(self, query: str) -> Vectors:
        """The query under the tuned encoder, if there is one, shape (0 or 1, dimensions)."""
        return self._encoder.embed([query]) if self._encoder else np.zeros((0, 0), np.float32)

    def around(self, rows: Rows) -> Rows:
        """`rows` with the passages that they are compared with, ascending: their neighbours and headings."""
        near = (rows[:, None] + np.arange(-3, 4)).ravel()
        found = np.unique(np.concatenate([near, self._collection.heading[rows]]))
        return found[(found >= 0) & (found < len(self._collection.document))]

    def ranked(self, query: str, rows: Rows, lexical: Floats, dense: Floats) -> tuple[Rows, NDArray[np.float64]]:
        """The best of `rows` in order, with their scores; `lexical` and `dense` are the scores of `rows`."""
        found = terms(query)
        known = self._lexical.ids(found)
        size = len(self._collection.document)
        states = self._encoder.states([query])[0] if self._encoder else None
        tuned = None if states is None else self._cosines(pooled([states])[0], rows)
        fused = fuse(lexical, dense) if tuned is None else fuse_tuned(lexical, tuned)
        allowed = np.zeros(size, bool)
        allowed[rows] = True
        question = Question(
            terms=known,
            unknown=len(found) - len(known),
            bm25=_spread(lexical, rows, size),
            dense=_spread(dense, rows, size),
            fused=_spread(fused, rows, size),
            tuned=None if tuned is None else _spread(tuned, rows, size),
            allowed=None if len(rows) == size else allowed,
            pieces=None if states is None or self._projection is None else self._projection.of_question(states),
        )
        best, scores = self._reranker.rerank(question, self._collection)
        rest = np.setdiff1d(rows, best)
        after = rest[np.argsort(-question.fused[rest], kind="stable")]
        floor = float(scores.min()) if len(scores) else 0.0
        return np.concatenate([best, after]), np.concatenate([scores, floor - 1 + question.fused[after]])

    def _cosines(self, vector: Vectors, rows: Rows) -> Floats:
        vectors = self._collection.vectors
        matrix = vectors if len(rows) == len(vectors) else vectors[rows]
        return np.asarray(matrix @ vector, np.float32)


def _spread(values: Floats, rows: Rows, size: int) -> Floats:
    """Values of `rows` at their places among all passages, 0 elsewhere."""
    if len(rows) == size:
        return values
    whole = np.zeros(size, np.float32)
    whole[rows] = values
    return whole
