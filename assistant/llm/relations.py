"""What a sentence joins that its evidence does not: who does something to whom, which part goes with which, when.

The words alone cannot tell "A replaces B" from "B replaces A". These checks compare how words stand to each other. Each
gives one line where the sentence joins them otherwise than the evidence. English only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from assistant.llm.wording import bounded, content, coverage, lists, names, related, widened
from assistant.verify import figures
from indexing.analysis import terms
from indexing.sentences import sentence_spans


def broken_relations(sentence: str, found: str, jurisdiction: str) -> list[str]:
    """What the sentence joins otherwise than the evidence, one line each."""
    return [
        *_sides_changed(sentence, found),
        *_parts_mixed(sentence, found, jurisdiction),
        *_wrong_state(sentence, found, jurisdiction),
        *_past_as_present(sentence, found),
        *_wrong_measure(sentence, found),
        *_wrong_order(sentence, found),
        *_either_for_both(sentence, found),
        *_condition_left_out(sentence, found),
    ]


@lru_cache(maxsize=8192)
def _stem(word: str) -> str:
    """The stem of one word, "" for a stop word; irregular forms by their infinitive."""
    found = terms(_IRREGULAR.get(word, word))
    return found[0] if found else ""


_IRREGULAR = {
    "given": "give", "gave": "give", "told": "tell", "kept": "keep", "held": "hold", "taken": "take", "took": "take",
    "ran": "run", "made": "make", "sent": "send", "paid": "pay", "led": "lead", "written": "write", "wrote": "write",
    "brought": "bring", "sold": "sell", "bought": "buy", "shown": "show", "chosen": "choose", "laid": "lay",
}  # fmt: skip
_BE = frozenset(["is", "are", "was", "were", "be", "been", "being"])
_BRACKETS = re.compile(r"\s*\([^()]*\)")
_WORD = re.compile(r"[^\W_]+|[.;:,]")
_BEFORE_ENDS = frozenset([".", ";", ":", "if", "unless", "while", "whereas", "but", "when", "where"])
_AFTER_ENDS = frozenset(
    [".", ";", ":", ",", "if", "unless", "while", "whereas", "but", "when", "where", "which", "who", "that"]
)
_AGENT_ENDS = _AFTER_ENDS | frozenset(["on", "in", "from", "to", "with", "under", "within", "for", "at", "of"]) - {"of"}
_REACH = 8
"""Words to each side of a verb that are taken for what it joins."""


@dataclass(frozen=True, slots=True)
class _Act:
    """A verb with the content words on its sides; the active order whatever the voice."""

    doer: frozenset[str]
    done_to: frozenset[str]


def _acts(text: str) -> dict[str, list[_Act]]:
    """Every use of a listed verb in a text, and of any verb after a modal."""
    found: dict[str, list[_Act]] = {}
    subject: frozenset[str] = frozenset()
    for a, b in sentence_spans(text):
        words = _WORD.findall(_BRACKETS.sub("", text[a:b]).casefold().replace("'s", "").replace("’s", ""))
        own = _subject(words)
        subject = own or subject  # "it" stands for the one before
        for i, word in enumerate(words):
            stem = _stem(word)
            if not stem or not _is_verb(words, i) or (stem not in lists().verbs and words[i - 1] not in _BEFORE_BASE):
                continue
            before, after = words[:i], words[i + 1 :]
            past = word in _IRREGULAR or word.endswith("ed") or word == "run"
            if past and (_BE & set(before[-3:]) or after[:1] == ["by"] or (after and after[0] in _AGENT_ENDS)):
                by = after.index("by") if "by" in after[:4] else None
                doer = _reach(after[by + 1 :], _AGENT_ENDS) if by is not None else frozenset[str]()
                act = _Act(doer, _before(before))
            elif before and before[-1] in _JOINS and subject:
                act = _Act(subject, _reach(after, _AFTER_ENDS))  # the second verb of one subject
            else:
                act = _active(before, _reach(after, _AFTER_ENDS))
                act = _Act(act.doer or subject, act.done_to)
            found.setdefault(stem, []).append(act)
    return found


_JOINS = frozenset((",", "and", "or"))
_BEFORE_BASE = frozenset(("to", "must", "may", "can", "could", "shall", "should", "will"))
_OPENERS = frozenset(
    (
        "if",
        "where",
        "when",
        "after",
        "before",
        "unless",
        "while",
        "under",
        "for",
        "in",
        "within",
        "since",
        "until",
        "on",
    )
)
_FIRST_VERB = _BE | _BEFORE_BASE | frozenset(("has", "have", "had", "does", "do", "not"))


def _subject(words: list[str]) -> frozenset[str]:
    """Content words before the first verb of a sentence, after what stands before its first comma with "if" and such."""
    if words and words[0] in _OPENERS and "," in words:
        words = words[words.index(",") + 1 :]
    for i, word in enumerate(words):
        if word in _FIRST_VERB or (i and _stem(word) in lists().verbs and _is_verb(words, i)):
            return _before(words[:i])
    return frozenset()


_AUXILIARY = frozenset(
    [
        "to",
        "must",
        "may",
        "can",
        "could",
        "shall",
        "should",
        "will",
        "would",
        "not",
        "do",
        "does",
        "did",
        "and",
        "or",
        "also",
        "only",
    ]
)
_NOT_BEFORE_VERB = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "no",
        "in",
        "by",
        "for",
        "with",
        "on",
        "each",
        "any",
        "its",
        "their",
        "this",
        "such",
        "from",
        "per",
    ]
)


def _is_verb(words: list[str], i: int) -> bool:
    """Whether a word that may be a noun ("report", "checks", "training") is used as a verb."""
    word, previous = words[i], words[i - 1] if i else ""
    if word in _IRREGULAR or word.endswith("ed"):
        return True
    if word.removesuffix("s").endswith(("ing", "ment", "ion", "ance", "er", "or")):
        return False
    if word.endswith("s"):
        following = words[i + 1] if i + 1 < len(words) else ""
        return bool(previous) and previous not in _NOT_BEFORE_VERB and following not in ("of", "on")
    return previous in _AUXILIARY or (previous in _BE and word == "run")


def _active(before: list[str], after: frozenset[str]) -> _Act:
    """Sides of a verb in the active voice; "what X described" has its object first."""
    relative = next((i for i in range(len(before) - 1, max(-1, len(before) - 6), -1) if before[i] in _RELATIVE), None)
    if relative is None:
        return _Act(_before(before), after)
    between = _reach(before[relative + 1 :][::-1], _BEFORE_ENDS)
    antecedent = _before([word for word in before[:relative] if word != ","])
    return _Act(between, antecedent | after) if between else _Act(antecedent, after)


def _before(words: list[str]) -> frozenset[str]:
    """Content words before a verb, back to a comma that leaves some, or the clause's begin."""
    kept: list[str] = []
    for word in words[::-1][: 2 * _REACH]:
        if word in _BEFORE_ENDS or (word == "," and kept) or len(kept) == _REACH:
            break
        if stem := _stem(word):
            kept.append(stem)
    return frozenset(kept)


