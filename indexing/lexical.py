"""The lexical index: BM25 over stemmed terms, kept as memory-mapped arrays beside the vectors.

Scores every passage of the collection, so that the scores can be added to the vectors' without cutting either list
first. Written with numpy: whatever is known of a passage's terms is taken from the version before, so that an update
analyses only new texts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexing.analysis import terms_of, words

# Tuned on ObliQA dev (docs/retrieval.md); shorter passages than the web text that the usual defaults (1.2, 0.75) fit.
K1 = 0.9
B = 0.6

Scores = NDArray[np.float32]
Tokens = NDArray[np.int32]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Known:
    """What the version before knows of the texts that are to be indexed."""

    index: LexicalIndex
    rows: Rows
    """Its row of each text, -1 for new ones."""
    removed: Sequence[str]
    """Its texts that are gone."""


class LexicalIndex:
    """BM25 (Robertson and Walker) with the +1 idf of Lucene, over the terms of `indexing.analysis`."""

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        words: Mapping[str, int],
        tokens: Tokens,
        offsets: Rows,
        start: Rows,
        rows: Tokens,
        weights: Scores,
    ) -> None:
        self._vocabulary = vocabulary
        self.words = words
        """In how many passages each word of four or more Latin letters stands: what misspelt words are read as."""
        self.tokens = tokens
        """Vocabulary ids of the terms of all passages, one after the other."""
        self.offsets = offsets
        """Where each passage's terms start in `tokens`, shape (passages + 1,)."""
        self._start = start
        """Where the passages of each term start in `_rows` and `_weights`, shape (terms + 1,)."""
        self._rows = rows
        self._weights = weights
        """What each term adds to the score of each passage that holds it."""

    @classmethod
    def build(cls, texts: Sequence[str], known: Known | None = None) -> LexicalIndex:
        """Index `texts`; row i of every score array is texts[i]. The same texts give the same index, `known` or not."""
        vocabulary = dict(known.index._vocabulary) if known else {}
        counts = Counter(known.index.words) if known else Counter()
        before = known.rows if known else np.full(len(texts), -1, np.int64)
        for text in known.removed if known else ():
            counts.subtract(set(words(text)))
        new: dict[int, Tokens] = {}
        for row in np.flatnonzero(before < 0).tolist():
            found = words(texts[row])
            counts.update(set(found))
            ids = [vocabulary.setdefault(term, len(vocabulary)) for term in terms_of(found)]
            new[row] = np.array(ids, np.int32)
        tokens, offsets = _joined(len(texts), before, known.index if known else None, new)
        names = sorted(vocabulary)
        used = np.bincount(tokens, minlength=len(names)) > 0
        names = [name for name in names if used[vocabulary[name]]]
        place = np.zeros(len(vocabulary), np.int32)
        place[[vocabulary[name] for name in names]] = np.arange(len(names))
        tokens = place[tokens]
        kept = {word: count for word, count in sorted(counts.items()) if count > 0 and _counted(word)}
        numbers = {name: number for number, name in enumerate(names)}
        return cls(numbers, kept, tokens, offsets, *_weights(tokens, offsets, len(names)))

    @classmethod
    def open(cls, folder: Path) -> LexicalIndex:
        """Open what `save` wrote, memory-mapped."""
        names, counts = (
            json.loads((folder / name).read_text(encoding="utf-8")) for name in ("vocabulary.json", "words.json")
        )
        arrays = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS)
        return cls({name: number for number, name in enumerate(names)}, counts, *arrays)

    def save(self, folder: Path) -> None:
        """Write into `folder`, which is made."""
        folder.mkdir()
        (folder / "vocabulary.json").write_text(json.dumps(list(self._vocabulary), ensure_ascii=False), "utf-8")
        (folder / "words.json").write_text(json.dumps(self.words), "utf-8")
        arrays: tuple[NDArray[Any], ...] = (self.tokens, self.offsets, self._start, self._rows, self._weights)
        for name, array in zip(_ARRAYS, arrays, strict=True):
            np.save(folder / f"{name}.npy", array)

    def ids(self, query: Sequence[str]) -> Tokens:
        """Vocabulary ids of the query's known terms, in order, with repetitions."""
        return np.array([number for number in self.numbers(query) if number is not None], np.int32)

    def scores(self, query: Sequence[str]) -> Scores:
        """BM25 of every passage for analysed query terms, shape (passages,)."""
        scores = np.zeros(len(self.offsets) - 1, np.float32)
        for term, times in Counter(self.ids(query).tolist()).items():
            span = slice(self._start[term], self._start[term + 1])
            # A term's passages are distinct, so that plain indexing adds to each of them.
            scores[self._rows[span]] += times * self._weights[span]
        return scores

    def numbers(self, query: Sequence[str]) -> list[int | None]:
        """The vocabulary id of each term; None for terms that no passage holds."""
        return [self._vocabulary.get(term) for term in query]

    def idf(self) -> Scores:
        """Inverse document frequency (Lucene's, never negative) by vocabulary id."""
        return _idf(np.diff(self._start), len(self.offsets) - 1)

    def rarity(self) -> dict[str, float]:
        """Inverse document frequency of every term."""
        return dict(zip(self._vocabulary, self.idf().tolist(), strict=True))


_ARRAYS = ("tokens", "offsets", "start", "rows", "weights")


def _counted(word: str) -> bool:
    return len(word) > 3 and word.isascii() and word.isalpha()


def _idf(counts: Rows, size: int) -> Scores:
    return np.asarray(np.log(1 + (size - counts + 0.5) / (counts + 0.5)), np.float32)


def _joined(size: int, before: Rows, index: LexicalIndex | None, new: Mapping[int, Tokens]) -> tuple[Tokens, Rows]:
    """Terms of all passages one after the other, from the index before and from the new ones, and where each starts."""
    lengths = np.zeros(size, np.int64)
    lengths[list(new)] = [len(ids) for ids in new.values()]
    old = before >= 0
    if index is not None:
        lengths[old] = np.diff(index.offsets)[before[old]]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.empty(offsets[-1], np.int32)
    for row, ids in new.items():
        tokens[offsets[row] : offsets[row + 1]] = ids
    if index is not None:
        # Runs of passages that followed one another before are copied at once: nearly all of them do.
        rows = np.flatnonzero(old)
        breaks = np.flatnonzero((np.diff(rows) != 1) | (np.diff(before[rows]) != 1)) + 1
        for run in np.split(rows, breaks) if len(rows) else ():
            first, last = before[run[0]], before[run[-1]]
            tokens[offsets[run[0]] : offsets[run[-1] + 1]] = index.tokens[
                index.offsets[first] : index.offsets[last + 1]
            ]
    return tokens, offsets


def _weights(tokens: Tokens, offsets: Rows, terms: int) -> tuple[Rows, Tokens, Scores]:
    """For each term where its passages start, the passages, and what the term adds to each one's score."""
    size = len(offsets) - 1
    lengths = np.diff(offsets)
    pairs = tokens * np.int64(max(size, 1)) + np.repeat(np.arange(size), lengths)
    pairs, times = np.unique(pairs, return_counts=True)
    term, row = np.divmod(pairs, max(size, 1))
    counts = np.bincount(term, minlength=terms)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    relative = (lengths / max(float(lengths.mean()) if size else 0.0, 1e-9)).astype(np.float32)
    norm = np.float32(K1) * (1 - np.float32(B) + np.float32(B) * relative)
    weights = _idf(counts, size)[term] * times / (times + norm[row])
    return start, row.astype(np.int32), weights.astype(np.float32)
