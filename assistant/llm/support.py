"""Whether the words of a passage support a sentence: a deterministic measure, and mismatches that no score outweighs.

The score joins the share of the sentence's words that the evidence holds with the cosine of both embeddings. Its
threshold was set on one part of `evals/support` and is reported on the other (docs/models.md). English only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.llm.mismatches import closest, mismatches
from assistant.llm.relations import broken_relations
from assistant.llm.wording import content, coverage, names, novel, singular, widened
from indexing.analysis import terms
from indexing.sentences import sentence_spans

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
Span = tuple[int, int]

THRESHOLD = 0.72
"""Sentences that score below are not supported."""
LEXICAL_WEIGHT = 0.5
NOVELTY = 0.12
"""Taken off for each word that the evidence does not hold."""
MOST_EVIDENCE = 2
"""Sentences of one passage that together may support a sentence."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found in one passage for a sentence."""

    spans: tuple[Span, ...]
    """The passage's sentences that support it best, in their order."""
    score: float
    """0 to 1: the share of words held and the cosine, less what is new; 0 where there are mismatches."""
    faults: tuple[str, ...]
    """Mismatches that no score outweighs, one line each."""

    @property
    def holds(self) -> bool:
        """Whether the sentence is supported."""
        return not self.faults and self.score >= THRESHOLD


def evidence(sentence: str, passage: str, jurisdiction: str, embed: Embed, known: str = "") -> Evidence:
    """The best support for `sentence` in `passage`.

    `known` is what may be named besides the passage's words: its reference and its programme's names.
    """
    sentence = singular(sentence)
    spans = sentence_spans(passage)
    chosen = _chosen(sentence, passage, spans)
    found = " ".join(passage[a:b] for a, b in chosen)
    faults = [
        *mismatches(sentence, found, passage, jurisdiction, known),
        *broken_relations(sentence, found, jurisdiction),
    ]
    if faults:
        return Evidence(chosen, 0.0, tuple(faults))
    held = f"{found} {names(jurisdiction)} {known}"
    near = closest(sentence, found).split(" / ")[:2]
    vectors = embed([sentence, *dict.fromkeys([found, *(passage[a:b] for a, b in chosen), *near])])
    cosine = float((vectors[1:] @ vectors[0]).max())
    lexical = coverage(sentence, held)
    score = LEXICAL_WEIGHT * lexical + (1 - LEXICAL_WEIGHT) * cosine - NOVELTY * len(novel(sentence, held))
    return Evidence(chosen, round(max(score, 0.0), 4), ())


def _chosen(sentence: str, passage: str, spans: list[Span]) -> tuple[Span, ...]:
    """The sentence that covers most, and a second one where it adds what the first lacks."""
    wanted = set(content(sentence))
    held = [wanted & widened(terms(passage[a:b])) for a, b in spans]
    best = max(range(len(spans)), key=lambda i: (len(held[i]), -i))
    rest = [i for i in range(len(spans)) if i != best and held[i] - held[best]]
    kept = [best]
    if rest and MOST_EVIDENCE > 1:
        second = max(rest, key=lambda i: (len(held[i] - held[best]), -i))
        if len(held[second] - held[best]) >= 1:
            kept.append(second)
    return tuple(spans[i] for i in sorted(kept))
