"""Reranks the best candidates of the fused search with gradient-boosted trees over cheap features.

The features compare a candidate with the question (scores, words, phrases), with the passages around it and in its
document, and with the other candidates. None needs more than scores, terms, vectors and the order of passages, so one
model serves every collection. `evals/train_reranker.py` trains the trees with LightGBM; here they are evaluated with
numpy alone, because importing lightgbm takes longer than a hundred answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexing.late import PieceStore

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Columns = dict[str, Floats]

DEPTH = 100
"""Candidates that are reranked: more cost time and brought nothing (docs/retrieval.md)."""

_HEADING_TERMS = 6
"""A passage of at most so many terms is taken as a heading of those that follow it in the document."""
_START = 15
_WINDOWS = (12, 30)
_BEST = 5
_FAR = 99
_SHARPNESS = 8.0
"""How fast a candidate's vote falls with its distance from the best fused score."""
_LATE_SHARPNESS = 20.0
_NEAR_PIECE, _FAR_PIECE, _TIE = 0.8, 0.5, 0.02
"""Cosines from which a word piece counts as found, below which as missed, and within which of the best as first."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What features need of all passages, in collection order; a document's passages are adjacent, in reading order."""

    document: NDArray[np.int32]
    """Number of each passage's document, shape (passages,)."""
    token_ids: NDArray[np.int32]
    """Vocabulary ids of the terms of all passages, one after the other."""
    token_offsets: Rows
    """Where each passage's terms start in `token_ids`, shape (passages + 1,)."""
    idf: Floats
    """Inverse document frequency of each vocabulary id."""
    vectors: Floats
    """Unit vectors, shape (passages, dimensions)."""
    length: NDArray[np.int32]
    heading: Rows
    """The last heading-like passage before each one in its document, -1 for none."""
    first: Rows
    """Row at which each passage's document starts."""
    end: Rows
    """Row after the last one of each passage's document."""
    pieces: PieceStore | None = None
    """Word pieces of the passages, if the index holds them."""

    @classmethod
    def of(
        cls,
        document: NDArray[np.int32],
        token_ids: NDArray[np.int32],
        token_offsets: Rows,
        idf: Floats,
        vectors: Floats,
        pieces: PieceStore | None = None,
    ) -> Collection:
        """Derive lengths, headings and document bounds."""
        size = len(document)
        length = np.diff(token_offsets).astype(np.int32)
        rows = np.arange(size)
        opens = np.ones(size, bool)
        opens[1:] = document[1:] != document[:-1]
        starts = np.flatnonzero(opens)
        number = np.cumsum(opens) - 1
        first = starts[number] if size else rows
        end = np.append(starts[1:], size)[number] if size else rows
        before = np.full(size, -1, np.int64)
        before[1:] = np.maximum.accumulate(np.where(length <= _HEADING_TERMS, rows, -1))[:-1]
        heading = np.where(before >= first, before, -1)
        return cls(document, token_ids, token_offsets, idf, vectors, length, heading, first, end, pieces)


@dataclass(frozen=True, slots=True)
class Question:
    """One query and the scores of every passage for it."""

    terms: NDArray[np.int32]
    """Vocabulary ids of the query's terms in order, with repetitions."""
    unknown: int
    """How many of its terms no passage holds."""
    bm25: Floats
    """Shape (passages,); 0 for passages that the reader may not see."""
    dense: Floats
    """Cosine with the query under the model that embedded the passages; 0 for passages that may not be seen."""
    fused: Floats
    """What candidates were chosen by; 0 for passages that may not be seen."""
    tuned: Floats | None = None
    """Cosine with the query under a query encoder trained for this kind of text, if there is one."""
    allowed: Mask | None = None
    """Passages that the reader may see; None for all. Others influence nothing."""
    pieces: tuple[Floats, Floats] | None = None
    """Word pieces of the query and what each counts (`indexing.late.Projection.of_question`), if there is one."""


