"""Both engines read the same weights; the question's path never loads torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from indexing.embedding import MAX_TOKENS, OnnxEmbedder, SentenceTransformerEmbedder
from indexing.search import Index


def test_engines_agree(index: Index) -> None:
    texts = [p.text for p in list(index.store.all())[::60]]
    assert len(texts) > 40
    one, two = OnnxEmbedder().embed(texts), SentenceTransformerEmbedder().embed(texts)
    cosines = (one * two).sum(axis=1)
    assert float(cosines.mean()) >= 0.999
    assert float(cosines.min()) >= 0.997
    assert np.allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)


def test_no_shipped_passage_is_cut(index: Index) -> None:
    tokenizer = OnnxEmbedder().tokenizer
    tokenizer.no_truncation()
    too_long = [p.id for p in index.store.all() if len(tokenizer.encode(p.text).ids) > MAX_TOKENS]
    assert too_long == []


def test_a_question_imports_no_training_library(shipped_index: Path, tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from assistant.answer import Question
from assistant.service import Assistant
from assistant.settings import Settings
answer = Assistant(Settings(index=Path({str(shipped_index)!r}), database_url='sqlite:///{tmp_path}/x.db')).ask(
    Question("How long does EU customs have to decide on an AEO application?"))
assert "120" in answer.answer, answer.answer
heavy = [name for name in ("torch", "transformers", "sentence_transformers", "chromadb", "langchain", "langchain_core", "sklearn", "slack_bolt", "fastapi") if name in sys.modules]
sys.exit(f"imported: {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
