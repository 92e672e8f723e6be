"""Trains the reranker of `indexing/rerank.py` on the questions of a BEIR folder, and measures it out of fold.

    python -m evals.train_reranker --beir DIR --split dev --cache /tmp/cache --out indexing/models/reranker.txt

With `--encoded QUESTIONS.npz` (the questions as `evals/train_encoder.py` encoded them out of fold) the scores of the
tuned query encoder become features too, and with `--late` those of late interaction. A document is the part of `title`
before its first comma; nothing else of a title is used. Only LightGBM's trees leave this
script: no text of the collection is stored.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexing.analysis import terms
from indexing.embedding import OnnxEmbedder, SentenceTransformerEmbedder
from indexing.late import PieceStore, Projection, kept
from indexing.lexical import LexicalIndex
from indexing.ranking import fuse
from indexing.rerank import DEPTH, Collection, Floats, Question, Rows, candidates, features, fuse_tuned

PARAMETERS: dict[str, Any] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 30,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 127,
    "label_gain": [0, 1],
    "num_threads": 1,
    "deterministic": True,
    "verbosity": -1,
}
Members = tuple[tuple[dict[str, Any], int], ...]

MEMBERS: Members = (
    ({"num_leaves": 7, "learning_rate": 0.1, "min_data_in_leaf": 100, "lambda_l2": 5.0, "seed": 1}, 170),
    ({"num_leaves": 15, "learning_rate": 0.06, "min_data_in_leaf": 100, "lambda_l2": 20.0, "seed": 3}, 150),
)
"""Parameters and rounds of the models whose scores are added: different trees err differently."""
LATE_MEMBERS = ((MEMBERS[0][0], 150),)
"""With late interaction one model of small trees does as well as several."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A BEIR folder in memory."""

    documents: list[str]
    texts: list[str]
    questions: list[str]
    relevant: list[frozenset[int]]


@dataclass(frozen=True, slots=True)
class States:
    """What the base model makes of the word pieces of all passages that an index stores."""

    pieces: NDArray[np.float16]
    """Unit states, shape (pieces, dimensions)."""
    offsets: Rows
    """Where each passage's pieces start, shape (passages + 1,)."""

    def projected(self, passage: Floats) -> PieceStore:
        """The word pieces as an index with this projection stores them."""
        projection = Projection(passage, passage, np.zeros(0, np.float32))
        parts = [
            projection.of_passage(self.pieces[at : at + 100_000].astype(np.float32))
            for at in range(0, len(self.pieces), 100_000)
        ]
        return PieceStore(np.concatenate(parts), self.offsets)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Questions as the tuned encoder sees them, each encoded by one that was trained without it."""

    vectors: Floats
    pieces: Floats
    """Word pieces of all questions, one after the other."""
    counts: Floats
    """What each piece counts."""
    offsets: Rows
    """Where each question's pieces start, shape (questions + 1,)."""
    fold: Rows
    passage: Floats
    """Projection of the passages that belongs to each fold, shape (folds, dimensions of a piece, of a state)."""

    @classmethod
    def of(cls, questions: Sequence[tuple[Floats, Floats, Floats]], fold: Rows, passage: Floats) -> Encoded:
        """Put vector, pieces and counts of all questions together."""
        vectors, pieces, counts = zip(*questions, strict=True)
        offsets = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        return cls(np.stack(vectors), np.concatenate(pieces), np.concatenate(counts), offsets, fold, passage)

    @classmethod
    def open(cls, path: Path) -> Encoded:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})

    def save(self, path: Path) -> None:
        """Write as .npz."""
        np.savez(path, allow_pickle=False, **{field.name: getattr(self, field.name) for field in fields(self)})

    def pieces_of(self, number: int) -> tuple[Floats, Floats]:
        """Pieces of a question and what they count."""
        part = slice(self.offsets[number], self.offsets[number + 1])
        return self.pieces[part], self.counts[part]


