"""Builds a version of the index: read, embed what is new, write beside the current version, switch."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from indexing.codes import SignCodes
from indexing.embedding import DEFAULT_MODEL, Embedder, OnnxEmbedder, SentenceTransformerEmbedder, Vectors, content_key
from indexing.late import LIMIT as PIECES_LIMIT
from indexing.late import WEIGHTS, Pieces, PieceStore, Projection, embed
from indexing.lexical import Known, LexicalIndex
from indexing.parallel import ParallelEmbedder
from indexing.passages import Document, DocumentError, Passage
from indexing.questions import question_files, questions_of, save
from indexing.sources import Documents, SourceFile
from indexing.store import Columns, PassageStore
from indexing.vectors import CHROMA_LIMIT, EXACT_LIMIT, Entries, server_fault, write_chroma
from indexing.versions import IndexMissing, IndexUnusable, current_version, publish, writing

FORMAT = 4
"""Layout of a version folder; another number means: build again."""

Embed = Callable[[Sequence[str]], tuple[Vectors, list[Pieces]]]
"""Vectors of texts, and their word pieces or none."""

Progress = Callable[[str, int, int], None]
"""Called with a step's name, what is done, and the total."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version folder holds."""

    format: int
    version: str
    """Digest of the model and of every passage: the same content has the same version."""
    created: str
    model: str
    passages: int
    documents: int
    files: dict[str, str]
    """Digest by name of each source file."""
    problems: tuple[str, ...]
    """One line for each file that could not be read, and for whatever else is to be known of one that was."""
    chroma: str
    """Where the vectors are: "embedded" or the address of a server."""

    @classmethod
    def open(cls, folder: Path) -> Manifest:
        """Read the manifest of a version folder.

        Raises:
            IndexUnusable: when another release of this program wrote it.
        """
        fields = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if fields.get("format") != FORMAT:
            raise IndexUnusable("the index was written by another release; run 'aeo index build'")
        return cls(**{**fields, "problems": tuple(fields["problems"])})


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did."""

    version: str
    documents: int
    passages: int
    embedded: int
    reused: int
    removed: int
    unchanged: bool
    problems: tuple[str, ...]
    seconds: float


class VectorCache:
    """Vectors by content key: shipped beside the notes, or taken from the version before."""

    def __init__(self, keys: Sequence[str], vectors: Vectors, pieces: PieceStore | None = None) -> None:
        self._row = {key: row for row, key in enumerate(keys)}
        self.vectors = vectors
        self.pieces = pieces

    @classmethod
    def open(cls, path: Path) -> VectorCache:
        """Read a .npz with `keys` and `vectors`; a missing file is an empty cache."""
        if not path.exists():
            return cls([], np.zeros((0, 0), np.float32))
        with np.load(path) as arrays:
            return cls([key.decode() for key in arrays["keys"]], arrays["vectors"])

    @staticmethod
    def write(path: Path, keys: Sequence[str], vectors: Vectors) -> None:
        """Write the entries sorted by key, as half floats: cosines move by less than 0.0001."""
        order = sorted(range(len(keys)), key=keys.__getitem__)
        np.savez_compressed(
            path, keys=np.array([keys[i] for i in order], "S32"), vectors=vectors[order].astype(np.float16)
        )

    def get(self, key: str) -> Vectors | None:
        """The vector, or None."""
        row = self.row(key)
        return None if row < 0 else np.asarray(self.vectors[row], np.float32)

    def row(self, key: str) -> int:
        """Row of the key's vector in `vectors`, or -1."""
        return self._row.get(key, -1)


