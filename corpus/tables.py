"""Reads the structured data: CSV files whose rows are checked against a pydantic model."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from corpus.schema import CorpusError

Row = TypeVar("Row", bound=BaseModel)


def read_rows(path: Path, model: type[Row]) -> list[tuple[int, Row]]:
    """Line number and row of every line after the heading; empty cells take the model's default.

    Raises:
        CorpusError: naming file, line, column and what is wrong.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            return [(reader.line_num, _row(cells, model, path, reader.line_num)) for cells in reader]
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: not found; restore it from the repository") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    except csv.Error as error:
        raise CorpusError(f"{path}: not CSV: {error}") from error


def _row(cells: dict[str, str], model: type[Row], path: Path, line: int) -> Row:
    if None in cells or None in cells.values():
        raise CorpusError(
            f"{path}:{line}: the row has another number of cells than the heading; quote cells with commas"
        )
    try:
        return model.model_validate({name: cell for name, cell in cells.items() if cell != ""})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "row"
        raise CorpusError(f"{path}:{line}: column '{where}': {first['msg']}") from error
