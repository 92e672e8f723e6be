"""The vectors that are shipped beside the notes: `python -m indexing.shipped` (`make vectors`) brings them up to date."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from indexing.build import VectorCache, build_index
from indexing.sources import SHIPPED_VECTORS, collection
from indexing.versions import current_version


def main() -> None:
    """Embed what the shipped file does not hold yet, and write exactly what the shipped guidance needs."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder)
        report = build_index(index, collection(None, index), shipped=SHIPPED_VECTORS)
        version = current_version(index)
        keys = [key.decode() for key in np.load(version / "keys.npy")]
        vectors = np.load(version / "vectors.npy")
        unique = sorted({key: row for row, key in enumerate(keys)}.items())
        VectorCache.write(SHIPPED_VECTORS, [key for key, _ in unique], vectors[[row for _, row in unique]])
    print(f"{len(unique)} vectors, {report.embedded} of them new: {SHIPPED_VECTORS}")


if __name__ == "__main__":
    main()