def build_index(
    index: Path,
    files: Sequence[SourceFile],
    *,
    model: str = DEFAULT_MODEL,
    shipped: Sequence[Path] = (),
    questions: Path | None = None,
    chroma_url: str | None = None,
    update: bool = False,
    workers: int = 1,
    cluster: str | None = None,
    progress: Progress = lambda step, done, total: None,
) -> BuildReport:
    """Build a new version of `index` from `files` and make it current.

    With `update`, files whose digest is that of the current version are not read again, and vectors are taken from it.
    `shipped` are vector caches to look in before embedding; `questions` is a folder of `indexing.questions`.
    What is new is embedded by so many `workers`, processes of this machine, or by those of the Dask `cluster`.

    Raises:
        ClusterUnavailable: see `indexing.cluster`.
        IndexBusy, IndexUnusable: see `indexing.versions`.
    """
    started = time.perf_counter()
    with writing(index) as folder:
        before = _current(index) if update else None
        chroma = chroma_url or "embedded"
        digests = {file.name: file.digest for file in files} | (question_files(questions) if questions else {})
        if before and (before[1].files, before[1].model, before[1].chroma) == (digests, model, chroma):
            return _unchanged(before[1], time.perf_counter() - started)
        store = PassageStore(before[0] / "passages.sqlite") if before else None
        documents, problems = _read(files, before[1] if before else None, store, progress)
        passages = [passage for _, _, members in documents for passage in members]
        if not passages:
            raise IndexUnusable("nothing to index: " + (problems[0] if problems else "the source has no documents"))
        previous = _Previous.open(before[0], store) if before and store else None
        caches = [previous.vectors] if previous else []
        caches += [VectorCache.open(path) for path in shipped]
        asked = questions_of(questions, passages) if questions else None
        texts = [*(passage.text for passage in passages), *(asked.texts if asked else ())]
        keys = [content_key(model, text) for text in texts]
        projection = _projection(model, keys[: len(passages)], caches, previous)
        if projection:
            caches = [cache for cache in caches if cache.pieces]
        sources, embedded = _sources(keys, texts, model, projection, caches, workers, cluster, progress)
        vectors = _vectors(keys, sources)
        vectors, question_vectors = vectors[: len(passages)], vectors[len(passages) :]
        manifest = Manifest(
            format=FORMAT,
            version=_version(model, passages),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            model=model,
            passages=len(passages),
            documents=len(documents),
            files=digests,
            problems=tuple(problems),
            chroma=chroma,
        )
        try:
            new = _New(documents, passages, keys[: len(passages)], vectors)
            _write(folder, manifest, new, previous, chroma_url, progress)
            if projection:
                PieceStore.of_all(list(_pieces(new.keys, sources))).save(folder)
            if asked:
                save(folder, asked, question_vectors)
            removed = len(previous.entries.keys() - {passage.id for passage in passages}) if previous else 0
            publish(index, folder, manifest.version)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise IndexUnusable(f"could not write the index at {index}: {reason}; is the disk full?") from error
    return BuildReport(
        version=manifest.version,
        documents=len(documents),
        passages=len(passages),
        embedded=embedded,
        reused=len(texts) - embedded,
        removed=removed,
        unchanged=False,
        problems=manifest.problems,
        seconds=time.perf_counter() - started,
    )


def _current(index: Path) -> tuple[Path, Manifest] | None:
    try:
        folder = current_version(index)
        return folder, Manifest.open(folder)
    except (IndexMissing, IndexUnusable):
        return None


def _unchanged(manifest: Manifest, seconds: float) -> BuildReport:
    count = manifest.passages
    return BuildReport(manifest.version, manifest.documents, count, 0, count, 0, True, manifest.problems, seconds)


def _read(
    files: Sequence[SourceFile], before: Manifest | None, store: PassageStore | None, progress: Progress
) -> tuple[list[tuple[str, Document, list[Passage]]], list[str]]:
    collected: list[tuple[str, Document, list[Passage]]] = []
    problems: list[str] = []
    for done, file in enumerate(files):
        progress("reading", done, len(files))
        same = before is not None and before.files.get(file.name) == file.digest
        try:
            found: Documents = store.of_file(file.name) if same and store else file.read(file.path)
        except DocumentError as error:
            problems.append(f"{error}; left out")
            continue
        collected += [(file.name, document, passages) for document, passages in found]
        problems += [notice for document, _ in found for notice in document.notices]
    progress("reading", len(files), len(files))
    return _with_unique_ids(collected, problems), problems


