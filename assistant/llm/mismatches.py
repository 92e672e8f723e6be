"""What a sentence says that its evidence contradicts or does not hold. No score outweighs a mismatch. English only."""

from __future__ import annotations

import difflib
import re

from assistant.llm.wording import both_spellings, bounded, content, lists, names, related, widened
from assistant.programmes import mentions
from assistant.verify import figures
from indexing.analysis import terms
from indexing.sentences import sentence_spans

_NEGATION = re.compile(
    r"\b(not|no|never|none|nor|neither|without|cannot|nothing|nobody|nowhere)\b|n't\b"
    r"|\b(except|excluded|exclude[sd]?|prohibited|forbidden|banned|impossible|ineligible)\b",
    re.I,
)
_MUST = re.compile(
    r"\b(must|shall|(?:is|are) required|requires?|mandatory|obliged|obligatory|compulsory|has to|have to|had to"
    r"|needs?|needed|is to|are to|necessary|should)\b",
    re.I,
)
_MAY = re.compile(
    r"\b(may|can|could|might|optional|optionally|voluntary|voluntarily|allowed|permitted|possible|free to|able to"
    r"|choose|if (it|they) wish(es)?)\b",
    re.I,
)
_ALWAYS = re.compile(r"\b(all|every|always|any|each|both|automatically|whole|entire(ly)?)\b", re.I)
_AT_MOST = re.compile(r"\b(at most|at the latest|within|up to|maximum|under|below|less than|fewer than)\b", re.I)
_AT_LEAST = re.compile(r"\b(at least|minimum|or more|more than|over|above|exceed(s|ing)?)\b", re.I)

# Who does something: the one before the verb must be the same in both.
_ACTORS = re.compile(
    r"\b(applicants?|customs(?: administrations?| authorit(?:y|ies)| officers?)?(?! (?:declarations?|documents?|rules?|law|legislation"
    r"|procedures?|territory|dut(?:y|ies)|purposes|code|act|controls?|formalities|value|brokers?|agents?|matters|union|position"
    r"|penalt(?:y|ies)|simplifications|processes|activities|accounts|infringements?|data|stage)\b)|member states?|authorisation holders?"
    r"|holders?|compan(?:y|ies)|importers?|exporters?|officers?|hmrc|cbp|experts?|advisers?|accountants?|operators?"
    r"|carriers?|brokers?|authorit(?:y|ies)|members?|tax authority|ministry)\b",
    re.I,
)
_MODAL = re.compile(
    r"\b(must|shall|may|can|could|should|has to|have to|needs? to|examines?|decides?|provides?|files?|tells?|passes?"
    r"|gives?|checks?)\b",
    re.I,
)
_SAME_ACTOR = {
    "customs administration": "customs", "customs authority": "customs", "customs officer": "customs",
    "officer": "customs", "authority": "customs", "hmrc": "customs", "cbp": "customs",
    "authorisation holder": "company", "operator": "company", "member": "company", "holder": "company",
    "applicant": "company", "importer": "company", "exporter": "company", "carrier": "company", "broker": "company",
}  # fmt: skip


def mismatches(sentence: str, found: str, passage: str, jurisdiction: str, known: str = "") -> list[str]:
    """What the sentence says that the evidence contradicts or does not hold, one line each."""
    clause = closest(sentence, found)
    faults = [
        *_wrong_names(sentence, passage, jurisdiction, known),
        *_wrong_figures(sentence, found),
        *_misplaced_figures(sentence, found, jurisdiction),
        *_misplaced_names(sentence, found, jurisdiction),
        *_wrong_designation(sentence, f"{passage} {known}"),
        *_wrong_polarity(sentence, found),
        *_left_open(sentence, found),
        *_hedges(sentence, found),
        *_wrong_modality(sentence, clause, found),
        *_wrong_bound(sentence, found),
        *_rival_words(sentence, found, jurisdiction),
        *_critical_words(sentence, f"{found} {names(jurisdiction)} {known}"),
        *_wrong_actor(sentence, found),
        *_changed_words(sentence, found, f"{found} {names(jurisdiction)} {known}", f"{names(jurisdiction)} {known}"),
        *_exception_as_rule(sentence, found),
        *_far_figures(sentence, found, jurisdiction),
    ]
    return list(dict.fromkeys(faults))


