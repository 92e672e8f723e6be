"""What the question means: the programmes it names or implies, the audience, the concepts, and what a follow-up refers to."""

from __future__ import annotations

import re
from dataclasses import replace

from assistant.concepts import concepts, concepts_in
from assistant.context import Context
from assistant.guard import clean
from assistant.language import detect
from assistant.messages import say, territories
from assistant.programmes import Mention, fold, mentions, programme_codes
from assistant.references import referred
from assistant.spelling import corrected, foreign, strange
from assistant.terms import in_english, known
from corpus.programmes import EU_MEMBERS, programmes
from indexing.search import Filter

_FOLLOW_UP = re.compile(
    r"^(and|what about|how about|but|so|also|then|ok(ay)?,?|same|or)\b|\b(it|that|this|there|they|them|those|these|one|same|the (first|second|other|latter|former))\b"
    r"|^(und|et|y|e|dan|ve|peki|was ist mit|qu'en est-il|qué pasa con|e quanto|bagaimana dengan)\b"
    r"|^(那|那么|那麼|では|それ|그럼|그러면|وماذا|وفي)"
)
_WITH = re.compile(r"\bwith\b|\bbetween\b")
_OFFICER = re.compile(
    r"\b(as (an?|the) (officer|validator|auditor|customs officer)|applicant('s|s)?\b|the (applicant|holder|operator|company)('s)?\b.{0,40}\b(check|examine|verify|assess|validat)"
    r"|(we|i|officers?|validators?) (examine|validate|assess|audit|inspect|verify|check)\b|validation (plan|visit|report)|what (should|must|do) (i|we|officers?|validators?) (look|check|examine|verify|ask)"
    r"|my (validation|audit) (visit|report)|when validating|during (a|the) validation|our administration|fellow officer)"
)
_DOMAIN = re.compile(
    r"\baeos?\b|\boeas?\b|authori[sz]ed economic|economic operator|trusted trader|customs|supply chain|\bctpat|c-tpat|mutual recognition|\bmras?\b|"
    r"accredit|certifi(ed|cate|cation)|validat|import(er|s|ing)?\b|export(er|s|ing)?\b|freight|forwarder|broker|trader|wco|safe framework|douan|aduan|zoll|"
    r"gümrük|bea cukai|海关|海關|税関|세관|관세|جمارك|alf[âa]ndeg|oea\b|yys\b|認證|认证|認定"
)

_OWN_CASE = re.compile(r"\b(we|our|us|i|i'm|my)\b")
"""Whoever speaks of his own case means one programme, also where nothing else shows what is asked."""

UNDETERMINED = "und"
"""ISO 639 code of a language that is not told apart."""
_PROGRAMME = re.compile(
    r"\baeo|\boea|authori[sz]ed|trusted (trader|operator)|c-?tpat|mutual recognition|\bmras?\b|certified|accredit|validat|safe framework"
)
_ELSEWHERE = re.compile(
    r"\b(income|corporate|corporation|council|property|capital gains?|inheritance|payroll|wealth|road|sales) tax|\btax (return|bracket|refund)s?\b"
    r"|\bvat\b.{0,20}\b(registration|threshold|rate|return)|\b(register|registration) for vat|\bvisas?\b|\bpassports?\b|\baadhaar\b"
    r"|\b(import )?(dut(y|ies)|tariffs?)( rates?)? (on|for) (?!release|clearance|entry|hold)|\bhs code|\bhts code|\bexchange rate|\bdriv(ing|er'?s) licen[cs]e"
    r"|\b(weather|recipe|hotels?|restaurants?|flights?|speed limit|football|movie|poem|tourist)\b"
)
"""Subjects of other authorities, and of none: they are ours only where the question names a programme of our field."""
_WHOSE = re.compile(
    r"\b(?:[Dd]oes|[Hh]as) ((?!AEO|OEA|MRA)[A-Z]\w{3,}) (?:have|run|offer|got|an?|any)\b"
    r"|\b(?:programme|program|scheme|rules|criteria|certificate|status|AEO)s? (?:of|in|by) (?:the )?((?!AEO|OEA|MRA)[A-Z][a-z]{3,})\b"
)
_ONE_LAND = {"ja": "JP", "ko": "KR", "th": "TH", "vi": "VN"}
"""Languages that are spoken in the territory of one programme: where none is named, that one is meant."""

NEAR = 0.38
"""Cosine with the nearest passage from which a question that names nothing of the field still belongs to it."""

_JOINS = re.compile(
    r"\b(join|apply|applying|become|eligible|compar\w*|differ\w*|versus|vs|than|which|either|each|respectively)\b"
)
"""What is asked about two programmes that is not whether one counts where the other applies."""
_HELD = re.compile(r"\W*(customs )?(aeos?|oeas?|members?(hip)?|certifi\w+|status|authori[sz]\w+)\b")
_THERE = re.compile(r"\b(in|to|into|by)\W+((the|mainland)\W+)*$")
_TAKES = re.compile(r"\W*(customs )?(accept|recogni|honou?r|treat|count|take|give)")