def _with_unique_ids(
    collected: list[tuple[str, Document, list[Passage]]], problems: list[str]
) -> list[tuple[str, Document, list[Passage]]]:
    """The first document with an id stays; a later one is reported and left out. Passage ids are made unique."""
    first: dict[str, str] = {}
    kept: list[tuple[str, Document, list[Passage]]] = []
    seen: Counter[str] = Counter()
    for file, document, passages in collected:
        if document.id in first:
            problems.append(f"{file}: document id '{document.id}' is also that of {first[document.id]}; left out")
            continue
        first[document.id] = file
        unique: list[Passage] = []
        for passage in passages:
            seen[passage.id] += 1
            again = seen[passage.id]
            unique.append(passage if again == 1 else replace(passage, id=f"{passage.id}-{again}"))
        kept.append((file, document, unique))
    return kept


@dataclass(frozen=True, slots=True)
class _Previous:
    """What an update takes from the version before."""

    folder: Path
    store: PassageStore
    vectors: VectorCache
    entries: dict[str, tuple[str, str]]
    """Jurisdiction and content key by passage id."""

    @classmethod
    def open(cls, folder: Path, store: PassageStore) -> _Previous:
        keys = [key.decode() for key in np.load(folder / "keys.npy")]
        vectors = VectorCache(keys, np.load(folder / "vectors.npy", mmap_mode="r"), PieceStore.open(folder))
        entries = {name: (place, key) for (name, place), key in zip(store.ids(), keys, strict=True)}
        return cls(folder, store, vectors, entries)

    def known(self, keys: Sequence[str]) -> Known:
        """What its lexical index knows of texts with these content keys."""
        rows = np.array([self.vectors.row(key) for key in keys], np.int64)
        gone = np.setdiff1d(np.arange(len(self.entries)), rows)
        return Known(LexicalIndex.open(self.folder / "lexical"), rows, [self.store.at(int(row)).text for row in gone])


@dataclass(frozen=True, slots=True)
class _New:
    """What the new version will hold, in row order."""

    documents: Sequence[tuple[str, Document, list[Passage]]]
    passages: Sequence[Passage]
    keys: Sequence[str]
    vectors: Vectors


def _projection(
    model: str, keys: Sequence[str], caches: Sequence[VectorCache], previous: _Previous | None
) -> Projection | None:
    """What makes word pieces, where the index is to hold them.

    An update goes on as the version before began, and shipped vectors, which have no pieces, are not made again.
    """
    if model != DEFAULT_MODEL or not WEIGHTS.exists() or len(keys) > PIECES_LIMIT:
        return None
    if previous:
        return Projection.open() if previous.vectors.pieces else None
    shipped = sum(any(cache.row(key) >= 0 for cache in caches) for key in keys)
    return Projection.open() if 2 * shipped < len(keys) else None


def _sources(
    keys: Sequence[str],
    texts: Sequence[str],
    model: str,
    projection: Projection | None,
    caches: Sequence[VectorCache],
    workers: int,
    cluster: str | None,
    progress: Progress,
) -> tuple[list[VectorCache], int]:
    """Caches that together hold every key, and how many texts had to be embedded."""
    new = {key: text for key, text in zip(keys, texts, strict=True) if all(cache.row(key) < 0 for cache in caches)}
    onnx = model == DEFAULT_MODEL
    if new and (cluster or workers > 1):
        with ParallelEmbedder(workers, model, onnx=onnx, cluster=cluster) as parallel:
            fresh = _embed(
                new, parallel.pieces if projection else _plain(parallel), progress, batch=128 * parallel.workers
            )
    else:
        embedder = OnnxEmbedder() if onnx else SentenceTransformerEmbedder(model)
        fresh = _embed(new, partial(embed, embedder, projection) if projection else _plain(embedder), progress)
    return [fresh, *caches], len(new)


def _plain(embedder: Embedder) -> Embed:
    return lambda texts: (embedder.embed(texts), [])


def _vectors(keys: Sequence[str], sources: Sequence[VectorCache]) -> Vectors:
    """The vector of each key."""
    holder = next(source for source in sources if source.row(keys[0]) >= 0)
    vectors = np.empty((len(keys), holder.vectors.shape[1]), np.float32)
    for place, key in enumerate(keys):
        source, row = _found(key, sources)
        vectors[place] = source.vectors[row]
    return vectors


def _pieces(keys: Sequence[str], sources: Sequence[VectorCache]) -> Iterator[Pieces]:
    """The word pieces of each key."""
    for key in keys:
        source, row = _found(key, sources)
        assert source.pieces is not None
        yield source.pieces.of(row)