_CLAUSE = re.compile(
    r"[;:()]|,(?!\d)|\b(?:and|but|if|unless|where|because|while|whereas|which|although|as long as|so that|when|before|after"
    r"|except)\b"
)


def _clauses(text: str) -> list[str]:
    """Sentences cut at commas and conjunctions; the conjunction stays with what it begins."""
    pieces: list[str] = []
    for a, b in sentence_spans(text):
        start = a
        for match in _CLAUSE.finditer(text, a, b):
            pieces.append(text[start : match.start()])
            start = match.start()
        pieces.append(text[start:b])
    return [piece.strip(" ,;:()") for piece in pieces if terms(piece)]


def closest(sentence: str, found: str) -> str:
    """The clauses of the evidence that share most words with the sentence, joined by " / "."""
    wanted = set(content(sentence))
    pieces = _clauses(found) or [found]
    shared = [len(wanted & widened(terms(piece))) for piece in pieces]
    top = max(shared)
    return " / ".join(piece for piece, count in zip(pieces, shared, strict=True) if count >= max(1, 0.7 * top)) or found


_NAME = re.compile(r"[A-Z][\w&’'-]*|\b\w*[a-z][A-Z]\w*|\S+@\S+|\b(?:https?://|www\.)\S+|\b\w+(?:\.\w+)+\.\w{2,}")


def _wrong_names(sentence: str, passage: str, jurisdiction: str, known: str) -> list[str]:
    """Names, acronyms, addresses and programmes that neither the passage nor its programme has."""
    held = both_spellings(f"{passage} {names(jurisdiction)} {known}").casefold()
    held_terms = widened(terms(held))
    missing: list[str] = []
    for match in _NAME.finditer(sentence):
        name = match.group().rstrip(".,;:'’").removesuffix("'s").removesuffix("’s")
        begins = not sentence[: match.start()].strip(" \"'“‘(") and not re.match(
            r" [A-Z][a-z]", sentence[match.end() :]
        )
        plain_word = name.isalpha() and (name[1:].islower() or len(name) == 1)
        if begins and plain_word:
            continue
        if re.search(rf"(?<!\w){re.escape(name.casefold())}(?!\w)", held):
            continue
        if plain_word and all(term in held_terms for term in terms(name)):
            continue
        missing.append(name)
    codes = {mention.code for mention in mentions(sentence)} - {jurisdiction}
    codes -= {mention.code for mention in mentions(f"{passage} {known}")}
    faults = [f"names {', '.join(missing)}, which the passage does not"] if missing else []
    return [*faults, *([f"names another programme: {', '.join(sorted(codes))}"] if codes else [])]


def _wrong_figures(sentence: str, found: str) -> list[str]:
    missing = figures(sentence) - figures(found)
    return [f"{', '.join(sorted(missing))} not in the supporting words"] if missing else []


_KIND = (
    ("share", re.compile(r"\d[\d.,]*\s?(?:%|per ?cent)")),
    ("money", re.compile(r"(?:[€£$¥₹]|\b(?:EUR|USD|GBP|INR|AUD|JPY|CNY|RMB|RM))\s?\d[\d.,]*", re.I)),
    (
        "day",
        re.compile(
            r"\b\d{1,2}(?= (?:january|february|march|april|may|june|july|august|september|october|november"
            r"|december)\b)",
            re.I,
        ),
    ),
    (
        "month",
        re.compile(
            r"\b(?:january|february|march|april|may(?= \d)|june|july|august|september|october|november|december)\b",
            re.I,
        ),
    ),
    ("year", re.compile(r"\b(?:19|20)\d\d\b(?!/)")),
    ("name", re.compile(r"\b[A-Za-z]+-?\d[\w.]*|\b\d+(?:[./]\d+)+|\b\d+\(\w+\)")),
)