_RELATIVE = frozenset(("that", "which", "who"))


def _reach(words: list[str], ends: frozenset[str]) -> frozenset[str]:
    kept: list[str] = []
    for word in words[: 2 * _REACH]:
        if word in ends or len(kept) == _REACH:
            break
        if stem := _stem(word):
            kept.append(stem)
    return frozenset(kept)


def _sides_changed(sentence: str, found: str) -> list[str]:
    """Says "AFIP succeeded ARCA" where the passage has "ARCA, which succeeded AFIP"; or names another doer."""
    held = _acts(found)
    for verb, acts in _acts(sentence).items():
        if verb in held and all(_opposed(acts[0], other) for other in held[verb]):
            return [f"has the sides of '{verb}' the other way round"]
        if verb in held and all(_other_doer(acts[0], other) for other in held[verb]):
            return [f"has another do what the passage says with '{verb}'"]
    return []


def _opposed(said: _Act, held: _Act) -> bool:
    both = held.doer & held.done_to
    doer, done_to = widened(tuple(held.doer - both)), widened(tuple(held.done_to - both))
    crossed = sum(stem in done_to and stem not in doer for stem in said.doer)
    turned = sum(stem in doer and stem not in done_to for stem in said.done_to)
    kept = sum(stem in doer for stem in said.doer) + sum(stem in done_to for stem in said.done_to)
    return bool(crossed and turned) or crossed + turned > kept


def _other_doer(said: _Act, held: _Act) -> bool:
    """Whether both name who does it, of the same thing, without a word in common."""
    if not said.doer or not held.doer or not any(stem in widened(tuple(held.done_to)) for stem in said.done_to):
        return False
    return not any(stem in widened(tuple(held.doer)) for stem in said.doer)


