"""Thumbs-down answers as candidate questions: drafts that a person completes, without personal data."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from assistant.conversations import Conversations

_EMAIL = re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")
_DATE = r"(?:19|20)\d\d-[01]\d-[0-3]\d"
_PHONE = re.compile(rf"(?<![\w/.-])(?!{_DATE}(?!\d))(?:\+|00)?\(?\d[\d ()-]{{5,18}}\d(?![\w/]|\.\d)")
# Passport, tax and identity numbers: letters and digits in one run, or a long run of digits.
_IDENTITY = re.compile(
    r"(?<![\w/-])(?=(?:[A-Z-]*\d){5})(?:[A-Z]{1,5}-?\d[A-Z\d-]{5,}|\d{8,}[A-Z]?)(?![\w/])|\b\d{3}-\d{2}-\d{4}\b"
)
_NAME = r"[^\W\d_a-z][^\W\d_]*(?:['’-][^\W\d_]+)*"
_PARTICLES = r"(?:\s+(?:(?:de|da|do|dos|du|del|di|la|le|van|von|der|den|bin|al|el)\s+)*"
_TITLED = re.compile(
    # Carelessly written titles are followed by a name all the same; the others are words of their own in small letters.
    rf"\b((?i:mr|mrs|ms|mx|dr|prof|herrn?|frau|monsieur|madame|mme|señora?|senhora?)\.?)\s+[^\W\d_]+{_PARTICLES}{_NAME}){{0,3}}"
    rf"|\b((?:Miss|Sr|Sra|Don|Doña|Bay|Bayan|Bapak|Ibu|Pak|Bu)\.?)\s+{_NAME}{_PARTICLES}{_NAME}){{0,3}}"
)
_INTRODUCED = re.compile(
    r"\b((?i:my name is|ich heiße|je m'appelle|me llamo|meu nome é|nama saya|benim adım))\s+"
    rf"{_NAME}(?:\s+{_NAME}){{0,3}}"
)
_TITLED_AFTER = re.compile(
    r"[\u4e00-\u9fff]{1,4}(?=先生|女士|小姐)|[\u3040-\u30ff\u4e00-\u9fff]{1,6}(?=さん|様|氏)|[가-힣]{2,4}(?=\s?(?:씨|님))"
)


def masked(text: str) -> str:
    """The text with e-mail addresses, telephone and identity numbers, and names after a title replaced.

    >>> masked("Ms Ana Lee, ana@firm.example, +49 30 1234567, asks about Regulation 2015/2447")
    'Ms [name], [e-mail], [number], asks about Regulation 2015/2447'
    """
    text = _EMAIL.sub("[e-mail]", text)
    text = _IDENTITY.sub("[number]", text)
    text = _PHONE.sub("[number]", text)
    text = _TITLED.sub(lambda match: f"{match[1] or match[2]} [name]", text)
    text = _INTRODUCED.sub(r"\1 [name]", text)
    return _TITLED_AFTER.sub("[name]", text)


def candidates(conversations: Conversations, out: Path) -> int:
    """Write one draft a line for each question whose answer was found unhelpful, newest first; how many there are.

    A draft has the fields of a question, those that a person must decide being empty, and `review`: what was answered,
    which provisions were cited, and the comment. It is no question of a set until `review` is removed and it validates.

    Raises:
        DatabaseError: the database does not answer.
    """
    drafts: dict[str, dict[str, Any]] = {}
    for question, comment, answer in conversations.unhelpful():
        draft = _draft(masked(question), masked(comment), answer)
        known = drafts.setdefault(draft["id"], draft)
        if known is not draft:
            known["review"]["thumbs_down"] += 1
            known["review"]["comments"] += draft["review"]["comments"]
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(draft, ensure_ascii=False) + "\n" for draft in drafts.values()]
    out.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def _draft(question: str, comment: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "cand-" + hashlib.sha256(question.casefold().encode()).hexdigest()[:10],
        "split": "dev",
        "language": "",
        "question": question,
        "jurisdictions": answer["jurisdictions"],
        "audience": answer["audience"],
        "topic": "",
        "style": "",
        "expect": "",
        "reason": None,
        "facts": [],
        "forbidden": [],
        "references": [],
        "source": "feedback from a user",
        "twin": None,
        "review": {
            "status": answer["status"],
            "reason": answer["reason"],
            "cited": [f"{citation['jurisdiction']}: {citation['reference']}" for citation in answer["citations"]],
            "thumbs_down": 1,
            "comments": [comment] if comment else [],
        },
    }