def _kinds(text: str) -> dict[str, str]:
    """Each figure of a text and what kind it is: only figures of one kind can be mistaken for each other."""
    found: dict[str, str] = {}
    for kind, pattern in _KIND:
        for match in pattern.finditer(text):
            for figure in figures(match.group()):
                found.setdefault(figure, kind)
    return {figure: found.get(figure, "count") for figure in figures(text)}


def _segments(found: str) -> list[str]:
    """Pieces that each bind their own figures: cut outside brackets at commas, semicolons and "and"."""
    pieces: list[str] = []
    for a, b in sentence_spans(found):
        depth, start = 0, a
        cuts: list[int] = []
        for i in range(a, b):
            depth += (found[i] == "(") - (found[i] == ")")
            joins = found.startswith((" and ", " or ", " but "), i)
            if depth == 0 and (found[i] == ";" or (found[i] == "," and not found[i + 1 : i + 2].isdigit()) or joins):
                cuts.append(i)
        for cut in cuts:
            if figures(found[start:cut]) and figures(found[cut:b]):
                pieces.append(found[start:cut])
                start = cut
        pieces.append(found[start:b])
    return pieces


_ATTRIBUTION = re.compile(
    r"\b(according to|as (named|transcribed|reported|listed|stated|far as)|in the (firm|authority)\b)[^,;:.]*", re.I
)


def _misplaced_figures(sentence: str, found: str, jurisdiction: str) -> list[str]:
    """A figure whose neighbours in the sentence stand, in the evidence, beside other figures of its kind."""
    plain = _ATTRIBUTION.sub("", sentence)
    own = _kinds(plain)
    bound = [(frozenset(terms(piece)), _kinds(piece)) for piece in _segments(_ATTRIBUTION.sub("", found))]
    bound = [(words, kinds) for words, kinds in bound if kinds]
    if not own or len(bound) < 2:
        return []
    common = frozenset.intersection(*(words for words, _ in bound)) | _UNITS | frozenset(terms(names(jurisdiction)))
    wanted = [term for term in content(plain) if term not in common and term not in own]
    best = max(len(kinds.keys() & own.keys()) for _, kinds in bound)
    here = frozenset().union(*(words for words, kinds in bound if len(kinds.keys() & own.keys()) == best))
    beside = frozenset().union(
        *(
            words
            for words, kinds in bound
            if len(kinds.keys() & own.keys()) < best
            and any(kind in own.values() for f, kind in kinds.items() if f not in own)
        )
    )
    elsewhere = sum(term in beside and term not in here for term in wanted)
    if elsewhere and elsewhere > sum(term in here for term in wanted):
        return [f"{', '.join(sorted(own))} stands beside other words in the passage"]
    if taken := [term for term in wanted if term not in here and term in _next_to_others(found, own)]:
        return [f"'{taken[0]}' stands beside another figure than {', '.join(sorted(own))} in the passage"]
    for piece in _segments(plain):
        if crossed := _crossed(_kinds(piece), [kinds for _, kinds in bound]):
            return crossed
    return []


_NEAR_FIGURE = 3
"""Content words before a figure that it is read with."""


def _next_to_others(found: str, own: dict[str, str]) -> frozenset[str]:
    """Words shortly before a later figure that the sentence does not have, of a kind that it has."""
    near: set[str] = set()
    passed = False
    for piece in _segments(found):
        kinds = _kinds(piece)
        passed = passed or bool(kinds.keys() & own.keys())
        if kinds.keys() & own.keys() or not passed:
            continue  # what stands before may be the subject of both
        for match in re.finditer(r"[A-Za-z-]*\d[\w.,/-]*", piece):
            if any(kinds.get(figure) in own.values() for figure in figures(match.group())):
                near |= set(terms(piece[: match.start()])[-_NEAR_FIGURE:])
    return frozenset(near - _UNITS)