_PART = re.compile(
    r";|\b(?:while|whereas)\b|(?<=\)), (?=[A-Z])|, (?:and|but) (?=(?:an?|the|no|if|each|other)\b|[A-Z0-9\"“])|, (?=[\"“])| and (?=[\"“])"
)
_CHAINED = re.compile(
    r"\b(?:[Ii]t|[Ii]ts|[Tt]hey|[Tt]heir|[Tt]hem|[Tt]his|[Tt]hese|[Ss]uch|[Bb]oth|ones?|the same|the other|there)\b|^(?:The|All)\b"
)
_FINITE = re.compile(
    r"\b(is|are|was|were|has|have|had|must|may|can|could|will|shall|should|does|do|not|in|gives?|covers?|applies)\b",
    re.I,
)
_SIMPLE = re.compile(r"[,;:]|\b(?:and|or|but|while|whereas|which|who|because|so that)\b")
_GENERAL = frozenset(
    [
        "applic",
        "applic",
        "author",
        "authoriz",
        "authoris",
        "status",
        "compani",
        "date",
        "countri",
        "holder",
        "requir",
        "year",
        "custom",
        "arrang",
        "agreement",
        "time",
        "page",
        "report",
        "found",
        "sourc",
        "press",
    ]
)
"""Stems that bind nothing: any part may speak of them."""


def _parts(found: str) -> list[str]:
    """Parts of the evidence that stand beside each other, each with a subject of its own, without what leads in."""
    parts: list[str] = []
    for a, b in sentence_spans(found):
        _, colon, rest = found[a:b].partition(": ")
        pieces = [piece for piece in _PART.split(rest) if piece.strip()] if colon else []
        if len(pieces) < 2:
            pieces = [piece for piece in _PART.split(found[a:b]) if piece.strip()]
        listed = ";" in found[a:b]
        for piece in pieces:
            if parts and (_CHAINED.search(piece.strip()) or not (listed or _FINITE.search(piece))):
                parts[-1] += f" {piece}"
            else:
                parts.append(piece)
    return parts or [found]


def _parts_mixed(sentence: str, found: str, jurisdiction: str) -> list[str]:
    """A clause that takes its subject from one part of the evidence and what it says of it from another."""
    parts = _parts(found)
    if len(parts) < 2:
        return []
    held = [frozenset(terms(part)) for part in parts]
    shared = frozenset(terms(names(jurisdiction))) | lists().plain | _GENERAL
    own = [words - shared - frozenset().union(*(other for other in held if other is not words)) for words in held]
    for piece in _SIMPLE.split(sentence):
        said = set(terms(piece))
        counts = [len(said & words) for words in own]
        if sum(count > 0 for count in counts) > 1:
            return [f"joins words of separate parts of the passage: '{piece.strip()}'"]
    return []


# How far an arrangement or a measure has come. What a passage puts at one stage is not said of another.
_STATES = {
    "in force": re.compile(
        r"\b(in force|in place|in effect|effective|took effect|takes effect|started|began|came into|operat(es|ional)"
        r"|recogni[sz]es? each other|applies since|have applied|(is|are|been) recogni[sz]ed)\b",
        re.I,
    ),
    "signed": re.compile(r"\b(signed|signature|concluded)\b", re.I),
    "planned": re.compile(
        r"\b(preparing|prepares|prepared for|planned|plans?|action plan|negotiat\w+|talks|proposed|proposal|to follow|under way"
        r"|towards|intends?|intention|pilot|draft|not yet|no arrangement)\b",
        re.I,
    ),
}


def _wrong_state(sentence: str, found: str, jurisdiction: str) -> list[str]:
    """Says "in force" of what the passage calls signed or planned, in the part that the sentence speaks of."""
    said = {state for state, pattern in _STATES.items() if pattern.search(sentence)}
    if "in force" not in said or len(said) > 1 or re.search(r"\b(not|no|nor|without)\b", sentence, re.I):
        return []
    wanted = set(content(sentence)) - set(terms(names(jurisdiction)))
    parts = _parts(found)
    best = max(parts, key=lambda part: len(wanted & widened(terms(part))))
    held = {state for state, pattern in _STATES.items() if pattern.search(best)}
    return ["says 'in force' where the passage does not"] if held and "in force" not in held else []