def _found(key: str, sources: Sequence[VectorCache]) -> tuple[VectorCache, int]:
    return next((source, row) for source in sources if (row := source.row(key)) >= 0)


def _embed(texts: dict[str, str], embed: Embed, progress: Progress, batch: int = 128) -> VectorCache:
    """Embed by falling length, so that a batch holds texts of like length and little padding."""
    order = sorted(texts, key=lambda key: -len(texts[key]))
    parts: list[Vectors] = []
    pieces: list[Pieces] = []
    for start in range(0, len(order), batch):
        progress("embedding", start, len(order))
        vectors, found = embed([texts[key] for key in order[start : start + batch]])
        parts.append(vectors)
        pieces += found
    if order:
        progress("embedding", len(order), len(order))
    vectors = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
    return VectorCache(order, vectors, PieceStore.of_all(pieces) if pieces else None)


def _version(model: str, passages: Iterable[Passage]) -> str:
    digest = hashlib.sha256(f"{FORMAT}\x00{model}".encode())
    for passage in passages:
        digest.update(json.dumps(passage.fields(), ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()[:12]


def _write(
    folder: Path,
    manifest: Manifest,
    new: _New,
    previous: _Previous | None,
    chroma_url: str | None,
    progress: Progress,
) -> None:
    progress("writing", 0, 4)
    PassageStore.write(folder / "passages.sqlite", new.documents)
    Columns.of(new.passages).save(folder / "columns.npz")
    np.save(folder / "vectors.npy", new.vectors)
    np.save(folder / "keys.npy", np.array(new.keys, "S32"))
    if len(new.passages) > EXACT_LIMIT:
        SignCodes.write(folder / "signs.npy", new.vectors)
    progress("writing", 1, 4)
    known = previous.known(new.keys) if previous else None
    LexicalIndex.build([passage.text for passage in new.passages], known).save(folder / "lexical")
    progress("writing", 2, 4)
    if chroma_url or len(new.passages) <= CHROMA_LIMIT:
        _write_vectors(folder, manifest, new, previous, chroma_url)
    progress("writing", 3, 4)
    text = json.dumps(asdict(manifest), indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    progress("writing", 4, 4)


def _write_vectors(
    folder: Path, manifest: Manifest, new: _New, previous: _Previous | None, chroma_url: str | None
) -> None:
    """Bring the vectors into Chroma."""
    places = [passage.jurisdiction for passage in new.passages]
    entries = Entries([passage.id for passage in new.passages], new.vectors, places)
    before = None
    if previous:
        now = zip(entries.ids, places, new.keys, strict=True)
        same = frozenset(name for name, place, key in now if previous.entries.get(name) == (place, key))
        before = previous.folder / "chroma", same
    write_chroma(chroma_url or folder / "chroma", folder.parent, manifest.version, entries, before)


def verify_index(index: Path) -> list[str]:
    """Re-check the current version against its own digest and its parts against each other; one line per fault."""
    folder = current_version(index)
    manifest = Manifest.open(folder)
    store = PassageStore(folder / "passages.sqlite")
    passages = list(store.all())
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    keys = [key.decode() for key in np.load(folder / "keys.npy")]
    faults: list[str] = []
    if _version(manifest.model, passages) != manifest.version:
        faults.append("passages differ from the digest that the version was published under; run 'aeo index build'")
    if not len(passages) == len(vectors) == len(keys) == manifest.passages:
        faults.append(
            f"{len(passages)} passages, {len(vectors)} vectors, {len(keys)} keys, {manifest.passages} in the manifest"
        )
    expected = [content_key(manifest.model, passage.text) for passage in passages]
    faults += [
        f"passage {passage.id}: its vector was made from another text"
        for passage, key, stored in zip(passages, expected, keys, strict=False)
        if key != stored
    ]
    lengths = np.linalg.norm(vectors, axis=1)
    if len(vectors) and not np.allclose(lengths, 1, atol=2e-3):
        faults.append(f"{int((np.abs(lengths - 1) > 2e-3).sum())} vectors are not of unit length")
    if manifest.chroma != "embedded":
        fault = server_fault(manifest.chroma, index, manifest.version, manifest.passages)
        faults += [fault] if fault else []
    store.close()
    return faults