def _crossed(own: dict[str, str], bound: list[dict[str, str]]) -> list[str]:
    """Two figures joined that the evidence joins with others: "34 % in 2019" of "34 % in 2018 and 43 % in 2019"."""
    for one, kind in own.items():
        for other, other_kind in own.items():
            if kind == other_kind or any(one in kinds and other in kinds for kinds in bound):
                continue
            with_one = [kinds for kinds in bound if one in kinds]
            with_other = [kinds for kinds in bound if other in kinds]
            if any(other_kind in kinds.values() for kinds in with_one) and any(
                kind in kinds.values() for kinds in with_other
            ):
                return [f"{one} and {other} are not joined in the passage"]
    return []


def _names_in(text: str) -> frozenset[str]:
    """Terms written as names inside a sentence: capitalised elsewhere than at its start, acronyms, addresses."""
    found: set[str] = set()
    for a, b in sentence_spans(text):
        for match in _NAME.finditer(text, a, b):
            word = match.group().rstrip(".,;:'’").removesuffix("'s").removesuffix("’s")
            if match.start() > a or not word[1:].islower():
                found |= set(terms(word))
    return frozenset(found)


def _misplaced_names(sentence: str, found: str, jurisdiction: str) -> list[str]:
    """A name whose neighbours in the sentence stand, in the evidence, beside another name."""
    plain = _ATTRIBUTION.sub("", sentence)
    ours = frozenset(terms(names(jurisdiction))) | {"aeo", "annex", "articl", "art"}
    own = _names_in(plain) - ours
    pieces = [(frozenset(terms(piece)), _names_in(piece) - ours) for piece in _clauses(_ATTRIBUTION.sub("", found))]
    wanted = [term for term in content(plain) if term not in own and term not in ours]
    for name in sorted(own):
        here = [words for words, _ in pieces if name in words]
        beside = [words for words, named in pieces if name not in words and named - own]
        if not here or not beside:
            continue
        near, far = frozenset().union(*here), frozenset().union(*beside)
        elsewhere = sum(term in far and term not in near for term in wanted)
        if elsewhere > sum(term in near for term in wanted):
            return [f"{name} stands beside other words in the passage"]
    return []


_UNITS = frozenset({"day", "month", "year", "week", "hour"})
_DESIGNATION = re.compile(r"\b([A-Z][a-z]+)s? (?:No\.? )?([A-Z]?\d[\w./()]*|[A-Z]\b)")


_GRADE = re.compile(r"\b([A-E]{1,3}[+-]?) or (?:above|below|higher|better|lower)\b")


def _wrong_designation(sentence: str, known: str) -> list[str]:
    """A "Budget 2020" where the passage has "Budget 2021", "Level 1" for "Level 2", "Part B" for "Part A"."""
    said = {(m.group(1), m.group(2).rstrip(".,;)")) for m in _DESIGNATION.finditer(sentence)}
    held = {(m.group(1), m.group(2).rstrip(".,;)")) for m in _DESIGNATION.finditer(known)}
    words = {word for word, _ in held}
    wrong = [
        f"{word} {figure}"
        for word, figure in sorted(said - held)
        if word in words
        and not re.search(rf"\b{word}s? (?:[\d./()A-Z,-]+ |to |and |or |No\.? ){{0,6}}{re.escape(figure)}(?!\w)", known)
    ]
    graded = {m.group(1) for m in _GRADE.finditer(sentence)}
    if graded and (others := {m.group(1) for m in _GRADE.finditer(known)}) and graded - others:
        wrong.append(f"grade {min(graded - others)}")
    return [f"{', '.join(wrong)} is not in the passage"] if wrong else []


_SCOPE = 4
"""Content words after a negation that it covers."""
_NEAR_SCOPE = 3
"""Those that one negation of a sentence and one of its evidence must share a word in."""


def _denied(text: str, scope: int) -> list[str]:
    """Content words that stand under a negation: the next `scope` ones of its clause."""
    return [term for one in _denials(text, scope) for term in one]