_PAST = re.compile(
    r"\b(until (?:the|\d|january|february|march|april|may|june|july|august|september|october|november|december)"
    r"|earlier|former|formerly|previously|used to|(?:was|were) described|at that time)\b",
    re.I,
)
_DATED_PAST = re.compile(r"\b(?:in|by|on|at) [^.;,]{0,20}\b(?:19|20)\d\d\b(?=.*\b(?:was|were|could|had|did)\b)", re.I)
_PRESENT = re.compile(r"\b(is|are|has|have|must|may|can|does|do|applies|gives)\b", re.I)
_IN_PAST = re.compile(r"\b(was|were|had|did|been|could)\b|\b(19|20)\d\d\b", re.I)


def _past_as_present(sentence: str, found: str) -> list[str]:
    """What the passage tells of an earlier time, said as if it held now."""
    wanted = set(content(sentence))
    best = max(_parts(found), key=lambda part: len(wanted & widened(terms(part))))
    mark = _PAST.search(best) or (_DATED_PAST.search(best) if not _PRESENT.search(best) else None)
    if mark is None or _PAST.search(sentence) or _IN_PAST.search(sentence):
        return []
    return [f"says of now what the passage says with '{mark.group().casefold()}'"]


_QUANTITY = re.compile(
    r"(?P<bound>more than|less than|fewer than|at least|at most|no more than|not more than|no less than|over|under|exceeding"
    r"|up to|within|a minimum of|a maximum of)?\s*(?:the )?(?:RMB|EUR|USD|[€$£])?\s*"
    r"(?P<number>\d[\d.,/]*\d|\d|two|three|four|five|six|seven|eight|nine|ten|twelve)(?:th|st|nd|rd)?\s*(?P<share>%|per cent)?"
    r"(?:\s*(?P<kind>working|calendar|business|consecutive))?(?:\s*(?P<unit>days?|weeks?|months?|years?|hours?|minutes?|times?)\b)?"
    r"(?P<after> or (?:more|less|fewer|above|below|older))?(?P<earlier> (?:before|prior to|ahead of))?",
    re.I,
)
_LOW = re.compile(r"more than|at least|no less than|over|exceeding|minimum|or (more|above|older)", re.I)
_HIGH = re.compile(r"less than|fewer than|at most|more than|under|up to|within|maximum|or (less|fewer|below)", re.I)


@dataclass(frozen=True, slots=True)
class _Quantity:
    number: str
    unit: str
    working: str
    share: bool
    bound: str
    earlier: bool


def _quantities(text: str) -> list[_Quantity]:
    found: list[_Quantity] = []
    for match in _QUANTITY.finditer(text):
        bound = f"{match['bound'] or ''} {match['after'] or ''}".casefold().strip()
        if bound in ("no more than", "not more than"):
            side = "at most"
        elif _LOW.search(bound):
            side = "at least"
        else:
            side = "at most" if _HIGH.search(bound) else ""
        number = next(iter(figures(match["number"])), match["number"])
        unit = (match["unit"] or "").casefold().rstrip("s")
        kind = (match["kind"] or "").casefold()
        found.append(_Quantity(number, unit, kind, bool(match["share"]), side, bool(match["earlier"])))
    return found


def _wrong_measure(sentence: str, found: str) -> list[str]:
    """A number with another unit, another kind of day, or a bound that the passage does not give it."""
    held = _quantities(found)
    for said in _quantities(sentence):
        same = [each for each in held if each.number == said.number]
        if not same:
            continue
        if said.unit and all(each.unit and each.unit != said.unit for each in same):
            return [f"{said.number} {said.unit}s is {same[0].number} {same[0].unit}s in the passage"]
        if said.unit and all(each.unit and each.earlier != said.earlier for each in same):
            return [f"{said.number} {said.unit}s are counted {'back' if same[0].earlier else 'on'} in the passage"]
        if all(each.share != said.share for each in same):
            return [f"{said.number} is {'no share' if said.share else 'a share'} in the passage"]
        if (said.unit == "day" or said.working) and all(
            each.unit == "day" and each.working != said.working for each in same
        ):
            return [f"counts {said.working or 'plain'} days where the passage counts {same[0].working or 'plain'} days"]
        if said.bound and all(each.bound != said.bound for each in same) and not _loosely_bound(said, found):
            return [f"says '{said.bound}' of {said.number}, which the passage does not"]
    return []