def _ranks(values: Floats) -> Floats:
    ranks = np.empty(len(values), np.float32)
    ranks[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return ranks


def _largest(values: NDArray[Any], segment: Rows, size: int) -> Floats:
    """Largest value (0 at least) of each segment."""
    largest = np.zeros(size, np.float32)
    np.maximum.at(largest, segment, values.astype(np.float32))
    return largest


def _gather(collection: Collection, rows: Rows) -> tuple[NDArray[np.int32], Rows, Rows]:
    """Terms of `rows` one after the other, which of `rows` each belongs to, and where each of `rows` starts."""
    offsets = collection.token_offsets
    lengths = offsets[rows + 1] - offsets[rows]
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    segment = np.repeat(np.arange(len(rows)), lengths)
    index = np.arange(start[-1]) - start[segment] + offsets[rows][segment]
    return collection.token_ids[index], segment, start


@dataclass(frozen=True, slots=True)
class _Words:
    """Where the terms of the query occur in the candidates."""

    place: NDArray[np.int16]
    """Vocabulary id to place in the query's distinct terms, -1 for all others."""
    order: Rows
    """The query as places."""
    weight: Floats
    """Idf of the distinct terms."""
    token: NDArray[np.int32]
    segment: Rows
    start: Rows
    at: NDArray[np.int16]
    """Place of each token of the candidates, -1 where it is not of the query."""
    has: Mask
    """Shape (candidates, distinct terms)."""


def _words(question: Question, collection: Collection, rows: Rows) -> _Words:
    distinct, order = np.unique(question.terms, return_inverse=True)
    weight = collection.idf[distinct].astype(np.float32)
    place = np.full(len(collection.idf), -1, np.int16)
    place[distinct] = np.arange(len(distinct))
    token, segment, start = _gather(collection, rows)
    at = place[token]
    return _Words(place, order, weight, token, segment, start, at, _presence(at, segment, len(rows), len(distinct)))


def _presence(at: NDArray[np.int16], segment: Rows, size: int, terms: int) -> Mask:
    hit = at >= 0
    counts = np.bincount(segment[hit] * terms + at[hit], minlength=size * terms)
    return np.asarray(counts.reshape(size, terms) > 0)


def _local_idf(has: Mask) -> Floats:
    """Inverse frequency among the candidates: what tells them apart."""
    frequency = has.sum(0)
    return np.asarray(np.log(1 + (len(has) - frequency + 0.5) / (frequency + 0.5)), np.float32)


def score_features(question: Question, rows: Rows) -> Columns:
    """Scores, scores relative to the best, and ranks in each list."""
    bm25, dense, fused = question.bm25[rows], question.dense[rows], question.fused[rows]
    best_bm25, best_dense, best = (max(float(x.max()), 1e-6) for x in (bm25, dense, fused))
    by_bm25, by_dense = _ranks(bm25), _ranks(dense)
    columns = {
        "bm25": bm25,
        "bm25_rel": bm25 / best_bm25,
        "dense": dense,
        "dense_rel": dense / best_dense,
        "dense_gap": best_dense - dense,
        "fused": fused,
        "fused_rel": fused / best,
        "rank_bm25": by_bm25,
        "rank_dense": by_dense,
        "rank_fused": _ranks(fused),
        "rank_best": np.minimum(by_bm25, by_dense),
        "rank_worst": np.maximum(by_bm25, by_dense),
        "rrf": 1 / (10 + by_bm25) + 1 / (10 + by_dense),
    }
    if question.tuned is not None:
        tuned = question.tuned[rows]
        by_tuned = _ranks(tuned)
        columns |= {
            "tuned": tuned,
            "tuned_rel": tuned / max(float(tuned.max()), 1e-6),
            "tuned_gap": tuned.max() - tuned,
            "rank_tuned": by_tuned,
            "tuned_gain": tuned - dense,
            "rank_tuned_bm25": 1 / (10 + by_bm25) + 1 / (10 + by_tuned),
        }
    return columns


def late_features(question: Question, collection: Collection, rows: Rows) -> Columns:
    """How well the query's word pieces find their like in each candidate; none without word pieces."""
    if question.pieces is None or collection.pieces is None:
        return {}
    pieces, counts = question.pieces
    closest, back = collection.pieces.closest(pieces, rows)
    late = closest @ counts
    fused = question.fused[rows]
    both = fused / max(float(fused.max()), 1e-6) + late / max(float(late.max()), 1e-6)
    short = closest.max(0) - closest
    worst = np.sort(closest, axis=1)[:, : max(1, len(counts) // 4)]
    votes = np.exp((late - late.max()) * _LATE_SHARPNESS)
    columns = {
        "late": late,
        "late_rel": late / max(float(late.max()), 1e-6),
        "late_gap": late.max() - late,
        "rank_late": _ranks(late),
        "late_scaled": (late - late.mean()) / max(float(late.std()), 1e-6),
        "late_vote": votes / votes.sum(),
        "late_even": closest.mean(1),
        "late_worst": worst.mean(1),
        "late_missed": (closest < _FAR_PIECE) @ counts,
        "late_found": (closest > _NEAR_PIECE) @ counts,
        "late_short": (short * counts).max(1),
        "late_first": (short < _TIE) @ counts,
        "late_back": back,
        "late_fused": both,
        "late_fused_gap": both.max() - both,
        "rank_late_fused": _ranks(both),
        "q_late": np.full(len(rows), late.max()),
    }
    return {name: np.asarray(column, np.float32) for name, column in columns.items()}


def word_features(words: _Words, unknown: int) -> Columns:
    """Which of the query's terms a candidate holds, how densely, and how early."""
    size, terms = words.has.shape
    has, weight, segment, start = words.has, words.weight, words.segment, words.start
    total = max(float(weight.sum()), 1e-6)
    length = np.maximum(np.diff(start), 1).astype(np.float32)
    hit = words.at >= 0
    matched = has @ weight
    local = _local_idf(has)
    rarest = np.argsort(-weight)[:3]
    early = hit & (np.arange(len(words.at)) - start[segment] < _START)
    columns = {
        "cover": matched / total,
        "matches": has.sum(1).astype(np.float32),
        "match_share": (has.sum(1) / (terms + unknown)).astype(np.float32),
        "best_match": (has * weight).max(1) / max(float(weight.max()), 1e-6),
        "worst_miss": (~has * weight).max(1) / max(float(weight.max()), 1e-6),
        "matched_idf": matched,
        "missed_idf": total - matched,
        "cover_local": has @ local / max(float(local.sum()), 1e-6),
        "cover_squared": has @ (weight * weight) / max(float((weight * weight).sum()), 1e-6),
        "density": np.bincount(segment[hit], minlength=size) / length,
        "density_idf": np.bincount(segment[hit], weights=weight[words.at[hit]], minlength=size) / length,
        "rarest": has[:, rarest].mean(1),
        "cover_start": _presence(words.at[early], segment[early], size, terms) @ weight / total,
    }
    return {name: np.asarray(column, np.float32) for name, column in columns.items()}


def phrase_features(words: _Words) -> Columns:
    """Pairs of neighbouring query terms, the longest common phrase, and the best window of text."""
    size, terms = words.has.shape
    at, segment, weight = words.at, words.segment, words.weight
    total = max(float(weight.sum()), 1e-6)
    columns = {
        name: np.zeros(size, np.float32)
        for name in ("pairs", "pair_count", "pairs_local", "phrase", "phrase_idf", "run", "window12", "window30")
    }
    count = len(at)
    if not count:
        return columns
    hit = at >= 0
    place = np.arange(count)
    opens = np.ones(count, bool)
    opens[1:] = segment[1:] != segment[:-1]
    last_break = np.maximum.accumulate(np.where(~hit, place, np.where(opens, place - 1, -1)))
    columns["run"] = _largest(np.where(hit, place - last_break, 0).astype(np.float32), segment, size)

    codes = np.unique(words.order[:-1] * terms + words.order[1:])
    if len(codes):
        number = np.full(terms * terms, -1, np.int16)
        number[codes] = np.arange(len(codes))
        adjacent = hit[:-1] & hit[1:] & ~opens[1:]
        pair = np.where(adjacent, number[np.where(adjacent, at[:-1].astype(np.int64) * terms + at[1:], 0)], -1)
        found = _presence(pair.astype(np.int16), segment[:-1], size, len(codes))
        pair_weight = np.minimum(weight[codes // terms], weight[codes % terms])
        local = _local_idf(found)
        columns["pairs"] = np.asarray(found @ pair_weight / max(float(pair_weight.sum()), 1e-6), np.float32)
        columns["pair_count"] = found.sum(1).astype(np.float32)
        columns["pairs_local"] = np.asarray(found @ local / max(float(local.sum()), 1e-6), np.float32)
        joined = np.append(pair >= 0, False)
        last = np.maximum.accumulate(np.where(joined, -1, place))
        columns["phrase"] = _largest(np.where(joined, place - last + 1, 0).astype(np.float32), segment, size)
        summed = np.concatenate([[0], np.cumsum(np.where(hit, weight[at], 0))])
        ends = np.minimum(place + 2, count)
        phrase_idf = np.where(joined, summed[ends] - summed[np.minimum(last + 1, count)], 0)
        columns["phrase_idf"] = _largest(phrase_idf, segment, size) / total

    places = np.flatnonzero(hit)
    for window in _WINDOWS if len(places) else ():
        columns[f"window{window}"] = _window(words, places, window) / total
    return columns


def _window(words: _Words, places: Rows, width: int) -> Floats:
    """Largest idf sum of distinct query terms in any `width` successive terms of each candidate."""
    term = words.at[places]
    earliest = np.maximum(places - width + 1, words.start[words.segment[places]])
    order = np.lexsort((places, term))
    term, place, earliest = term[order], places[order], earliest[order]
    # Of one term, the window starts that an occurrence serves begin after those that the one before it serves.
    repeated = np.zeros(len(term), bool)
    repeated[1:] = term[1:] == term[:-1]
    before = np.concatenate([[0], place[:-1]]) + 1
    earliest = np.where(repeated, np.maximum(earliest, before), earliest)
    size = len(words.at) + 1
    change = np.bincount(earliest, weights=words.weight[term], minlength=size)
    change -= np.bincount(place + 1, weights=words.weight[term], minlength=size)
    return _largest(np.cumsum(change)[:-1], words.segment, len(words.has))


def neighbour_features(question: Question, collection: Collection, rows: Rows, words: _Words) -> Columns:
    """Scores and words of the passages before and after a candidate, and of the heading above it."""
    best_bm25, best_dense, best = (
        max(float(x[rows].max()), 1e-6) for x in (question.bm25, question.dense, question.fused)
    )
    allowed = question.allowed

    def seen(other: Rows, inside: Mask) -> tuple[Rows, Mask]:
        other = np.where(inside, other, rows)
        return other, inside if allowed is None else inside & allowed[other]

    first, end = collection.first[rows], collection.end[rows]
    near = {step: seen(rows + step, (rows + step >= first) & (rows + step < end)) for step in (-3, -2, -1, 1, 2, 3)}
    columns: dict[str, NDArray[Any]] = {}
    for step in (-2, -1, 1, 2):
        other, ok = near[step]
        columns[f"near{step:+d}"] = np.where(ok, question.fused[other], 0) / best
    for step in (-1, 1):
        other, ok = near[step]
        columns[f"near_bm25{step:+d}"] = np.where(ok, question.bm25[other], 0) / best_bm25
        columns[f"near_dense{step:+d}"] = np.where(ok, question.dense[other], 0) / best_dense
        columns[f"near_length{step:+d}"] = np.where(ok, collection.length[other], 0).astype(np.float32)
    scores = np.stack([np.where(ok, question.fused[other], 0) for other, ok in near.values()]) / best
    columns["near_max"] = scores.max(0)
    columns["near_mean"] = scores.mean(0)
    columns["near_better"] = (scores > question.fused[rows] / best).sum(0).astype(np.float32)

    heading, has_heading = seen(collection.heading[rows], collection.heading[rows] >= 0)
    columns["heading"] = np.where(has_heading, question.fused[heading], 0) / best
    columns["heading_dense"] = np.where(has_heading, question.dense[heading], 0) / best_dense
    columns["heading_distance"] = np.where(has_heading, rows - heading, _FAR).astype(np.float32)

    (before, has_before), (after, has_after) = near[-1], near[1]
    around = np.unique(np.concatenate([before, after, heading]))
    token, segment, _ = _gather(collection, around)
    presence = _presence(words.place[token], segment, len(around), len(words.weight))
    total = max(float(words.weight.sum()), 1e-6)

    def has(other: Rows, ok: Mask) -> Mask:
        return np.asarray(presence[np.searchsorted(around, other)] & ok[:, None])

    above = has(heading, has_heading)
    earlier = has(before, has_before) | above
    columns["cover_around"] = (words.has | earlier | has(after, has_after)) @ words.weight / total
    columns["cover_before"] = (earlier & ~words.has) @ words.weight / total
    columns["cover_heading"] = above @ words.weight / total
    return {name: np.asarray(column, np.float32) for name, column in columns.items()}


def _votes(question: Question, rows: Rows) -> Floats:
    fused = question.fused[rows]
    best = max(float(fused.max()), 1e-6)
    return np.asarray(np.exp((fused - best) / best * _SHARPNESS), np.float32)


def document_features(question: Question, collection: Collection, rows: Rows) -> Columns:
    """Count the votes of the document's other candidates, above all of those near by."""
    votes = _votes(question, rows)
    fused = question.fused[rows]
    document = collection.document[rows]
    _, number = np.unique(document, return_inverse=True)
    order: Rows = np.lexsort((-fused, number))
    opens = np.ones(len(rows), bool)
    opens[1:] = number[order][1:] != number[order][:-1]
    rank = np.empty(len(rows), np.float32)
    rank[order] = np.arange(len(rows)) - np.flatnonzero(opens)[np.cumsum(opens) - 1]
    by_fused = np.argsort(-fused, kind="stable")
    top = by_fused[:_BEST]
    distance = np.abs(rows[:, None] - rows[None, :]).astype(np.float32)
    same = document[:, None] == document[None, :]
    to_top = np.where(same[:, top], distance[:, top], _FAR)
    np.fill_diagonal(same, False)
    others = np.where(same[:, top], distance[:, top], _FAR)
    return {
        "document_vote": (np.bincount(number, weights=votes) / votes.sum())[number].astype(np.float32),
        "document_share": (np.bincount(number)[number] / len(rows)).astype(np.float32),
        "document_top10": (np.bincount(number[by_fused[:10]], minlength=len(rows))[number] / 10).astype(np.float32),
        "document_best": _largest(fused, number, int(number.max()) + 1)[number] / max(float(fused.max()), 1e-6),
        "document_rank": rank,
        "votes_next": (np.exp(-distance / 2) * same) @ votes,
        "votes_near": (np.exp(-distance / 10) * same) @ votes,
        "distance_first": np.minimum(to_top[:, 0], _FAR).astype(np.float32),
        "distance_best": np.minimum(others.min(1), _FAR).astype(np.float32),
    }


def likeness_features(question: Question, collection: Collection, rows: Rows, words: _Words) -> Columns:
    """How much a candidate resembles the best others, by meaning (vectors) and by words (tf-idf)."""
    votes = _votes(question, rows)
    place = np.argsort(np.argsort(-question.fused[rows], kind="stable"), kind="stable")
    best = np.argsort(place)
    top_votes = votes * (place < 10)
    others = np.maximum(top_votes.sum() - top_votes, 1e-6)
    all_others = np.maximum(votes.sum() - votes, 1e-6)
    higher = place[None, :] < place[:, None]
    vectors = np.asarray(collection.vectors[rows], np.float32)
    vocabulary, term = np.unique(words.token, return_inverse=True)
    keys, counts = np.unique(words.segment * max(len(vocabulary), 1) + term, return_counts=True)
    matrix = np.zeros((len(rows), max(len(vocabulary), 1)), np.float32)
    if len(vocabulary):
        matrix.reshape(-1)[keys] = counts / (counts + 0.9) * collection.idf[vocabulary[keys % len(vocabulary)]]
    matrix /= np.sqrt((matrix * matrix).sum(1, keepdims=True)) + 1e-6
    columns: dict[str, Floats] = {}
    for name, values in (("like", vectors), ("words_like", matrix)):
        likeness = values @ values.T
        columns[f"{name}_first"] = likeness[:, best[0]]
        columns[f"{name}_second"] = likeness[:, best[min(1, len(best) - 1)]]
        np.fill_diagonal(likeness, 0)
        columns[f"{name}_top"] = likeness[:, best[:_BEST]].max(1)
        columns[f"{name}_best"] = likeness @ top_votes / others
        columns[f"{name}_all"] = likeness @ votes / all_others
        columns[f"{name}_higher"] = np.where(higher, likeness, 0).max(1)
    return columns


def passage_features(collection: Collection, rows: Rows) -> Columns:
    """Length of a candidate and its place in its document."""
    first, end = collection.first[rows], collection.end[rows]
    length = collection.length[rows].astype(np.float32)
    return {
        "length": length,
        "length_rank": _ranks(length),
        "position": ((rows - first) / np.maximum(end - first, 1)).astype(np.float32),
    }


def question_features(question: Question, collection: Collection, rows: Rows) -> Columns:
    """Describe the question: the same for all candidates, it tells the trees how far to trust the other columns."""
    fused = np.sort(question.fused[rows])[::-1]
    distinct = np.unique(question.terms)
    values = {
        "q_terms": float(len(distinct)),
        "q_idf": float(collection.idf[distinct].mean()) if len(distinct) else 0.0,
        "q_bm25": float(question.bm25[rows].max()),
        "q_dense": float(question.dense[rows].max()),
        "q_gap": float((fused[0] - fused[min(1, len(fused) - 1)]) / max(float(fused[0]), 1e-6)),
        "q_votes": float(_votes(question, rows).sum()),
    }
    return {name: np.full(len(rows), value, np.float32) for name, value in values.items()}


def features(question: Question, collection: Collection, rows: Rows) -> Columns:
    """Every feature of the candidates `rows` by name, each of shape (candidates,)."""
    if not len(question.terms):
        return {}
    words = _words(question, collection, rows)
    return {
        **score_features(question, rows),
        **late_features(question, collection, rows),
        **word_features(words, question.unknown),
        **phrase_features(words),
        **neighbour_features(question, collection, rows, words),
        **document_features(question, collection, rows),
        **likeness_features(question, collection, rows, words),
        **passage_features(collection, rows),
        **question_features(question, collection, rows),
    }


class Trees:
    """The trees of a LightGBM text model (numerical splits), evaluated for many rows at once."""

    def __init__(self, names: Sequence[str], blocks: Sequence[Mapping[str, str]]) -> None:
        self.names = tuple(names)
        width = max(int(block["num_leaves"]) for block in blocks)
        trees = len(blocks)
        # A leaf is a node that leads to itself: after `depth` steps every row has come to rest in one.
        size = 2 * width - 1
        self._feature = np.zeros((trees, size), np.int32)
        self._threshold = np.full((trees, size), np.inf)
        self._child = np.tile(np.arange(size, dtype=np.int32), (2, trees, 1))
        self._value = np.zeros((trees, size))
        self._depth = 0
        for number, block in enumerate(blocks):
            leaves = int(block["num_leaves"])
            self._value[number, width - 1 : width - 1 + leaves] = np.fromstring(block["leaf_value"], sep=" ")
            if leaves == 1:
                self._child[:, number, 0] = width - 1
                self._depth = max(self._depth, 1)
                continue
            if any(int(kind) & 1 for kind in block["decision_type"].split()):
                raise ValueError("categorical splits are not supported")
            self._feature[number, : leaves - 1] = np.fromstring(block["split_feature"], dtype=np.int32, sep=" ")
            self._threshold[number, : leaves - 1] = np.fromstring(block["threshold"], sep=" ")
            levels = np.zeros(leaves - 1, np.int32)
            for side, key in enumerate(("right_child", "left_child")):
                child = np.fromstring(block[key], dtype=np.int32, sep=" ")
                self._child[side, number, : leaves - 1] = np.where(child >= 0, child, width - 2 - child)
            for node in range(leaves - 1):  # parents come before their children
                for side in (0, 1):
                    child_node = int(self._child[side, number, node])
                    if child_node < leaves - 1:
                        levels[child_node] = levels[node] + 1
            self._depth = max(self._depth, int(levels.max()) + 1)
        base = (np.arange(trees, dtype=np.int64) * size)[:, None]
        self._flat_child = (self._child + base[None]).reshape(2, -1)
        self._roots = base[:, 0]
        self._flat_feature = self._feature.reshape(-1)
        self._flat_threshold = self._threshold.reshape(-1)
        self._flat_value = self._value.reshape(-1)

    @classmethod
    def load(cls, path: Path) -> Trees:
        """Read a model that `lightgbm.Booster.save_model` wrote.

        Raises:
            ValueError: it holds no trees, or splits of a kind that is not evaluated here.

        """
        head, *parts = path.read_text(encoding="utf-8").split("\nTree=")
        named = [line.partition("=")[2] for line in head.splitlines() if line.startswith("feature_names=")]
        names = named[0].split() if named else []
        blocks = [
            dict(line.split("=", 1) for line in part.split("\nend of trees")[0].splitlines()[1:] if "=" in line)
            for part in parts
        ]
        if not names or not blocks:
            raise ValueError(f"{path} is not a LightGBM text model")
        return cls(names, blocks)

    def predict(self, matrix: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of the trees' values for each row of a (rows, features) matrix."""
        size, width = matrix.shape
        flat = matrix.astype(np.float64).reshape(-1)
        base = (np.arange(size, dtype=np.int64) * width)[:, None]
        node = np.tile(self._roots, (size, 1))
        for _ in range(self._depth):
            left = flat[base + self._flat_feature[node]] <= self._flat_threshold[node]
            node = np.where(left, self._flat_child[1][node], self._flat_child[0][node])
        return np.asarray(self._flat_value[node].sum(1))


class Reranker:
    """Reorders candidates. Safe to use from several threads."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees

    @classmethod
    def load(cls, path: Path) -> Reranker:
        """Open a model of `indexing/models`."""
        return cls(Trees.load(path))

    @property
    def needs_tuned(self) -> bool:
        """Whether questions must bring the scores of the tuned query encoder."""
        return any("tuned" in name for name in self._trees.names)

    def scores(self, question: Question, collection: Collection, rows: Rows) -> NDArray[np.float64]:
        """Score of each of the candidates `rows`; comparable within one question only."""
        columns = features(question, collection, rows)
        if not columns:
            return np.asarray(question.fused[rows], np.float64)
        return self._trees.predict(np.stack([columns[name] for name in self._trees.names], axis=1))

    def rerank(
        self, question: Question, collection: Collection, depth: int = DEPTH
    ) -> tuple[Rows, NDArray[np.float64]]:
        """Put the `depth` passages with the best fused scores in their new order, best first, with their scores."""
        rows = candidates(question, depth)
        if not len(rows):
            return rows, np.zeros(0)
        scores = self.scores(question, collection, rows)
        order = np.argsort(-scores, kind="stable")
        return rows[order], scores[order]


def fuse_tuned(bm25: Floats, tuned: Floats) -> Floats:
    """Fuse BM25 and the scores of the tuned query encoder, each scaled to its best, in equal parts.

    The untuned model deserves less (`indexing.ranking.DENSE_WEIGHT`).
    """
    best_bm25, best_tuned = max(float(bm25.max()), 1e-9), max(float(tuned.max()), 1e-9)
    return np.asarray(0.5 * bm25 / best_bm25 + 0.5 * np.maximum(tuned, 0) / best_tuned, np.float32)


def candidates(question: Question, depth: int = DEPTH) -> Rows:
    """Choose the `depth` passages with the best fused scores, best first."""
    rows = np.arange(len(question.fused)) if question.allowed is None else np.flatnonzero(question.allowed)
    depth = min(depth, len(rows))
    if not depth:
        return np.zeros(0, np.int64)
    fused = question.fused[rows]
    best = np.argpartition(-fused, depth - 1)[:depth]
    return np.asarray(rows[best[np.lexsort((best, -fused[best]))]], np.int64)