def _wrong_polarity(sentence: str, found: str) -> list[str]:
    negated = bool(_NEGATION.search(bounded(sentence)))
    if negated and not _NEGATION.search(bounded(found)):
        return ["denies what the passage does not deny"]
    held = widened(_denied(found, _SCOPE + 2))
    said = _denied(sentence, _SCOPE)
    if negated and said and not any(term in held for term in said):
        return ["denies what the passage does not deny"]
    for one in _denials(sentence, _SCOPE):
        close = widened(_denied(found, _NEAR_SCOPE))
        if one and not any(term in close for term in one[:_NEAR_SCOPE]):
            return [f"denies what the passage does not deny ({', '.join(one[:2])})"]
    if negated and (wide := _denied_too_much(sentence, found)):
        return [f"denies what the passage does not deny ({wide})"]
    for a, b in sentence_spans(found) if not negated else ():
        affirmed = _affirmed(found[a:b])
        denied = set(_denied(found[a:b], 2))
        left = [t for t in terms(sentence) if ({t} | related(t)) & denied and not ({t} | related(t)) & affirmed]
        if left:
            return [f"leaves out a negation of the passage ({', '.join(left)})"]
    return []


def _denials(text: str, scope: int) -> list[list[str]]:
    """For each negation of a text the content words under it."""
    plain = bounded(text)
    found: list[list[str]] = []
    for match in _NEGATION.finditer(plain):
        rest = _CLAUSE.split(plain[match.end() :])[0]
        stop = re.search(r"[.!?](\s|$)", rest)
        reach = 2 if match.group().casefold() == "without" else scope
        found.append(
            terms(rest[: stop.start()] if stop else rest)[:reach] or terms(plain[: match.start()])[-1:]
        )  # need not
    return found


def _denied_too_much(sentence: str, found: str) -> str | None:
    """What stands after "or" under a negation, which the passage has and denies nowhere."""
    never = widened(_denied(found, 99))
    has = set(terms(found))
    for match in _NEGATION.finditer(sentence):
        rest = re.split(r"[.;:]", sentence[match.end() :])[0]
        _, either, second = rest.partition(" or ")
        for term in terms(second) if either else ():
            if term in has and term not in never and term not in lists().plain:
                return term
    return None


def _affirmed(text: str) -> frozenset[str]:
    """Terms that also stand outside the scope of every negation."""
    kept: list[str] = []
    for piece in _clauses(bounded(text)):
        match = _NEGATION.search(piece)
        kept += terms(piece[: match.start()] if match else piece)
    return frozenset(kept)


def _best_sentence(sentence: str, found: str) -> str:
    """The evidence's sentence, or its part between semicolons, that shares most words with the sentence."""
    wanted = set(content(sentence))
    pieces = [piece for a, b in sentence_spans(found) for piece in found[a:b].split(";") if piece.strip()]
    return max(pieces, key=lambda piece: len(wanted & widened(terms(piece))), default=found)


def _left_open(sentence: str, found: str) -> list[str]:
    """States as so what the passage only asks, checks or does not know: "whether …"."""
    for match in re.finditer(r"([^.;]*)\bwhether\b([^.;,]*)", found, re.I):
        if re.search(r"\b(whether|if|unclear|unknown)\b", sentence, re.I):
            return []
        unknown = re.search(
            r"\b(not found|unclear|unknown|not known|could not|not stated|not say|not confirmed)\b", found, re.I
        )
        asked = [term for term in terms(match.group(2)) if term not in lists().plain]
        held = widened(terms(sentence))
        shared = sum(term in held for term in asked)
        if unknown and shared and not re.search(r"\bnot\b", sentence, re.I):
            return ["states what the passage leaves open"]
        asking = [term for term in terms(match.group(1)) if term in lists().verbs]
        if asked and shared >= 0.6 * len(asked) and asking and not any(verb in held for verb in asking):
            return ["states what the passage only asks"]
    return []


_HEDGE = re.compile(
    r"\b(usually|normally|typically|generally|often|mostly|likely|probably|perhaps|possibly|about(?= \d)|around(?= \d)"
    r"|approximately|roughly|as a rule|in (?:most|many|some) cases|in general|tends? to|well (?:within|before|under)"
    r"|in practice|almost|nearly|at once|immediately|guaranteed?|certainly|definitely)\b",
    re.I,
)


