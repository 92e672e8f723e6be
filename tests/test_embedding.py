"""Both engines read the same weights; the question's path never loads torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexing.embedding import MAX_TOKENS, EmbeddingError, OnnxEmbedder, SentenceTransformerEmbedder
from indexing.questions import read_questions
from indexing.search import Index
from indexing.sources import SHIPPED_QUESTIONS

VARIED = (
    "?",
    "AEO",
    "120",
    "3.14159 2,718 1/2 12.5 %",
    "2026-04-01; 31/12/2025",
    "EORI GB123456789000, UCC Art. 39(c), section 114A(2)(b)",
    "A-B-C (D) [E] {F} <G> & H; I: J.",
    "x" * 300,
    "0123456789 " * 60,
    "customs " * 300,
    "认证企业的标准是什么？",
    "高级认证企业 " * 40,
    "認定事業者制度について教えてください。",
    "수출입안전관리우수업체 공인 기준",
    "ما هي شروط المشغل الاقتصادي المعتمد؟",
    "Что такое УЭО?",
    "Ünlü şirketlerin yetkilendirilmesi",
    "¿Cuánto tarda la aduana en decidir?",
)


def test_engines_agree(index: Index) -> None:
    passages = [p.text for p in index.store.all()]
    questions = [question for _, question in read_questions(SHIPPED_QUESTIONS)]
    texts = [*VARIED, *passages[:: len(passages) // 90], *questions[:: len(questions) // 50]]
    assert len(texts) >= 150
    one, two = OnnxEmbedder().embed(texts), SentenceTransformerEmbedder().embed(texts)
    cosines = (one * two).sum(axis=1)
    assert float(cosines.min()) >= 0.999, texts[int(cosines.argmin())]
    assert np.allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)


def test_a_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexing.embedding._PACKAGE", "no_such_package")
    with pytest.raises(EmbeddingError, match=r"'no_such_package' .* not installed; run 'make setup'"):
        OnnxEmbedder().embed(["a question"])


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
