"""Late interaction: every word piece of a question looks for the closest one in a passage (MaxSim).

A passage's word pieces come out of the same run of the default model that its vector comes out of; projected to 64
dimensions and stored in 8 bits they cost about 4 KB a passage. The pieces of a question come out of the tuned query
encoder, which was trained together with both projections (`evals/train_encoder.py`). Only the candidates of the
reranker are compared, so that a search reads a few hundred KB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexing.embedding import OnnxEmbedder, StateEmbedder, Vectors, pooled

Floats = NDArray[np.float32]
Pieces = NDArray[np.int8]

WEIGHTS = Path(__file__).parent / "models" / "late.npz"

LIMIT = 50_000
"""Collections of more passages get no pieces: they would take more disk than everything else."""

_SCALE = 127


@dataclass(frozen=True, slots=True)
class Projection:
    """What turns states of the two encoders into comparable word pieces."""

    passage: Floats
    """Shape (dimensions of a piece, dimensions of a state)."""
    question: Floats
    """Shape (dimensions of a piece, dimensions of a state)."""
    weight: Floats
    """How much a piece of a question counts: of its state, then a constant, shape (dimensions of a state + 1,)."""

    @classmethod
    def open(cls, path: Path = WEIGHTS) -> Projection:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(*(arrays[name].astype(np.float32) for name in ("passage", "question", "weight")))

    def save(self, path: Path) -> None:
        """Write as half floats."""
        parts = {"passage": self.passage, "question": self.question, "weight": self.weight}
        np.savez(path, allow_pickle=False, **{name: part.astype(np.float16) for name, part in parts.items()})

    def of_passage(self, states: Floats) -> Pieces:
        """Unit pieces in 8 bits of states, shape (pieces, dimensions)."""
        return np.rint(_unit(states @ self.passage.T) * _SCALE).astype(np.int8)

    def of_question(self, states: Floats) -> tuple[Floats, Floats]:
        """Unit pieces, shape (pieces, dimensions), and what each counts, in all 1."""
        counts = np.logaddexp(0, states @ self.weight[:-1] + self.weight[-1])
        return _unit(states @ self.question.T), np.asarray(counts / counts.sum(), np.float32)


def _unit(values: Floats) -> Floats:
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9), np.float32)


@cache
def _tokenizer() -> Any:
    return OnnxEmbedder().tokenizer


@cache
def _with_letters() -> NDArray[np.bool_]:
    """Of each word piece of the vocabulary, whether it holds a letter or digit and is no marker."""
    vocabulary: dict[str, int] = _tokenizer().get_vocab()
    found = np.zeros(max(vocabulary.values()) + 1, bool)
    for piece, number in vocabulary.items():
        found[number] = not piece.startswith("[") and any(letter.isalnum() for letter in piece)
    return found


def kept(text: str) -> NDArray[np.int64]:
    """Places of a passage's word pieces that are stored: those with a letter or digit, or else the first."""
    ids = _tokenizer().encode(text).ids
    places = np.flatnonzero(_with_letters()[ids])
    return places if len(places) else np.zeros(1, np.int64)


def embed(embedder: StateEmbedder, projection: Projection, texts: Sequence[str]) -> tuple[Vectors, list[Pieces]]:
    """Vectors of texts and their pieces, from one run of the model."""
    states = embedder.states(texts)
    pieces = [projection.of_passage(state[kept(text)]) for text, state in zip(texts, states, strict=True)]
    return pooled(states), pieces


class PieceStore:
    """The pieces of all passages of one version, memory-mapped."""

    def __init__(self, pieces: Pieces, offsets: NDArray[np.int64]) -> None:
        self._pieces = pieces
        self._offsets = offsets

    @classmethod
    def open(cls, folder: Path) -> PieceStore | None:
        """Open what `save` wrote; None where there is nothing, or of other weights than today's."""
        if not WEIGHTS.exists() or not _path(folder).exists():
            return None
        return cls(np.load(_path(folder), mmap_mode="r"), np.load(folder / "pieces-offsets.npy"))

    @classmethod
    def of_all(cls, pieces: Sequence[Pieces]) -> PieceStore:
        """Hold the pieces of all passages, given one by one."""
        return cls(np.concatenate(pieces), np.cumsum([0, *map(len, pieces)], dtype=np.int64))

    def save(self, folder: Path) -> None:
        """Write into a version folder."""
        np.save(_path(folder), self._pieces)
        np.save(folder / "pieces-offsets.npy", self._offsets)

    def of(self, row: int) -> Pieces:
        """Pieces of one passage."""
        return np.asarray(self._pieces[self._offsets[row] : self._offsets[row + 1]])

    def closest(self, question: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Cosine of each of a question's pieces with the closest one in each of `rows`, shape (rows, question's
        pieces), and how close the pieces of each of `rows` are to the question on average, shape (rows,).
        """
        lengths = self._offsets[rows + 1] - self._offsets[rows]
        starts = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) + np.repeat(self._offsets[rows] - starts, lengths)
        cosines = self._pieces[places].astype(np.float32) @ (question.T / _SCALE)
        back = np.add.reduceat(cosines.max(1), starts) / lengths
        return np.maximum.reduceat(cosines, starts, axis=0), np.asarray(back, np.float32)


def _path(folder: Path) -> Path:
    return folder / f"pieces-{_digest()}.npy"


@cache
def _digest() -> str:
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:8]