_LARGEST = ("EU", "US", "GB", "CN", "IN", "SG", "HK", "JP")
_SPOKEN_IN = {
    "zh-Hans": ("CN",), "zh-Hant": ("HK", "TW"), "ja": ("JP",), "ko": ("KR",), "es": ("EU", "MX"), "fr": ("EU", "CH"),
    "de": ("EU", "CH"), "pt": ("BR", "EU"), "id": ("ID",), "tr": ("TR",), "ar": ("SA", "AE"),
}  # fmt: skip
"""Programmes offered first, and before them those of territories where the question's language is spoken."""


def understand(context: Context) -> None:
    """Fill in text, programmes, audience and concepts; clarify or decline where that is not possible."""
    context.text = clean(context.question.text, context.settings.max_question_chars)
    held = frozenset(context.index.held(context.question.officer_access))
    context.language = detect(context.text)
    asked = _searchable(context.text)
    if context.language == "en":
        spelt = corrected(context.text, context.index)
        if foreign(spelt, context.index):
            context.language = UNDETERMINED
        else:
            asked = context.text = spelt
    named = mentions(context.text)
    abroad = not _about_recognition(asked) and _status_abroad(context.text, named)
    recognition = abroad or _about_recognition(asked)
    here, missing = programme_codes(named, held, places_count=recognition)
    if context.question.jurisdictions and all(mention.weak for mention in named):
        here, missing = [], []  # what was chosen counts for more than a hint
    elif not here and not missing:
        here = _implied(context, asked)
    here = _resume(context, named, asked, here)
    context.text = _searchable(context.text)
    question = context.question
    context.concepts = tuple(concepts_in(context.text))
    if abroad:  # what the status brings there depends on whether it is recognised
        context.concepts = tuple(concept for concept in concepts() if concept.id == "recognition")
    context.audience = question.audience or ("officer" if _OFFICER.search(fold(context.text)) else "applicant")
    if question.jurisdictions:
        context.jurisdictions = _chosen_or_named(question.jurisdictions, here, context)
    else:
        context.jurisdictions = tuple(here)
        if missing and not here:
            _no_programme(context, missing)
        elif missing:
            names = territories(missing, context.language)
            context.notices.append(say("no_guidance", context.language, names=names))


def _chosen_or_named(chosen: tuple[str, ...], here: list[str], context: Context) -> tuple[str, ...]:
    """What the question names wins over what was chosen before it; of two that recognise each other, both are meant."""
    if not here or set(here) <= set(chosen):
        return tuple(code for code in chosen if code in context.index.jurisdictions)
    if any(concept.topic == "recognition" for concept in context.concepts):
        return tuple(dict.fromkeys([*chosen, *here]))
    return tuple(here)


def _searchable(text: str) -> str:
    """The text itself, or its terms in English where it is in another language that the dictionary has."""
    language = detect(text)
    return in_english(text, language) if known(language) else text


def _implied(context: Context, asked: str) -> list[str]:
    """The programme of the provision that the question refers to by its pinpoint, if only one carries it."""
    codes = {passage.jurisdiction for passage in referred(context.index, asked)}
    if "EU" in codes:
        codes -= EU_MEMBERS
    if "GB" in codes:
        codes -= {"XI"}
    return list(codes) if len(codes) == 1 else []


def _no_programme(context: Context, missing: list[str]) -> None:
    names = territories(missing, context.language)
    context.decline("no_programme", say("no_programme", context.language, names=names))


def _about_recognition(text: str) -> bool:
    return any(concept.topic == "recognition" for concept in concepts_in(text))


def _status_abroad(text: str, named: tuple[Mention, ...]) -> bool:
    """Whether the status of one programme is asked about where another applies: "does our Korean AEO count in the US?"."""
    folded = fold(text)
    if len({mention.code for mention in named}) != 2 or _JOINS.search(folded):
        return False
    held = {m.code for m in named if not m.weak and (_is_status(m) or _HELD.match(folded[m.end :]))}
    there = {
        m.code
        for m in named
        if not _is_status(m) and (_THERE.search(_before(m, folded)) or _TAKES.match(folded[m.end :]))
    }
    return any(ours != theirs for ours in held for theirs in there)


def _is_status(mention: Mention) -> bool:
    words = fold(mention.words)
    return words.endswith("aeo") or words in getattr(programmes().get(mention.code), "own_names", ())


def _before(mention: Mention, folded: str) -> str:
    """The text before a mention; a name may have taken its preposition along ("in the US")."""
    return folded[: mention.start] + re.sub(r"\w+$", "", fold(mention.words))


