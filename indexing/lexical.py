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


class LexicalIndex:
    """BM25 (Robertson and Walker) with the +1 idf of Lucene, over the terms of `indexing.analysis`."""

    def __init__(self, bm25: Any, size: int) -> None:
        self._bm25 = bm25
        self._size = size

    @classmethod
    def build(cls, texts: Sequence[str]) -> LexicalIndex:
        """Index `texts`; row i of every score array is texts[i]."""
        import bm25s

        bm25 = bm25s.BM25(k1=K1, b=B, method="lucene")
        bm25.index([terms(text) for text in texts], show_progress=False)
        return cls(bm25, len(texts))

    @classmethod
    def open(cls, folder: Path, size: int) -> LexicalIndex:
        """Open what `save` wrote, memory-mapped; `size` is the number of passages."""
        import bm25s

        return cls(bm25s.BM25.load(folder, mmap=True), size)

    def save(self, folder: Path) -> None:
        """Write into `folder`, which is made."""
        self._bm25.save(folder, show_progress=False)

    def scores(self, query: Sequence[str]) -> Scores:
        """BM25 of every passage for analysed query terms, shape (passages,)."""
        known = [term for term in query if term in self._bm25.vocab_dict]
        if not known:
            return np.zeros(self._size, np.float32)
        return np.asarray(self._bm25.get_scores(known), np.float32)

    def rarity(self) -> dict[str, float]:
        """Inverse document frequency (Lucene's, never negative) of every term."""
        counts = np.diff(np.asarray(self._bm25.scores["indptr"]))
        values = np.log(1 + (self._size - counts + 0.5) / (counts + 0.5))
        return {term: float(values[number]) for term, number in self._bm25.vocab_dict.items() if term and number < len(values)}
