"""Figures of the support measure on the labelled sentences: `python -m evals.support.measure [--svg FILE]`.

The checks and the threshold were made on the calibration part. The sentences of the held-out part were written before any
check was changed, over other provisions; of them only the totals were looked at.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from assistant.answer import Question
from assistant.context import Context
from assistant.llm.check import Reviewer
from assistant.llm.limits import Account
from assistant.llm.support import THRESHOLD, evidence
from assistant.llm.write import Draft
from assistant.settings import settings
from indexing.embedding import query_embedder
from indexing.passages import Passage

DATA = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled sentence and what the measure and the review make of it."""

    id: str
    split: str
    kind: str
    supported: bool
    score: float
    """0 where there is a mismatch."""
    outcome: str
    """What the review does with it when it cites its passage: kept, repaired or dropped."""


@lru_cache(maxsize=1)
def _embedder() -> Any:
    return query_embedder()


@lru_cache(maxsize=8192)
def _vector(text: str) -> NDArray[np.float32]:
    return np.asarray(_embedder().embed([text])[0], np.float32)


def _embed(texts: Any) -> NDArray[np.float32]:
    return np.stack([_vector(text) for text in texts])


def _passage(entry: dict[str, str]) -> Passage:
    return Passage(
        id=entry["id"],
        document_id="d",
        text=entry["text"],
        heading_path=(),
        reference=entry["reference"],
        topic="",
        programme="",
        jurisdiction=entry["jurisdiction"],
        kind="restatement",
        language="en",
        url="",
        as_of="2026",
        undated=False,
        source_type="official",
        status="verified",
        access="public",
        valid_from=None,
        valid_to=None,
    )


def judged(splits: tuple[str, ...] = ("calibration", "held-out")) -> list[Judged]:
    """Every labelled sentence of the splits, judged."""
    lines = (DATA / "passages.jsonl").read_text(encoding="utf-8").splitlines()
    passages = {entry["id"]: _passage(entry) for entry in map(json.loads, lines)}
    found: list[Judged] = []
    for line in (DATA / "sentences.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["split"] not in splits:
            continue
        passage = passages[row["passage"]]
        score = evidence(row["sentence"], passage.text, passage.jurisdiction, _embed, passage.reference).score
        found.append(
            Judged(row["id"], row["split"], row["kind"], row["supported"], score, _outcome(row["sentence"], passage))
        )
    return found


def _outcome(sentence: str, passage: Passage) -> str:
    index = cast(Any, SimpleNamespace(embed=_embed))
    context = Context(Question(""), index, settings(), jurisdictions=(passage.jurisdiction,))
    return Reviewer(context, {"P1": passage}, None, Account()).review(Draft(sentence, ("P1",))).outcome


def rates(found: list[Judged], threshold: float) -> tuple[float, float]:
    """Share of supported sentences that score at least `threshold`, and of unsupported ones."""
    yes = [item.score >= threshold for item in found if item.supported]
    no = [item.score >= threshold for item in found if not item.supported]
    return sum(yes) / len(yes), sum(no) / len(no)


def area(found: list[Judged]) -> float:
    """Area under the ROC curve: how often a supported sentence scores above an unsupported one, ties half."""
    yes = [item.score for item in found if item.supported]
    no = [item.score for item in found if not item.supported]
    return sum((a > b) + 0.5 * (a == b) for a in yes for b in no) / (len(yes) * len(no))


def report(found: list[Judged]) -> str:
    """A line per split, and what became of each kind of sentence."""
    lines: list[str] = []
    for split in sorted({item.split for item in found}):
        some = [item for item in found if item.split == split]
        _, passed = rates(some, THRESHOLD)
        yes = Counter(item.outcome for item in some if item.supported)
        lines.append(
            f"{split}: {len(some)} sentences; supported: {yes['kept'] / yes.total():.1%} kept, "
            f"{yes['repaired'] / yes.total():.1%} replaced by the provision's own sentence, "
            f"{yes['dropped'] / yes.total():.1%} dropped; unsupported: {passed:.1%} accepted; "
            f"area under the curve {area(some):.3f}"
        )
        kinds = sorted({item.kind for item in some if not item.supported})
        shares = [(kind, [i.score >= THRESHOLD for i in some if i.kind == kind]) for kind in kinds]
        lines.append("  accepted by kind: " + ", ".join(f"{kind} {sum(s)}/{len(s)}" for kind, s in shares))
    return "\n".join(lines)


_SIDE = 300
_COLOURS = {"calibration": "#6b7280", "held-out": "#1d4ed8"}


def svg(found: list[Judged]) -> str:
    """The ROC curves of both splits as a small picture."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-46 -14 {_SIDE + 70} {_SIDE + 60}" role="img" '
        'font-family="sans-serif" font-size="11">',
        "<title>ROC curves of the support measure</title>",
        f'<rect width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#9ca3af"/>',
        f'<path d="M0 {_SIDE}L{_SIDE} 0" stroke="#d1d5db" stroke-dasharray="4"/>',
        f'<text x="{_SIDE / 2}" y="{_SIDE + 32}" text-anchor="middle">unsupported sentences accepted</text>',
        f'<text transform="translate(-32 {_SIDE / 2}) rotate(-90)" text-anchor="middle">supported ones accepted</text>',
    ]
    for tick in (0, 0.5, 1):
        parts.append(f'<text x="{tick * _SIDE}" y="{_SIDE + 15}" text-anchor="middle">{tick:.0%}</text>')
        parts.append(f'<text x="-6" y="{_SIDE * (1 - tick) + 4}" text-anchor="end">{tick:.0%}</text>')
    for row, (split, colour) in enumerate(_COLOURS.items()):
        some = [item for item in found if item.split == split]
        steps = sorted({item.score for item in some} | {0.0, 1.01}, reverse=True)
        points = " ".join(
            f"{_SIDE * passed:.1f},{_SIDE * (1 - kept):.1f}" for kept, passed in (rates(some, step) for step in steps)
        )
        kept, passed = rates(some, THRESHOLD)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(f'<circle cx="{_SIDE * passed:.1f}" cy="{_SIDE * (1 - kept):.1f}" r="3.5" fill="{colour}"/>')
        y = _SIDE - 34 + 16 * row
        parts.append(
            f'<text x="{_SIDE - 8}" y="{y}" text-anchor="end" fill="{colour}">{split}: {area(some):.3f}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> None:
    """Print the report; with --svg, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svg", type=Path)
    chosen = parser.parse_args()
    found = judged()
    print(report(found))
    if chosen.svg:
        chosen.svg.write_text(svg(found), encoding="utf-8")


if __name__ == "__main__":
    main()
