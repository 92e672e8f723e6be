"""Slack's message text and ours: what was asked, what may be shown, and where a long text may be cut."""

from __future__ import annotations

import re

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_REFERENCE = re.compile(r"<([^<>]*)>")
_EMOJI = re.compile(r"(?<!\w):[a-z][a-z0-9_'+-]*:(?!\w)")
_STYLE = re.compile(r"(?<![\w*_~])([*_~])(?=\S)(.+?)(?<=\S)\1(?![\w*_~])", re.DOTALL)
_QUOTED = ("&gt;", ">")

# From the gentlest cut to the last resort: paragraph, line, after a sentence's markers, sentence, word.
_CUTS = (
    re.compile(r"\n{2,}"),
    re.compile(r"\n"),
    re.compile(r"(?<=\])\s+(?!\[\d)"),
    re.compile(r"(?<=[.!?؟])\s+(?![\[\d])|(?<=[。！？])(?!\s*\[)"),
    re.compile(r"\s+(?!\[\d)"),
)


def question_text(text: str, bot_user_id: str = "") -> str:
    """What a message asks, as plain text: without mentions, markup, emoji codes, and lines quoted from others.

    Quoted lines are kept when there is nothing else: then they are what is asked about.
    """
    lines = text.splitlines()
    own = "\n".join(line for line in lines if not line.lstrip().startswith(_QUOTED))
    quoted = "\n".join(re.sub(r"^\s*(?:&gt;|>)+\s?", "", line) for line in lines)
    return _plain(own, bot_user_id) or _plain(quoted, bot_user_id)


def addresses(text: str, user_id: str) -> bool:
    """Whether a message mentions the user outside code, where a mention is only an example of one."""
    return re.search(rf"<@{re.escape(user_id)}(?:\|[^>]*)?>", _CODE.sub(" ", text)) is not None


def _plain(text: str, bot_user_id: str) -> str:
    text = _REFERENCE.sub(lambda match: _spoken(match.group(1), bot_user_id), text)
    text = text.replace("```", " ").replace("`", "")
    text = _EMOJI.sub(" ", text)
    text = _STYLE.sub(r"\2", text)
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return " ".join(text.split())


def _spoken(reference: str, bot_user_id: str) -> str:
    """A reference such as `@U123|name`, `#C123|name`, `https://…|label` as words."""
    target, _, label = reference.partition("|")
    if target.startswith("@"):
        return "" if target[1:] == bot_user_id else label
    if target.startswith("#"):
        return f"#{label}" if label else ""
    if target.startswith("!"):
        return ""
    return label or target


def escaped(text: str) -> str:
    """Text for `mrkdwn`, where nothing is read as a mention, a link or a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def harmless_markdown(text: str) -> str:
    """Markdown in which no `<!channel>`, `<@U…>` or `<#C…>` can take effect."""
    return re.sub(r"<(?=[@#!])", "&lt;", text)


def link(url: str, label: str) -> str:
    """A `mrkdwn` link; only the label where the address is none that a reader could open."""
    if not url.startswith(("https://", "http://")):
        return escaped(label)
    target = url.replace("&", "&amp;").replace("|", "%7C").replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    return f"<{target}|{escaped(label).replace('|', '¦')}>"


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, cut between words, with an ellipsis where something is left out."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    if " " in head[limit // 2 :]:
        head = head.rsplit(" ", 1)[0]
    return head.rstrip(" ,;:–-") + "…"


def parts(text: str, limit: int, gentleness: int = 0) -> list[str]:
    """The text in pieces of at most `limit` characters, cut at paragraphs, else sentences, else words.

    Whole paragraphs are gathered greedily, so that the first piece holds as many of them as fit. A sentence's markers
    stay with it.
    """
    if len(text) <= limit:
        return [text]
    if gentleness == len(_CUTS):
        return [text[start : start + limit] for start in range(0, len(text), limit)]
    found: list[str] = []
    gathered = ""
    for piece in _pieces(text, _CUTS[gentleness]):
        if len((gathered + piece).rstrip()) <= limit:
            gathered += piece
            continue
        if gathered.strip():
            found.append(gathered.strip())
        gathered = piece
        if len(piece.rstrip()) > limit:
            *full, gathered = parts(piece.rstrip(), limit, gentleness + 1)
            found += full
            gathered += piece[len(piece.rstrip()) :]
    if gathered.strip():
        found.append(gathered.strip())
    return found


def _pieces(text: str, cut: re.Pattern[str]) -> list[str]:
    """The text between cuts, each piece with the separator after it."""
    ends = [match.end() for match in cut.finditer(text)]
    starts = [0, *ends]
    return [text[start:end] for start, end in zip(starts, [*ends, len(text)], strict=True) if start < end]
