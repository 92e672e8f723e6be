"""The index directory: complete versions side by side, one of them current.

index/
current            symbolic link into versions/, replaced by an atomic rename
versions/<content>-<time>/  written once, then only read
.building-*        what a killed build left behind; the next build removes it
.lock              held by the one process that writes
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from corpus.errors import UserError

KEPT_VERSIONS = 2
"""The current version and the one before it, which readers may still have open."""


class IndexMissing(UserError):
    """There is no index where one is needed."""


class IndexBusy(UserError):
    """Another process is writing to the index."""


class IndexUnusable(UserError):
    """The index cannot be used as asked. The message names the cause and the remedy."""


def current_version(index: Path) -> Path:
    """Folder of the current version.

    Raises:
        IndexMissing: when nothing was built yet.
    """
    link = index / "current"
    if not link.exists():
        raise IndexMissing(f"no index at {index}; run 'aeo index build' first")
    return link.resolve()


@contextmanager
def writing(index: Path) -> Iterator[Path]:
    """An empty folder to build in, while no other process builds; what killed builds left is cleared away first.

    Raises:
        IndexBusy: when another process is building.
        IndexUnusable: when the directory cannot be written.
    """
    try:
        (index / "versions").mkdir(parents=True, exist_ok=True)
        lock = os.open(index / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise IndexUnusable(f"cannot write to {index}: {error.strerror}; choose another with --index") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise IndexBusy(f"another process is building {index}; wait for it to finish") from error
        for left in index.glob(".building-*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = index / f".building-{os.getpid()}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def publish(index: Path, folder: Path, version: str) -> Path:
    """Make a finished folder the current version, atomically, and remove versions that nobody should still read.

    `version` names the content; the folder's name adds the time, so that building the same content again never touches
    the version that is being served.
    """
    _sync(folder)
    name = f"{version}-{time.time_ns()}"
    target = index / "versions" / name
    folder.rename(target)
    link = index / f".current-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("versions") / name)
    link.replace(index / "current")
    _sync_directory(index)
    _remove_old(index, keep=name)
    return target


def _remove_old(index: Path, keep: str) -> None:
    versions = sorted((index / "versions").iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    spare = [path for path in versions if path.name != keep]
    for path in spare[KEPT_VERSIONS - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
    _sync_directory(folder)


def _sync_directory(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
