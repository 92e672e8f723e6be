"""Hybrid search over one version of the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexing.analysis import terms
from indexing.build import Manifest
from indexing.codes import SignCodes
from indexing.embedding import DEFAULT_MODEL, Embedder, Vectors, query_embedder
from indexing.late import PieceStore
from indexing.lexical import LexicalIndex
from indexing.passages import Document, Passage
from indexing.questions import best_by_row
from indexing.ranking import RERANKER, Ranker, fuse
from indexing.rerank import DEPTH as RERANKED
from indexing.store import Columns, PassageStore
from indexing.vectors import EXACT_LIMIT, NEAREST, ExactVectors
from indexing.versions import IndexUnusable, current_version


def today() -> int:
    """Today as YYYYMMDD."""
    now = date.today()
    return now.year * 10000 + now.month * 100 + now.day


@dataclass(frozen=True, slots=True)
class Filter:
    """Which passages a search may see."""

    jurisdictions: frozenset[str] | None = None
    """None: all."""
    officer: bool = False
    """Whether passages restricted to officers are open to the reader."""
    on: int | None = field(default_factory=today)
    """Day YYYYMMDD on which a provision must be in force; None: any."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage and how well it fits: `score` is comparable within one search only."""

    passage: Passage
    score: float
    lexical: float
    """BM25, unscaled."""
    dense: float
    """Cosine."""