def _hedges(sentence: str, found: str) -> list[str]:
    """A "usually" or a "certainly" that the passage does not say."""
    said = {match.group().casefold() for match in _HEDGE.finditer(sentence)}
    held = {match.group().casefold() for match in _HEDGE.finditer(found)}
    if said and not held:
        return [f"says '{min(said)}' where the passage does not"]
    return []


_SHOULD = re.compile(r"\b(should|recommend\w*|encouraged?|advisable|ought|expected to|preferabl\w+)\b", re.I)
_STRICT = re.compile(
    r"\b(must|shall|(?:is|are|be) required|requires?|mandatory|obliged|obligatory|compulsory|has to|have to)\b", re.I
)


_OPEN = re.compile(
    rf"{_MAY.pattern}|\\b(eligible|entitled|qualif\\w+|option\\w*|opportunity|right to|open to|if|access to|ways?|not|no)\\b",
    re.I,
)
_MODALS = {
    "must": "must", "shall": "must", "has to": "must", "have to": "must", "should": "should",
    "may": "may", "can": "may", "could": "may", "might": "may",
}  # fmt: skip


def _modal_verbs(text: str) -> dict[str, set[str]]:
    """The first words after each modal verb of a text, and the modal's force."""
    found: dict[str, set[str]] = {}
    for match in re.finditer(rf"\b({'|'.join(_MODALS)})\b((?: not| also| only| be)*) (\w+)", text, re.I):
        for term in terms(match.group(3)):
            found.setdefault(term, set()).add(_MODALS[match.group(1).casefold()])
    return found


def _other_modal(sentence: str, found: str) -> str | None:
    """A verb that the passage uses with "should" and the sentence with "must", also as the second of two verbs."""
    held = _modal_verbs(found)
    for verb, forces in held.items():
        for match in re.finditer(r"\w+", sentence):
            if terms(match.group()) != [verb]:
                continue
            before = [
                m.group().casefold()
                for m in re.finditer(rf"\b(?:{'|'.join(_MODALS)})\b", sentence[: match.start()], re.I)
            ]
            if before and _MODALS[before[-1]] not in forces and len(terms(sentence[: match.start()])) < 14:
                return match.group()
    return None


def _wrong_modality(sentence: str, clause: str, found: str) -> list[str]:
    must, may = bool(_MUST.search(sentence)), bool(_MAY.search(sentence))
    near_must, near_may = bool(_MUST.search(clause)), bool(_MAY.search(clause))
    best = _best_sentence(sentence, found)
    if _STRICT.search(sentence) and _SHOULD.search(best) and not _STRICT.search(best):
        return ["says 'must' where the passage says 'should'"]
    if _SHOULD.search(sentence) and not _SHOULD.search(found) and _STRICT.search(best):
        return ["says 'should' where the passage says 'must'"]
    if verb := _other_modal(sentence, found):
        return [f"gives '{verb}' another force than the passage"]
    if re.search(r"\b(will|going to)\b", sentence, re.I) and _MAY.search(best) and not re.search(r"\bwill\b", best):
        return ["says 'will' where the passage says 'may'"]
    if near_may and not near_must and not must and not _OPEN.search(sentence):
        return ["leaves out 'may'"]
    if must and not may and near_may and not near_must:
        return ["says 'must' where the passage says 'may'"]
    if may and not must and (near_must or _STRICT.search(best)) and not near_may and not _MAY.search(best):
        return ["says 'may' where the passage says 'must'"]
    if must and not _MUST.search(found) and _MAY.search(found):
        return ["says 'must' where the passage says 'may'"]
    if (
        must
        and re.search(r"\b(for example|for instance|such as|e\.g\.)", found)
        and not re.search(r"\b(example|instance|such as)\b", sentence)
    ):
        return ["says 'must' where the passage gives an example"]
    only = re.search(r"\b(only|solely|exclusively)\b", sentence, re.I)
    if only and not re.search(r"\b(only|solely|exclusively|just|no other|unless|none)\b", found, re.I):
        return ["says 'only' where the passage does not"]
    limit = re.search(r"\b(only|solely|exclusively)\b", clause, re.I)
    if (
        limit
        and not only
        and not re.search(r"\b(just|unless|not|except|no other|limited|without|cannot)\b", sentence, re.I)
    ):
        return ["leaves out 'only'"]
    if re.search(r"\bthe same\b", sentence) and not re.search(
        r"\b(same|identical|equal|equally|both|also|too)\b", found
    ):
        return ["says 'the same' where the passage does not"]
    total = re.search(r"\b(all|every|always|both|any|automatically)\b", sentence, re.I)
    if total and not _ALWAYS.search(found):
        return [f"says '{total.group().casefold()}' where the passage does not"]
    return []