def _loosely_bound(said: _Quantity, found: str) -> bool:
    """Whether the passage bounds its numbers in other words: "the limit is 3", "must not exceed 3"."""
    low = r"exceed|minimum|at least|or more|more than|no less|not less|least"
    high = r"not exceed|maximum|limit|at most|at the latest|by the|(?:no|not) (?:more|later)|until|before|within|period"
    return bool(re.search(low if said.bound == "at least" else high, found, re.I))


_EARLIER = re.compile(r"\b(before|prior to|preceding|previous|ahead of|until)\b", re.I)
_LATER = re.compile(r"\b(after|following|next|later|since|from|once|upon)\b", re.I)


def _wrong_order(sentence: str, found: str) -> list[str]:
    """Says "in the year before" for "in the following year": time words must stand beside the same words."""
    for match in re.finditer(r"\b(before|prior to|preceding|previous|after|following|next)\b", sentence, re.I):
        earlier = bool(_EARLIER.fullmatch(match.group()))
        same, other = (_EARLIER, _LATER) if earlier else (_LATER, _EARLIER)
        beside = _beside(sentence, match)
        if not beside:
            continue
        unit = _unit_before(sentence, match)
        units = {_unit_before(found, m) for m in (_EARLIER if earlier else _LATER).finditer(found)} - {""}
        if unit and units and unit not in units:
            return [f"says '{unit} {match.group().casefold()}' where the passage says '{min(units)}'"]
        there = [_beside(found, m) for m in same.finditer(found)]
        against = [_beside(found, m) for m in other.finditer(found)]
        near = max((len(beside & words) for words in there), default=0)
        far = max((len(beside & words) for words in against), default=0)
        if far > near or not there:
            return [f"says '{match.group().casefold()}' where the passage does not"]
    return []


def _unit_before(text: str, match: re.Match[str]) -> str:
    unit = re.search(r"\b(day|week|month|year|hour)s? $", text[: match.start()], re.I)
    return unit.group(1).casefold() if unit else ""


def _beside(text: str, match: re.Match[str]) -> set[str]:
    """The content words next to a time word, two on each side, within the sentence."""
    before = terms(re.split(r"[.;:]", text[: match.start()])[-1])[-2:]
    after = terms(re.split(r"[.;:]", text[match.end() :])[0])[:2]
    return {word for stem in (*before, *after) for word in (stem, *related(stem))}


def _either_for_both(sentence: str, found: str) -> list[str]:
    """Says "or" between two things that the passage joins with "and", and the other way round."""
    for join, other in (("or", "and"), ("and", "or")):
        for match in re.finditer(rf"([^\W_]+) {join} (?:the |an? |its )?([^\W_]+)", bounded(sentence), re.I):
            left, right = (_stem(word.casefold()) for word in match.groups())
            if not left or not right:
                continue
            if _joined(found, other, left, right) and not _joined(found, join, left, right):
                return [f"says '{match.group()}' where the passage says '{other}'"]
    return []


def _joined(found: str, join: str, left: str, right: str) -> bool:
    for match in re.finditer(rf"\b{join}\b", found):
        before = terms(re.split(r"[.;:]", found[: match.start()])[-1])[-3:]
        after = terms(re.split(r"[.;:,]", found[match.end() :])[0])[:3]
        if (left in before and right in after) or (right in before and left in after):
            return True
    return False


_CONDITION = re.compile(
    r"\b(?:if|unless|only|except|provided|subject to|as long as|to the extent|as far as(?! (?:sourced|sources|found|known)))\b"
)


def _condition_left_out(sentence: str, found: str) -> list[str]:
    """What the passage says under a condition of its own, said without it."""
    for match in re.finditer(r"\b(\w+)\b", sentence):
        verb = _stem(match.group().casefold())
        if verb not in lists().verbs:
            continue
        conditions = [
            clause
            for use in re.finditer(r"\b\w+\b", found)
            if _stem(use.group().casefold()) == verb and (clause := _condition_after(found, use.end()))
        ]
        uses = sum(_stem(word.casefold()) == verb for word in re.findall(r"\w+", found))
        if conditions and len(conditions) == uses and all(coverage(clause, sentence) < 0.3 for clause in conditions):
            return [f"leaves out '{conditions[0].strip()[:60]}'"]
    return []


def _condition_after(found: str, at: int) -> str:
    """The condition that follows within the clause, or ""."""
    rest = re.split(r"[.;:]|, and\b|\band (?:must|may|refuses|gives)\b", found[at:])[0]
    match = _CONDITION.search(rest)
    return rest[match.start() :] if match and len(terms(rest[: match.start()])) <= 6 else ""