def _resume(context: Context, named: tuple[Mention, ...], asked: str, here: list[str]) -> list[str]:
    """Complete a follow-up from the conversation: its programme, its subject, or both. Returns the programmes meant."""
    history = context.question.history
    if not history:
        return here
    own = concepts_in(asked)
    short = len(context.text.split()) <= 8 and len(context.text) <= 60
    refers = bool(_FOLLOW_UP.search(fold(context.text)))
    before = next((turn for turn in reversed(history) if turn.status != "declined"), history[-1])
    if before.jurisdictions and all(mention.weak and not mention.place for mention in named):
        named, here = (), []  # "what if we hold only AEOC?": a tier of the programme that is spoken of
    if here and refers and _WITH.search(fold(context.text)) and _about_recognition(before.question):
        # "and when was the one with Australia signed?": both sides
        context.text = f"{before.question} {context.text}"
        context.follows_up = True
        return list(dict.fromkeys([*before.jurisdictions, *here]))
    if named and (short or refers) and not own:
        # "and in the UK?": the earlier subject, the new programme
        subject = _without_programmes(before.question)
        context.text = f"{subject} {context.text}"
        context.follows_up = True
    elif before.status == "clarify" and named and short:
        context.text = f"{_without_programmes(before.question)} {context.text}"
        context.follows_up = True
    elif not named and not context.question.jurisdictions and before.jurisdictions and (refers or short or own):
        # "and how long is it valid?": the earlier programme, the new subject
        context.question = replace(context.question, jurisdictions=before.jurisdictions)
        context.follows_up = True
        if not own and (refers or short):
            context.text = f"{before.question} {context.text}"
    return here


def _without_programmes(text: str) -> str:
    for mention in reversed(mentions(text)):
        text = text[: mention.start] + text[mention.end :]
    return " ".join(text.split())


def scope(context: Context) -> None:
    """Decline what is not about AEO; choose the WCO for general questions; ask which programme where answers differ."""
    asked = fold(context.text)
    if _ELSEWHERE.search(asked) and not (_PROGRAMME.search(asked) or context.follows_up or _named_by_own_name(context)):
        decline_out_of_scope(context)
        return
    if context.jurisdictions:
        return  # whether the programme's guidance answers is seen when it has been searched
    if not in_field(context) and not (context.concepts and _near(context)):
        decline_out_of_scope(context)
        return
    varying = [concept for concept in context.concepts if concept.varies]
    general = any(concept.id == "definition" for concept in context.concepts) or context.audience == "officer"
    own_case = not context.concepts and _OWN_CASE.search(fold(context.text))  # "When may we try again?"
    unknown = _unknown_place(context)
    if unknown:
        context.decline("no_programme", say("no_programme", context.language, names=unknown))
    elif not general and _ONE_LAND.get(context.language) in context.index.jurisdictions:
        context.jurisdictions = (_ONE_LAND[context.language],)
    elif "WCO" in context.index.jurisdictions and (general or not (varying or own_case)):
        context.jurisdictions = ("WCO",)
    else:
        _ask_for_programme(context)


def in_field(context: Context) -> bool:
    """Whether the question names AEO, trade or customs, a programme by its own name, or goes on about one that was."""
    return bool(_DOMAIN.search(fold(context.text))) or context.follows_up or _named_by_own_name(context)


def _named_by_own_name(context: Context) -> bool:
    registry = programmes()
    return any(
        fold(mention.words) in registry[mention.code].own_names
        for mention in mentions(context.text)
        if mention.code in registry
    )


def _unknown_place(context: Context) -> str | None:
    """The name after "programme of …" or in "Does … have a programme", where neither we nor the guidance know it."""
    for match in _WHOSE.finditer(context.question.text):
        name = match[1] or match[2]
        if strange(name, context.index):
            return name
    return None


def _near(context: Context) -> bool:
    rows = context.index.rows(Filter())
    return bool(len(rows)) and float(context.index.dense(context.index.embed([context.text])[0], rows).max()) >= NEAR


def decline_out_of_scope(context: Context) -> None:
    """Say what is answered here instead."""
    context.decline("out_of_scope", say("out_of_scope", context.language))


def _ask_for_programme(context: Context) -> None:
    held = context.index.jurisdictions
    near = _SPOKEN_IN.get(context.language, ())
    first = [code for code in dict.fromkeys((*near, *_LARGEST)) if code in held][:6]
    registry = programmes()
    asked = context.question.text if known(context.language) else context.text
    question = asked.strip().rstrip("?？。.؟ ")
    context.clarify(
        "ambiguous_programme",
        say("ambiguous_programme", context.language, count=len(held)),
        [f"{question}, {registry[code].name}?" for code in first],
    )