def _wrong_bound(sentence: str, found: str) -> list[str]:
    said, held = bounded(sentence), bounded(found)
    if _AT_LEAST.search(said) and not _AT_LEAST.search(held) and _AT_MOST.search(held):
        return ["says 'at least' where the passage says 'at most'"]
    if _AT_MOST.search(said) and not _AT_MOST.search(held) and _AT_LEAST.search(held):
        return ["says 'at most' where the passage says 'at least'"]
    return []


def _rival_words(sentence: str, found: str, jurisdiction: str) -> list[str]:
    """Words that exclude each other: missing in the evidence, or in its best sentence, which has the rival instead."""
    said = _all_words(sentence)
    pieces = [found[a:b] for a, b in sentence_spans(found)]
    wanted = set(content(sentence)) - set(terms(names(jurisdiction))) - frozenset().union(*lists().rivals)
    near = _all_words(max(pieces, key=lambda piece: len(wanted & widened(terms(piece)))))
    anywhere = _all_words(found)
    faults = []
    for group in lists().rivals:
        for word in sorted(group & said):
            rivals = sorted(group - {word} - said)
            if (word not in anywhere and (other := [r for r in rivals if r in anywhere])) or (
                word not in near and (other := [r for r in rivals if r in near])
            ):
                faults.append(f"says '{word}' where the passage says '{other[0]}'")
    return faults


def _all_words(text: str) -> frozenset[str]:
    return frozenset(terms(text)) | frozenset(re.findall(r"[a-z]+", text.casefold()))


def _critical_words(sentence: str, known: str) -> list[str]:
    held = widened(terms(known))
    missing = [term for term in dict.fromkeys(terms(sentence)) if term in lists().critical and term not in held]
    return [f"speaks of {', '.join(missing)}, which the passage does not"] if missing else []


def _actors(text: str) -> set[str]:
    """Who stands next before each verb of duty or action, in one spelling each."""
    found: set[str] = set()
    for verb in _MODAL.finditer(text):
        before = text[max(0, verb.start() - 90) : verb.start()]
        named = list(_ACTORS.finditer(before))
        if named:
            found.add(_actor(named[-1].group()))
    return found


def _actor(word: str) -> str:
    plain = word.casefold()
    plain = re.sub(r"ies$", "y", plain)
    if plain != "customs":
        plain = re.sub(r"(?<!s)s$", "", plain)
    return _SAME_ACTOR.get(plain, plain)


def _wrong_actor(sentence: str, found: str) -> list[str]:
    said, held = _actors(sentence), _actors(found)
    if said and held and not said & held:
        return [f"has {', '.join(sorted(said))} do what {', '.join(sorted(held))} does"]
    return []


NEAR_COPY = 0.6
"""Share of a sentence's words, in order, that a sentence of the passage has: from there on each change counts."""
CLOSE_COPY = 0.7
"""From there on a word counts as changed even where another part of the passage has it."""
_TURNED = tuple(
    frozenset(words.split())
    for words in ("must shall", "should", "may can could might", "all", "each every", "some", "most")
)
"""Little words that may not take each other's place in a copy."""


