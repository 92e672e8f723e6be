"""The lexical index: BM25 over stemmed terms, kept as memory-mapped arrays beside the vectors.

Scores every passage of the collection in about a millisecond per ten thousand, so that they can be added to the
vectors' scores without cutting either list first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexing.analysis import terms

# Tuned on ObliQA dev (docs/retrieval.md); shorter passages than the web text that the usual defaults (1.2, 0.75) fit.
K1 = 0.9
B = 0.6

Scores = NDArray[np.float32]
Tokens = NDArray[np.int32]


class LexicalIndex:
    """BM25 (Robertson and Walker) with the +1 idf of Lucene, over the terms of `indexing.analysis`."""

    def __init__(self, bm25: Any, tokens: Tokens, offsets: NDArray[np.int64]) -> None:
        self._bm25 = bm25
        self._size = len(offsets) - 1
        self.tokens = tokens
        """Vocabulary ids of the terms of all passages, one after the other."""
        self.offsets = offsets
        """Where each passage's terms start in `tokens`, shape (passages + 1,)."""

    @classmethod
    def build(cls, texts: Sequence[str]) -> LexicalIndex:
        """Index `texts`; row i of every score array is texts[i]."""
        import bm25s

        analysed = [terms(text) for text in texts]
        bm25 = bm25s.BM25(k1=K1, b=B, method="lucene")
        bm25.index(analysed, show_progress=False)
        tokens = np.array([bm25.vocab_dict[term] for found in analysed for term in found], np.int32)
        offsets = np.cumsum([0, *map(len, analysed)], dtype=np.int64)
        return cls(bm25, tokens, offsets)

    @classmethod
    def open(cls, folder: Path) -> LexicalIndex:
        """Open what `save` wrote, memory-mapped."""
        import bm25s

        bm25 = bm25s.BM25.load(folder, mmap=True)
        return cls(bm25, np.load(folder / "tokens.npy", mmap_mode="r"), np.load(folder / "offsets.npy"))

    def save(self, folder: Path) -> None:
        """Write into `folder`, which is made."""
        self._bm25.save(folder, show_progress=False)
        np.save(folder / "tokens.npy", self.tokens)
        np.save(folder / "offsets.npy", self.offsets)

    def ids(self, query: Sequence[str]) -> Tokens:
        """Vocabulary ids of the query's known terms, in order, with repetitions."""
        return np.array([self._bm25.vocab_dict[term] for term in query if term in self._bm25.vocab_dict], np.int32)

    def scores(self, query: Sequence[str]) -> Scores:
        """BM25 of every passage for analysed query terms, shape (passages,)."""
        known = [term for term in query if term in self._bm25.vocab_dict]
        if not known:
            return np.zeros(self._size, np.float32)
        return np.asarray(self._bm25.get_scores(known), np.float32)

    def numbers(self, query: Sequence[str]) -> list[int | None]:
        """The vocabulary id of each term; None for terms that no passage holds."""
        return [self._bm25.vocab_dict.get(term) for term in query]

    def idf(self) -> Scores:
        """Inverse document frequency (Lucene's, never negative) by vocabulary id."""
        counts = np.diff(np.asarray(self._bm25.scores["indptr"]))
        return np.asarray(np.log(1 + (self._size - counts + 0.5) / (counts + 0.5)), np.float32)

    def rarity(self) -> dict[str, float]:
        """Inverse document frequency of every term."""
        values = self.idf()
        return {term: float(values[number]) for term, number in self._bm25.vocab_dict.items() if number < len(values)}
