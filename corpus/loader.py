"""Reads guidance notes: YAML front matter, then Markdown in which each paragraph or list item is a provision."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import ValidationError

from corpus.schema import TOPIC_HEADINGS, Cited, CorpusError, FrontMatter, Note, Provision, Topic

NOTES = Path(__file__).parent / "notes"
DATA = Path(__file__).parent / "data"

# A provision ends with "[@key, locator; @key2, locator]" and/or "{valid_to=2026-03-31}" (Pandoc's citation and
# attribute syntax).
_CITATION = re.compile(r"\s*\[(@[^\]]+)\]\s*$")
_ATTRIBUTES = re.compile(r"\s*\{([^{}]*)\}\s*$")
_ATTRIBUTE = re.compile(r"(unverified|gap)|(valid_from|valid_to)=(\d{4}(?:-\d{2}){0,2})")
_FENCE = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)


def note_paths(root: Path = NOTES) -> list[Path]:
    """All notes under `root`, in a stable order."""
    return sorted(root.rglob("*.md"))


def load_note(path: Path) -> Note:
    """Parse one note.

    Raises:
        CorpusError: naming the file, the line and what to write instead.
    """
    try:
        raw = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: not UTF-8 at byte {error.start}; save the note as UTF-8") from error
    return parse_note(raw, path)


def parse_note(raw: str, path: Path) -> Note:
    """Parse a note's text; `path` only names it in errors."""
    fence = _FENCE.match(raw)
    if not fence:
        raise CorpusError(f"{path}:1: no front matter; begin the note with a block between two lines of ---")
    front = _front_matter(fence.group(1), path)
    first_line = raw[: fence.end()].count("\n")
    provisions = tuple(_provisions(raw[fence.end() :], first_line, front, path))
    return Note(path, front, provisions)


def _front_matter(text: str, path: Path) -> FrontMatter:
    try:
        # BaseLoader keeps every scalar a string: "2025" and "NO" stay what the author wrote.
        fields = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 2
        raise CorpusError(f"{path}:{line}: front matter is not YAML: {error.problem}") from error
    if not isinstance(fields, dict):
        raise CorpusError(f"{path}:2: front matter must be 'name: value' lines")
    try:
        return FrontMatter.model_validate({k: v for k, v in fields.items() if v not in ("", "null")})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        line = _line_of(str(first["loc"][0]), text)
        raise CorpusError(f"{path}:{line}: front matter field '{where}': {first['msg']}") from error


def _line_of(field: str, front: str) -> int:
    for number, line in enumerate(front.splitlines(), start=2):
        if line.startswith(f"{field}:"):
            return number
    return 2


def _provisions(body: str, offset: int, front: FrontMatter, path: Path) -> Iterator[Provision]:
    """One pass over the blocks with one heading stack."""
    lines = body.splitlines()
    headings: list[str] = []
    topic: Topic | None = None
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    for index, token in enumerate(tokens):
        first = token.map[0] if token.map else 0
        if token.type == "heading_open":
            level = int(token.tag[1])
            title = tokens[index + 1].content
            headings = [*headings[: level - 1], title]
            if level == 2:
                topic = TOPIC_HEADINGS.get(title)
                if topic is None:
                    known = "; ".join(TOPIC_HEADINGS)
                    raise CorpusError(
                        f"{path}:{offset + first + 1}: '{title}' is no standard topic; use one of: {known}"
                    )
        elif _is_provision(token):
            assert token.map is not None
            line = offset + first + 1
            if topic is None:
                raise CorpusError(f"{path}:{line}: text before the first topic; put it under a '## ' heading")
            text = _unmarked(lines[token.map[0] : token.map[1]])
            yield _provision(text, tuple(headings), topic, line, front, path)
        elif token.type in ("table_open", "fence", "html_block", "blockquote_open") and token.level == 0:
            raise CorpusError(f"{path}:{offset + first + 1}: write provisions as paragraphs or list items only")


def _is_provision(token: Token) -> bool:
    """Top-level paragraphs and top-level list items; what is nested stays part of them."""
    return (token.type == "paragraph_open" and token.level == 0) or (
        token.type == "list_item_open" and token.level == 1
    )


def _unmarked(lines: list[str]) -> str:
    """Drop the list marker, fold wrapped lines, keep the lines of sub-items.

    A number begins a sub-item only as the next of a list that began with 1: a line may be wrapped before "2024.".
    """
    kept: list[str] = []
    items = 0
    for number, line in enumerate(lines):
        stripped = line.strip()
        if number == 0:
            stripped = re.sub(r"^([-*+]|\d+[.)])\s+", "", stripped)
        marker = re.match(r"([-*+]|(\d+)[.)])\s+", stripped) if number else None
        is_item = marker is not None and marker.group(2) in (None, str(items + 1))
        if is_item and marker is not None and marker.group(2):
            items += 1
        if is_item or not kept:
            kept.append(stripped)
        elif stripped:
            kept[-1] = f"{kept[-1]} {stripped}"
    return "\n".join(kept).strip()


def _provision(
    text: str, headings: tuple[str, ...], topic: Topic, line: int, front: FrontMatter, path: Path
) -> Provision:
    attributes: dict[str, str] = {}
    if match := _ATTRIBUTES.search(text):
        text = text[: match.start()]
        for word in match.group(1).split():
            parsed = _ATTRIBUTE.fullmatch(word)
            if not parsed:
                raise CorpusError(
                    f"{path}:{line}: '{word}' is no attribute; use unverified, gap, valid_from=DATE or valid_to=DATE"
                )
            attributes[parsed.group(1) or parsed.group(2)] = parsed.group(3) or ""
    cited: tuple[Cited, ...] = ()
    if match := _CITATION.search(text):
        text = text[: match.start()]
        cited = tuple(_cited(part.strip(), front, line, path) for part in match.group(1).split(";"))
    if not cited and "gap" not in attributes:
        raise CorpusError(f"{path}:{line}: provision without source; end it with [@key, locator] or mark it {{gap}}")
    return Provision(
        text=text.strip(),
        headings=headings,
        topic=topic,
        cited=cited,
        line=line,
        valid_from=attributes.get("valid_from") or front.valid_from,
        valid_to=attributes.get("valid_to") or front.valid_to,
        status="gap" if "gap" in attributes else "unverified" if "unverified" in attributes else "verified",
    )


def _cited(part: str, front: FrontMatter, line: int, path: Path) -> Cited:
    key, _, locator = part.removeprefix("@").partition(",")
    if not part.startswith("@") or key.strip() not in front.sources:
        raise CorpusError(f"{path}:{line}: source '{part}' is not listed under 'sources' in the front matter")
    return Cited(key.strip(), locator.strip())
