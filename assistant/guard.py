"""What is answered at all: no steering of the assistant, no personal data, nothing that would deceive customs."""

from __future__ import annotations

import re
import unicodedata

from assistant.answer import QuestionError
from assistant.context import Context
from assistant.messages import say
from assistant.programmes import fold
from assistant.terms import in_english, known

# Tags, zero-width and direction-override characters can hide text from the reader.
_INVISIBLE = re.compile("[\U000e0000-\U000e007f\u200b\u2060-\u2064\u202a-\u202e\u2066-\u2069\ufeff]")

_INJECTION = re.compile(
    r"""(ignore|disregard|forget|override|bypass)\b.{0,40}\b(instruction|prompt|rule|guideline|restriction|above|previous|prior|guard)
    |\b(system|hidden|initial|developer)\ (prompt|message|instruction)s?\b
    |(reveal|print|show|repeat|output|leak).{0,30}\b(your|the)\b.{0,15}(prompt|instructions|configuration|api\ key|system\ message)
    |\byou\ are\ (now|no\ longer)\b|\bact\ as\ (if|an?|the|my)\b|\bpretend\ (to\ be|you)|\brole-?play\ as\b
    |\bjailbreak|\bdan\ mode|developer\ mode|\bdo\ anything\ now\b|without\ (any\ )?(citation|sources?|restriction|filter)s?\b
    |(answer|reply|respond|say)\ (only\ )?(with\ )?["'“].{1,80}["'”]\ (only|and\ nothing)|\bnew\ instructions?\b|</?(system|assistant|user)>|\brepeat\ after\ me\b|\bpretend\b|\bmade-?up\ (citation|source|article)|\binvent\ (a|an|the|some)\b
    |忽略.{0,12}(指令|指示|提示|规则|規則)|無視.{0,8}指示|ignorier.{0,20}anweisung|ignor(a|e|ez).{0,25}(instruccion|instruction|instruç)""",
    re.VERBOSE,
)

_DECEIT = re.compile(
    r"""\b(hid(e|es|ing|den)|conceal(s|ing)?|cover\ up|keep\ quiet|disguise|launder)\b.{0,60}\b(customs|infringement|violation|offen[cs]e|debt|incident|breach|
        conviction|goods|cargo|owner|problem|penalt|past|record)
    |\b(fake|forge|falsif\w*|fabricat\w*|backdat\w*|doctor|counterfeit)\b.{0,60}\b(record|document|certificate|declaration|invoice|seal|
        training|log|audit|background|account|evidence|report|questionnaire|saq|papers?|minutes)
    |\b(bribe|pay\ off|kickback)\b|\bundeclared\b|\bon\ paper\b.{0,60}\bsame\ people\b|\b(straw|front|sham)\ (man|director|company|owner)\b|\bsmuggl(e|ing)\b.{0,25}\b(without|past|through|how|using|with)|\bhow\b.{0,30}\bsmuggle
    |\b(trick|deceive|fool|mislead|lie\ to|cheat)\b.{0,30}\b(customs|officer|validator|auditor|inspector|specialist|them)
    |\b(avoid|evade|dodge|get\ around|escape)\b.{0,20}\b(duty|duties|tax|taxes|detection|being\ caught|controls?|inspections?)\b(?!.{0,30}legal)
    |\bwithout\b.{0,20}\bcustoms\b.{0,20}\b(knowing|noticing|finding)|under-?(value|declar)|\bundetected\b""",
    re.VERBOSE,
)

_PERSONAL_GIVEN = re.compile(
    r"""\b(passport|social\ security|ssn|national\ id|identity\ card|id\ card|credit\ card|iban|driver'?s?\ licen[cs]e|aadhaar|pan\ card)\b.{0,25}\b
        [a-z]{0,4}[\d-]{5,}
    |\b\d{3}-\d{2}-\d{4}\b|\b(?:\d[ -]?){13,16}\b|\bborn\ (on\ )?\d|\bdate\ of\ birth\b.{0,15}\d""",
    re.VERBOSE,
)
_PERSONAL_ASKED = re.compile(
    r"""\b(home\ address|private\ (address|number|phone|e-?mail)|personal\ (phone|mobile|number|e-?mail|address|details|data\ (of|on|about))|
        mobile\ number|cell\ ?phone|salary|date\ of\ birth|birthday|marital|religion|medical)\b
        .{0,60}\b(of|for|officer|inspector|director|employee|mr|mrs|ms|his|her|their|manager|validator|specialist|who)\b
    |\b(officer|inspector|director|validator|specialist|mr|mrs|ms)\b.{0,50}\b(home\ address|private\ (address|number|phone)|personal\ (phone|mobile|number|
        e-?mail)|mobile\ number|cell\ ?phone|salary|date\ of\ birth|where\b.{0,10}\blives?)
    |\b(names?|salar(y|ies)|(phone|mobile)\ numbers?|home\ addresses)\b.{0,40}\bof\b.{0,40}\b(staff|employees|workers|drivers|guards|directors)\b
    |\b(criminal\ record|background|passport\ number|conviction)s?\ of\ (mr|mrs|ms|dr|[a-z]+\ [a-z]+,)|\bwhere\ does\b.{0,30}\blive\b""",
    re.VERBOSE,
)


def clean(text: str, limit: int) -> str:
    """The question as text: normalised, without invisible characters.

    Raises:
        QuestionError: empty, longer than `limit` characters, or binary.
    """
    if len(text) > limit:
        raise QuestionError(f"the question has {len(text):,} characters, more than the {limit:,} allowed; shorten it")
    controls = sum(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") and c not in "\n\r\t" for c in text)
    if controls or "\ufffd" in text:
        raise QuestionError("the question holds control or binary characters; send plain text")
    plain = " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())
    if not any(c.isalnum() for c in plain):
        raise QuestionError("the question is empty; write what you would like to know")
    return plain


def guard(context: Context) -> None:
    """Decline what must not be answered."""
    asked = fold(clean(context.question.text, context.settings.max_question_chars))
    if known(context.language):
        asked += "\n" + in_english(asked, context.language)
    hidden = any(0xE0000 <= ord(c) <= 0xE007F for c in context.question.text)
    if hidden or _INJECTION.search(asked):
        context.decline("injection", say("injection", context.language))
    elif _PERSONAL_GIVEN.search(asked) or _PERSONAL_ASKED.search(asked):
        context.decline("personal_data", say("personal_data", context.language))
    elif _DECEIT.search(asked):
        context.decline("out_of_scope", say("deceit", context.language))
