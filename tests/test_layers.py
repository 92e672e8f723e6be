"""Imports go one way: corpus, indexing, assistant, integrations; evals beside them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "corpus": set(),
    "indexing": {"corpus"},
    "assistant": {"corpus", "indexing"},
    "evals": {"corpus", "indexing", "assistant"},
    "integrations": {"corpus", "indexing", "assistant", "evals"},
}


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found & set(MAY_IMPORT)


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_layers(package: str) -> None:
    modules = sorted((ROOT / package).rglob("*.py"))
    assert modules
    wrong = {
        path.relative_to(ROOT).as_posix(): _imported(path) - MAY_IMPORT[package] - {package}
        for path in modules
        if _imported(path) - MAY_IMPORT[package] - {package}
    }
    assert wrong == {}