def _changed_words(sentence: str, found: str, known: str, naming: str) -> list[str]:
    """A copy of the passage's sentence in which a word was put in place of another."""
    said = _plain_words(sentence)
    for a, b in sentence_spans(found):
        own = _plain_words(found[a:b])
        matcher = difflib.SequenceMatcher(None, own, said, autojunk=False)
        alike = sum(block.size for block in matcher.get_matching_blocks()) / max(len(said), 1)
        if alike < NEAR_COPY:
            continue
        close = alike >= CLOSE_COPY
        common = {word for word in own if word in said and re.search(r"[a-z/].*\d|\d.*[a-z/]", word)}  # C117, 33/2016
        if [word for word in own if word in common] != [word for word in said if word in common]:
            return ["has the figures of a sentence of the passage in another order"]
        for kind, i1, i2, j1, j2 in matcher.get_opcodes():
            if kind == "replace" and i2 - i1 <= 3 and (changed := _another(own[i1:i2], said[j1:j2], known)):
                return [f"has '{changed}' where the passage has '{' '.join(own[i1:i2])}'"]
            if kind == "replace" and close and (moved := _moved(own[i1:i2], said[j1:j2], naming)):
                return [f"has '{moved}' where the passage has '{' '.join(own[i1:i2])}'"]
    return []


def _plain_words(text: str) -> list[str]:
    return re.findall(r"[\w./()-]*\w", bounded(text).casefold())


def _another(own: list[str], said: list[str], known: str) -> str | None:
    """The first word said that the passage does not know, or that turns a duty into a choice, all into some."""
    held = widened(terms(known))
    for word in said:
        turned = any(word in one and other & set(own) for one in _TURNED for other in _TURNED if other is not one)
        if turned or any(stem not in held and stem not in lists().plain for stem in terms(word)):
            return word
    return None


def _moved(own: list[str], said: list[str], naming: str) -> str | None:
    """The first word said that is neither in the place it takes nor a name of the programme."""
    stems = [stem for word in own for stem in terms(word)]
    if not stems or len(own) > 6:
        return None
    held = widened([*stems, *terms(naming)])
    same = {_actor(word) for word in own if _ACTORS.fullmatch(word)}
    changed = (w for w in said if any(stem not in held and stem not in lists().plain for stem in terms(w)))
    return next((word for word in changed if _actor(word) not in same), None)


_EXCEPTION = re.compile(r"\b(?:except|unless|other than|with the exception of|but not)\b([^;.]*)", re.I)
_ALSO = re.compile(r"\b(even (?:if|where|when|though)|regardless|irrespective|no matter)\b", re.I)


def _exception_as_rule(sentence: str, found: str) -> list[str]:
    """What the passage excepts, said as if it were covered."""
    if (also := _ALSO.search(sentence)) and not _ALSO.search(found):
        return [f"says '{also.group().casefold()}' where the passage does not"]
    if _EXCEPTION.search(sentence) or _NEGATION.search(bounded(sentence)):
        return []
    wanted = widened(terms(sentence))
    for match in _EXCEPTION.finditer(found):
        excepted = [term for term in dict.fromkeys(terms(match.group(1))) if term not in lists().plain]
        if excepted and sum(term in wanted for term in excepted) >= 0.6 * len(excepted):
            return ["states an exception of the passage as its rule"]
    return []


def _far_figures(sentence: str, found: str, jurisdiction: str) -> list[str]:
    """A figure taken from one sentence of the passage for what another one says."""
    own = figures(sentence)
    spans = sentence_spans(found)
    if not own or len(spans) < 2:
        return []
    ignored = frozenset(terms(names(jurisdiction))) | _UNITS
    wanted = [term for term in content(_ATTRIBUTION.sub("", sentence)) if term not in ignored and not figures(term)]
    beside = [widened(terms(found[a:b])) for a, b in spans if own & figures(found[a:b])]
    best = max((sum(term in held for term in wanted) for held in beside), default=0)
    return ["its figure stands in another sentence of the passage"] if wanted and best <= 0.5 * len(wanted) else []