class Index:
    """One opened version: it stays as it is, whatever is built meanwhile. Safe to use from several threads."""

    def __init__(self, folder: Path, manifest: Manifest, embedder: Embedder) -> None:
        self.folder = folder
        self.manifest = manifest
        self.store = PassageStore(folder / "passages.sqlite")
        self._columns = Columns.open(folder / "columns.npz")
        self._lexical = LexicalIndex.open(folder / "lexical")
        self._embedder = embedder
        self._exact = ExactVectors(folder / "vectors.npy")
        signs = folder / "signs.npy"
        self._signs = SignCodes(signs) if signs.exists() else None

    @classmethod
    def open(cls, index: Path, model: str | None = None) -> Index:
        """Open the current version of an index directory.

        Raises:
            IndexMissing: nothing was built yet.
            IndexUnusable: built with another embedding model than `model`, or by another release.
        """
        folder = current_version(index)
        try:
            manifest = Manifest.open(folder)
        except FileNotFoundError:  # replaced twice since the link was read
            folder = current_version(index)
            manifest = Manifest.open(folder)
        if model is not None and manifest.model != model:
            raise IndexUnusable(
                f"the index was built with embedding model '{manifest.model}', not '{model}'; "
                "run 'aeo index build' or set AEO_EMBEDDING_MODEL back"
            )
        return cls(folder, manifest, query_embedder(manifest.model))

    @property
    def version(self) -> str:
        """Digest of what this version holds."""
        return self.manifest.version

    @cached_property
    def jurisdictions(self) -> tuple[str, ...]:
        """Jurisdictions that passages open to everybody have, sorted."""
        return self.held(officer=False)

    def held(self, officer: bool) -> tuple[str, ...]:
        """Jurisdictions of passages that are open to the reader, sorted: restricted ones must not be hinted at."""
        rows = self._columns.rows(jurisdictions=None, on=None, officer=officer)
        present = set(np.unique(self._columns.jurisdiction[rows]).tolist())
        return tuple(name for number, name in enumerate(self._columns.jurisdictions) if number in present)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts under the index's model, shape (texts, dimensions)."""
        return self._embedder.embed(texts)

    def documents(self) -> list[Document]:
        """All documents."""
        return self.store.documents()

    def search(self, query: str, k: int = 10, among: Filter | None = None) -> list[Hit]:
        """The `k` passages that fit best, best first."""
        rows = self.rows(among or Filter())
        if not len(rows):
            return []
        vector = self.embed([query])[0]
        if self._signs is not None and len(rows) > EXACT_LIMIT:
            rows = self._promising(query, vector, rows)
        lexical, dense = self.lexical(query, rows), self.dense(vector, rows)
        if self._ranker is None:
            return self.hits(rows, fuse(lexical, dense), lexical, dense, k)
        ranked, scores = self._ranker.ranked(query, rows, lexical, dense)
        places = np.searchsorted(rows, ranked[:k])
        return [
            Hit(self.store.at(int(row)), float(score), float(lexical[place]), float(dense[place]))
            for row, score, place in zip(ranked, scores, places, strict=False)
        ]

    def _promising(self, query: str, vector: Vectors, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of very many `rows` that can come out best, ascending, with what they are compared with."""
        assert self._signs is not None
        vectors = [vector] if self._ranker is None else [vector, *self._ranker.vectors(query)]
        near = [self._signs.nearest(each, rows, NEAREST) for each in vectors]
        scores = self.lexical(query, rows)
        places = np.unique(np.concatenate([*near, _best(scores, NEAREST)]))
        pool = rows[places]
        if self._ranker is None:
            return np.asarray(pool, np.int64)
        first = pool[_best(fuse(scores[places], self._exact.scores(vector, pool)), 3 * RERANKED)]
        around = self._ranker.around(first)
        allowed = around[np.isin(around, rows, assume_unique=True)]
        return np.unique(np.concatenate([pool, allowed]))

    @cached_property
    def _ranker(self) -> Ranker | None:
        """The shipped reranker; None for vectors of a model that it was not trained on."""
        if self.manifest.model != DEFAULT_MODEL or not RERANKER.exists():
            return None
        return Ranker.open(self._lexical, self._columns.document, self._exact.matrix, PieceStore.open(self.folder))

    def hits(
        self,
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        lexical: NDArray[np.float32],
        dense: NDArray[np.float32],
        k: int,
    ) -> list[Hit]:
        """The `k` best of `rows` by `scores`, best first; ties in collection order."""
        best = _best(scores, k)
        return [Hit(self.store.at(int(rows[i])), float(scores[i]), float(lexical[i]), float(dense[i])) for i in best]

    def rows(self, among: Filter) -> NDArray[np.int64]:
        """Row numbers of the passages that the filter leaves, ascending."""
        return self._columns.rows(jurisdictions=among.jurisdictions, on=among.on, officer=among.officer)

    def asked(self, vector: Vectors, rows: NDArray[np.int64], dense: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine of a question with the closest of the questions that each of `rows` answers, shape (rows,).

        `dense` stands in for rows to which no question was written, so that they are not at a disadvantage.
        """
        if self._questions is None:
            return dense
        question_rows, vectors = self._questions
        best = best_by_row(question_rows, np.asarray(vectors @ vector, np.float32), self.manifest.passages)[rows]
        return np.where(best >= 0, best, dense)

    @cached_property
    def _questions(self) -> tuple[NDArray[np.int64], Vectors] | None:
        path = self.folder / "question_vectors.npy"
        return (np.load(self.folder / "question_rows.npy"), np.load(path, mmap_mode="r")) if path.exists() else None

    def lexical(self, query: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """BM25 of `rows`, shape (rows,)."""
        return self._lexical.scores(terms(query))[rows]

    def dense(self, vector: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosine of `rows` with a unit vector, shape (rows,); of very many, only the nearest have one other than 0."""
        if self._signs is None or len(rows) <= EXACT_LIMIT:
            return self._exact.scores(vector, rows)
        near = self._signs.nearest(vector, rows, NEAREST)
        scores = np.zeros(len(rows), np.float32)
        scores[near] = self._exact.scores(vector, rows[near])
        return scores

    def search_terms(self, query: str, among: Filter, k: int = 3) -> list[Passage]:
        """The `k` passages that fit best by their words alone: a cheaper search, for questions of our own."""
        rows = self.rows(among)
        scores = self.lexical(query, rows)
        return [self.store.at(int(rows[i])) for i in _best(scores, k) if scores[i] > 0]

    def rarity(self) -> dict[str, float]:
        """Inverse document frequency of every term of the collection."""
        return self._lexical.rarity()

    def term_ids(self, words: Sequence[str]) -> list[int | None]:
        """The vocabulary id of each analysed term; None for terms that no passage holds."""
        return self._lexical.numbers(words)

    def term_ids_of(self, jurisdiction: str) -> frozenset[int]:
        """Ids of all terms of a programme's passages."""
        offsets, tokens = self._lexical.offsets, self._lexical.tokens
        rows = self.rows(Filter(frozenset({jurisdiction})))
        return frozenset(int(token) for row in rows for token in tokens[offsets[row] : offsets[row + 1]])

    def words(self) -> dict[str, int]:
        """Latin-script words of the collection of four letters or more, with the number of passages that hold them."""
        return dict(self._lexical.words)

    def references(self) -> list[tuple[int, str]]:
        """Row and reference of every passage that may be used today."""
        allowed = set(self.rows(Filter(officer=True)).tolist())
        return [(row, reference) for row, reference in self.store.references() if row in allowed]

    def close(self) -> None:
        """Close the files."""
        self.store.close()


def _best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Places of the `k` highest scores, best first; ties in order."""
    if k < len(scores):
        places = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
        return places[np.argsort(-scores[places], kind="stable")][:k]
    return np.argsort(-scores, kind="stable")