def read_beir(folder: Path, split: str) -> Benchmark:
    """Passages in file order (a document's passages must be adjacent), and the questions that have judgements."""
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    row = {entry["_id"]: number for number, entry in enumerate(corpus)}
    judged: dict[str, set[int]] = defaultdict(set)
    for line in (folder / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, passage, grade = line.split("\t")
        if int(grade) > 0 and passage in row:
            judged[query].add(row[passage])
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    queries = [query for query in queries if query["_id"] in judged]
    return Benchmark(
        [entry.get("title", "").partition(",")[0].strip() for entry in corpus],
        [entry["text"] for entry in corpus],
        [query["text"] for query in queries],
        [frozenset(judged[query["_id"]]) for query in queries],
    )


def collection_of(benchmark: Benchmark, vectors: Floats) -> tuple[Collection, dict[str, int]]:
    """Make the arrays that the reranker needs, and the vocabulary."""
    vocabulary: dict[str, int] = {}
    tokens = [[vocabulary.setdefault(term, len(vocabulary)) for term in terms(text)] for text in benchmark.texts]
    frequency = np.zeros(len(vocabulary))
    for passage in tokens:
        frequency[list(set(passage))] += 1
    idf = np.log(1 + (len(tokens) - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum([len(passage) for passage in tokens])]).astype(np.int64)
    flat = np.array([token for passage in tokens for token in passage], np.int32)
    number: dict[str, int] = {}
    document = np.array([number.setdefault(name, len(number)) for name in benchmark.documents], np.int32)
    return Collection.of(document, flat, offsets, idf, vectors), vocabulary


def question_of(
    text: str,
    vocabulary: dict[str, int],
    lexical: LexicalIndex,
    vectors: Floats,
    *,
    vector: Floats,
    tuned: Floats | None = None,
) -> Question:
    """Analyse a question and score every passage. With a tuned vector, candidates are fused with its scores."""
    found = terms(text)
    known = np.array([vocabulary[term] for term in found if term in vocabulary], np.int32)
    bm25 = lexical.scores(found)
    dense = vectors @ vector
    by_tuned = None if tuned is None else vectors @ tuned
    fused = fuse(bm25, dense) if by_tuned is None else fuse_tuned(bm25, by_tuned)
    return Question(known, len(found) - len(known), bm25, dense, fused, by_tuned)


def embedded(benchmark: Benchmark, cache: Path) -> tuple[Floats, Floats]:
    """Vectors of passages and questions, kept in `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    for name, texts, embedder in (
        ("passages", benchmark.texts, SentenceTransformerEmbedder),
        ("questions", benchmark.questions, OnnxEmbedder),
    ):
        if not (cache / f"{name}.npy").exists():
            np.save(cache / f"{name}.npy", embedder().embed(texts))
    return np.load(cache / "passages.npy"), np.load(cache / "questions.npy")


def passage_states(benchmark: Benchmark, cache: Path) -> States:
    """States of the passages' word pieces under the base model, kept in `cache`; half a GB for ObliQA."""
    if not (cache / "states.npy").exists():
        embedder = SentenceTransformerEmbedder()
        found: list[NDArray[np.float16]] = []
        for at in range(0, len(benchmark.texts), 1024):
            texts = benchmark.texts[at : at + 1024]
            for text, state in zip(texts, embedder.states(texts), strict=True):
                some = state[kept(text)]
                found.append((some / np.linalg.norm(some, axis=1, keepdims=True)).astype(np.float16))
        np.save(cache / "states.npy", np.concatenate(found))
        np.save(cache / "states-offsets.npy", np.cumsum([0, *map(len, found)], dtype=np.int64))
    return States(np.load(cache / "states.npy"), np.load(cache / "states-offsets.npy"))


def scores_at_10(ranking: Sequence[int], relevant: frozenset[int]) -> tuple[float, float]:
    """Recall and average precision at 10 as trec_eval defines them."""
    found, precision = 0, 0.0
    for rank, row in enumerate(ranking[:10], start=1):
        if row in relevant:
            found += 1
            precision += found / rank
    return found / len(relevant), precision / len(relevant)


def report(name: str, rankings: Sequence[Sequence[int]], relevant: Sequence[frozenset[int]]) -> None:
    """Print macro-averaged R@10 and MAP@10, for all questions and for those with several relevant passages."""
    values = np.array([scores_at_10(*pair) for pair in zip(rankings, relevant, strict=True)])
    several = np.array([len(rows) > 1 for rows in relevant])
    parts = [values.mean(0), values[~several].mean(0), values[several].mean(0)]
    print(f"{name:<36}" + "".join(f"  {recall:.4f} {precision:.4f}" for recall, precision in parts), flush=True)


def random_folds(count: int, folds: int) -> Rows:
    """Each question into a fold of its own: the folds share passages, as a held-out split of the collection does."""
    return np.random.default_rng(3).permutation(count) % folds


def grouped_folds(relevant: Sequence[frozenset[int]], folds: int) -> Rows:
    """Questions that share a relevant passage, directly or through others, into the same fold."""
    parent = list(range(len(relevant)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    owner: dict[int, int] = {}
    for number, rows in enumerate(relevant):
        for row in rows:
            parent[root(number)] = root(owner.setdefault(row, number))
    groups: dict[int, list[int]] = defaultdict(list)
    for number in range(len(relevant)):
        groups[root(number)].append(number)
    fold = np.zeros(len(relevant), np.int64)
    sizes = [0] * folds
    for group in sorted(groups.values(), key=len, reverse=True):
        smallest = sizes.index(min(sizes))
        fold[group] = smallest
        sizes[smallest] += len(group)
    return fold


def fit(
    matrix: NDArray[np.float32], labels: NDArray[np.int8], names: Sequence[str], members: Members = MEMBERS
) -> list[Any]:
    """Train the members on (questions, candidates, features); questions without a relevant candidate teach nothing."""
    import lightgbm

    useful = labels.sum(1) > 0
    count, depth, width = matrix[useful].shape
    data = lightgbm.Dataset(
        matrix[useful].reshape(-1, width),
        labels[useful].reshape(-1),
        group=[depth] * count,
        feature_name=list(names),
        params={"max_bin": PARAMETERS["max_bin"], "verbosity": -1},
        free_raw_data=False,
    )
    return [lightgbm.train({**PARAMETERS, **member}, data, rounds) for member, rounds in members]


def predict(models: Sequence[Any], matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of the members' scores, shape (questions, candidates)."""
    flat = matrix.reshape(-1, matrix.shape[-1])
    return np.asarray(sum(model.predict(flat) for model in models)).reshape(matrix.shape[:2])


def save(models: Sequence[Any], path: Path) -> None:
    """Write the trees of all members as one LightGBM text model."""
    texts = [model.model_to_string() for model in models]
    head = "\n".join(line for line in texts[0].split("\nTree=")[0].splitlines() if not line.startswith("tree_sizes="))
    blocks = [block.split("\nend of trees")[0] for text in texts for block in text.split("\nTree=")[1:]]
    trees = "".join(f"\nTree={number}\n{block.partition(chr(10))[2].strip()}\n" for number, block in enumerate(blocks))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}\n{trees}\nend of trees\n", encoding="utf-8")


def matrices(
    benchmark: Benchmark, cache: Path, encoded: Encoded | None, *, late: bool, depth: int
) -> tuple[list[str], NDArray[np.float32], Rows]:
    """Names of the features, their values (questions, candidates, features), and the candidates' rows."""
    vectors, queries = embedded(benchmark, cache)
    collection, vocabulary = collection_of(benchmark, vectors)
    lexical = LexicalIndex.build(benchmark.texts)
    collections = [collection]
    if encoded and late:
        states = passage_states(benchmark, cache)
        collections = [replace(collection, pieces=states.projected(passage)) for passage in encoded.passage]
    names: list[str] = []
    values, all_rows, times = [], [], []
    for number, text in enumerate(benchmark.questions):
        tuned = encoded.vectors[number] if encoded else None
        question = question_of(text, vocabulary, lexical, vectors, vector=queries[number], tuned=tuned)
        if encoded and late:
            question = replace(question, pieces=encoded.pieces_of(number))
            collection = collections[encoded.fold[number]]
        start = time.perf_counter()
        rows = candidates(question, depth)
        columns = features(question, collection, rows)
        times.append(time.perf_counter() - start)
        names = list(columns)
        values.append(np.stack(list(columns.values()), axis=1))
        all_rows.append(rows)
    middle, slow = np.percentile(times, [50, 95]) * 1e3
    print(f"{len(names)} features, p50 / p95 {middle:.1f} / {slow:.1f} ms")
    return names, np.stack(values), np.stack(all_rows)


def main() -> None:
    """Measure out of fold, then train on all questions and write the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beir", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors, made if missing")
    parser.add_argument("--encoded", type=Path, help="questions encoded out of fold, in the order of queries.jsonl")
    parser.add_argument("--late", action="store_true", help="with the features of late interaction")
    parser.add_argument("--out", type=Path, help="where to write the model; without it only measure")
    parser.add_argument("--folds", type=int, default=5, help="0: do not measure")
    parser.add_argument("--depth", type=int, default=DEPTH)
    parser.add_argument("--without", nargs="*", default=[], help="features to leave out")
    options = parser.parse_args()

    benchmark = read_beir(options.beir, options.split)
    encoded = Encoded.open(options.encoded) if options.encoded else None
    names, matrix, rows_of = matrices(benchmark, options.cache, encoded, late=options.late, depth=options.depth)
    used = [place for place, name in enumerate(names) if name not in options.without]
    names, matrix = [names[place] for place in used], matrix[:, :, used]
    members = LATE_MEMBERS if options.late else MEMBERS
    labels = np.array(
        [[row in relevant for row in rows] for rows, relevant in zip(rows_of, benchmark.relevant, strict=True)], np.int8
    )
    print(f"{'':<36}  R@10   MAP@10   one relevant   several")
    report("fused", rows_of.tolist(), benchmark.relevant)
    for name in ("random", "grouped") if options.folds else ():
        random = name == "random"
        fold = random_folds(len(labels), options.folds) if random else grouped_folds(benchmark.relevant, options.folds)
        scores = np.zeros(labels.shape)
        for number in range(options.folds):
            scores[fold == number] = predict(
                fit(matrix[fold != number], labels[fold != number], names, members), matrix[fold == number]
            )
        order = np.argsort(-scores, axis=1, kind="stable")
        report(f"reranked, {name} folds", np.take_along_axis(rows_of, order, 1).tolist(), benchmark.relevant)
    if options.out:
        models = fit(matrix, labels, names, members)
        save(models, options.out)
        gains = sorted(zip(models[0].feature_importance("gain"), names, strict=True), reverse=True)
        print(
            f"wrote {options.out}; gain: " + ", ".join(f"{name} {gain / gains[0][0]:.3f}" for gain, name in gains[:25])
        )


if __name__ == "__main__":
    main()
