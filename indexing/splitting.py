"""Blocks to passages: one pass, one heading stack, and from both the pinpoint of every provision.

A passage is one provision: a paragraph, a numbered item with the words that lead into it, a paragraph with its bullets,
one row of a table, one footnote. What is longer than the embedding model reads is cut at sentence ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from indexing.embedding import MAX_TOKENS, OnnxEmbedder
from indexing.readers.blocks import Block
from indexing.sentences import sentence_spans

TOKENS = MAX_TOKENS - 2
"""Word pieces per passage; the model adds one at each end."""

_CONTEXT_TOKENS = 100
"""Of these, at most so many for words that lead into an item."""

# What a unit of a legal text is called, by rank. A unit of a higher rank closes those below it.
_NAMES: dict[str, str] = {
    "annex": "annex|annexe|anexo|anhang|anlage|allegato|appendix|schedule|lampiran|phụ lục|приложение|додаток|ملحق|"
    "الملحق",
    "part": "part|partie|parte|teil|title|titel|titre|título|titulo|titolo|book|livre|раздел|розділ|bagian|kısım",
    "chapter": "chapter|chapitre|capítulo|capitulo|kapitel|capitolo|глава|bab|bölüm|chương|الفصل|الباب|หมวด",
    "section": r"section|sec\.|sección|seccion|seção|abschnitt|sezione|סעיף",
    "article": r"article|art\.|artículo|articulo|artigo|articolo|artikel|статья|стаття|член|madde|pasal|điều|المادة|"
    "مادة|มาตรา|ข้อ|rule|regulation|clause|paragraph|standard|recommended practice|§",
}
_RANK = {name: rank for rank, name in enumerate(_NAMES)}
_NUMBER = r"(?:\d+(?:[.-]\d+)*[A-Za-z]?|[IVXLC]+|[A-Z])(?:er|º|°|ª)?(?:\s(?:bis|ter|quater)\b)?"
_WESTERN = re.compile(
    r"(?P<key>" + "|".join(f"(?P<{rank}>{names})" for rank, names in _NAMES.items()) + r")"
    rf"\s*(?:no\.?\s*|№\s*)?(?-i:(?P<number>{_NUMBER}))(?![\w/])",
    re.IGNORECASE,
)
_HAN_DIGITS = "〇零一二三四五六七八九"
_HAN_NUMBER = rf"[{_HAN_DIGITS}十百千\d]+"
_EASTERN = re.compile(
    rf"(?P<article>第\s*{_HAN_NUMBER}\s*[条條](?:[之の]\s*{_HAN_NUMBER})?|제\s*\d+\s*조(?:의\s*\d+)?)"
    rf"|(?P<section>第\s*{_HAN_NUMBER}\s*[节節]|제\s*\d+\s*절)"
    rf"|(?P<chapter>第\s*{_HAN_NUMBER}\s*章|제\s*\d+\s*장)"
    rf"|(?P<part>第\s*{_HAN_NUMBER}\s*[编編篇]|제\s*\d+\s*편)"
    rf"|(?P<annex>附[件录錄表]\s*{_HAN_NUMBER}?|別表(?:第{_HAN_NUMBER})?|별표\s*\d*)"
)
# After the label, these show that the words only speak of the unit.
_MENTION = re.compile(r"[的之规規定及和或、，。至所にのをはが에의을를는은와과]|第")
_TITLE_IN_BRACKETS = re.compile(r"^[(（][^()（）]{1,60}[)）]\s*")
_DECIMAL = re.compile(r"(\d{1,3}(?:\.\d{1,3})+)\.?(?:\s+|$)(?=[^\W\d]|[\"'“‘«(（\[]|$)")
_INTEGER_HEADING = re.compile(r"(\d{1,3})(?:[.):]\s*|\s+)(?=[^\W\d_a-z])")
_LETTER_HEADING = re.compile(r"\(?([A-Z]|[IVXLC]+)[.)]\s+(?=\S)")

# Numbers of items: the shape tells the level ("1." over "(a)" over "(i)").
_ITEM = re.compile(
    r"(?P<paren>[(（](?P<p>\d{1,3}[A-Za-z]?|[A-Za-z]{1,4}|[\u0621-\u064a\u05d0-\u05ea]|[а-яёіїє])[)）])"
    r"|(?P<dot>(?P<d>\d{1,3}|[A-Za-z]|[ivxIVX]{2,5}|[а-яёіїє])(?P<sign>[.)．]))(?=[\s(（]|$)"
    r"|(?P<circled>[①-⑳])"
    rf"|(?P<han>[(（][{_HAN_DIGITS}十]+[)）]|[{_HAN_DIGITS}十]+、)"
)
_WIDE = str.maketrans("０１２３４５６７８９", "0123456789")
_ENDS = (".", ";", "!", "?", "。", "；", "！", "？", "؟", "؛")


@dataclass(frozen=True, slots=True)
class Part:
    """A passage to be: what the splitter knows of it."""

    text: str
    """`context` and the provision's own words, each block on a line of its own."""
    context: tuple[str, ...]
    """Words that lead into an item, repeated from above it: the first lines of `text`."""
    heading_path: tuple[str, ...]
    reference: str
    """The pinpoint: "Article 39(c)"; the innermost heading where nothing is numbered; "" without either."""
    page: int | None


@dataclass(slots=True)
class _Heading:
    level: int
    text: str
    label: str = ""
    rank: str = ""
    number: str = ""
    used: bool = False
    """Whether anything stands under it."""
    page: int | None = None


@dataclass(slots=True)
class _Level:
    """An item that is open: further items may be under it."""

    shape: str
    value: str
    depth: int
    lead: str = ""


@dataclass(slots=True)
class _Group:
    """The passage being collected."""

    context: tuple[str, ...]
    lines: list[str]
    reference: str
    headings: tuple[str, ...]
    page: int | None
    levels: int


@lru_cache(maxsize=1)
def _tokenizer() -> Any:
    tokenizer = OnnxEmbedder().tokenizer
    tokenizer.no_truncation()
    return tokenizer


@lru_cache(maxsize=4096)
def token_count(text: str) -> int:
    """Word pieces of a text under the default model, or an upper bound where the text is short."""
    if text.isascii() and len(text) <= TOKENS:
        return len(text)
    return len(_tokenizer().encode(text, add_special_tokens=False).ids)


def split(blocks: Sequence[Block], language: str = "en", limit: int = TOKENS) -> list[Part]:
    """Passages of a document in reading order. No word of a block is lost; headings are in the passages' paths."""
    return _Splitter(language, limit).run(blocks)


class _Splitter:
    def __init__(self, language: str, limit: int) -> None:
        self._language = language
        self._limit = limit
        self._headings: list[_Heading] = []
        self._levels: list[_Level] = []
        self._lead = ""  # of the paragraph over the outermost items
        self._bare = False  # the last block was a heading that is a label only: its title may follow
        self._group: _Group | None = None
        self._parts: list[Part] = []

    def run(self, blocks: Sequence[Block]) -> list[Part]:
        for block in blocks:
            match block.kind:
                case "heading":
                    self._heading(block)
                case "row":
                    self._close()
                    self._single(block, f"table: {_short(block.marker)}")
                case "footnote":
                    self._close()
                    self._single(block, f"footnote {block.marker}".strip())
                case _:
                    self._body(block)
        self._close()
        self._pop(0)
        return self._parts

    # Headings

    def _heading(self, block: Block) -> None:
        if self._bare and self._headings and not _unit(block.text):
            self._title(block.text)
            return
        heading = _Heading(block.level, block.text, page=block.page)
        if unit := _unit(block.text):
            heading.label, heading.rank, heading.number, rest = unit
            self._bare = not rest.strip(" .:–—-")
        elif match := _DECIMAL.match(block.text) or _INTEGER_HEADING.match(block.text):
            heading.label, heading.rank, heading.number = f"§ {match.group(1)}", "decimal", match.group(1)
        elif match := _LETTER_HEADING.match(block.text):
            heading.label, heading.rank = match.group(1), "decimal"
        self._push(heading)

    def _push(self, heading: _Heading) -> None:
        self._close()
        self._pop(min(heading.level, self._level_of_equal(heading)))
        for above in self._headings:
            above.used = True
        self._headings.append(heading)
        self._levels, self._lead = [], ""
        self._bare = self._bare and bool(heading.label)

    def _level_of_equal(self, heading: _Heading) -> int:
        """The level of the open unit that a new unit of its rank or a higher one closes."""
        rank = _RANK.get(heading.rank, len(_RANK))
        closed = [h.level for h in self._headings if h.rank in _RANK and _RANK[h.rank] >= rank]
        return min(closed, default=heading.level)

    def _title(self, text: str) -> None:
        self._headings[-1].text += f" {text}"
        self._bare = False

    def _pop(self, level: int) -> None:
        while self._headings and self._headings[-1].level >= level:
            last = self._headings[-1]
            if not last.used:
                path = tuple(heading.text for heading in self._headings)
                for text in _pieces(last.text, self._limit):
                    self._parts.append(Part(text, (), path, self._base(), last.page))
            self._headings.pop()

    # Text

    def _body(self, block: Block) -> None:
        text = f"{block.marker} {block.text}".strip()
        rest = text
        if block.kind == "paragraph" and (unit := self._opened(text)):
            label, rank, number, rest = unit
            bare = not rest.strip(" .:–—-")
            title = _is_title(rest) and len(text) <= 120
            level = 10 + _RANK.get(rank, len(_RANK) + number.count("."))
            self._bare = bare
            shown = text if bare or title else label
            self._push(_Heading(level, shown, label, rank, number, page=block.page))
            if bare or title:
                return
            rest = rest.lstrip(" .:–—-")
            if not _ITEM.match(rest):
                rest = _TITLE_IN_BRACKETS.sub("", rest)
        elif self._bare and block.kind == "paragraph" and _is_title(text) and not _ITEM.match(text):
            self._title(text)
            return
        self._bare = False
        if block.kind == "item" and not _numbers(text):
            self._bullet(text, block)
            return
        parent = len(self._levels)
        numbered = self._enter(rest, block)
        context = self._context() if numbered else ()
        if not (numbered and len(self._levels) > parent and self._absorbed(context)):
            self._close()
        self._group = _Group(context, [text], self._reference(), self._path(), block.page, len(self._levels))
        self._set_lead(text)

    def _opened(self, text: str) -> tuple[str, str, str, str] | None:
        """The unit that a paragraph opens, if it opens one and does not merely speak of it."""
        if unit := _unit(text):
            _, rank, number, rest = unit
            if not rest or rest[0] in ".:–—-" or re.match(r"\s*[(（]\w{1,3}[)）]", rest):
                return unit
            if _is_title(rest) and len(text) <= 120 and (_EASTERN.match(text) or not rest.lstrip()[0].islower()):
                return unit
            begins = rest[0].isspace() or self._follows(number, rank)
            return unit if _EASTERN.match(text) and begins and not _MENTION.match(rest) else None
        if match := _DECIMAL.match(text):
            number = match.group(1)
            return self._decimal_label(number), "decimal", number, text[match.end() :]
        return None

    def _follows(self, number: str, rank: str) -> bool:
        before = next((h.number for h in reversed(self._headings) if h.rank == rank), "0")
        return number.isdigit() and before.isdigit() and int(number) == int(before) + 1

    def _decimal_label(self, number: str) -> str:
        """Name a decimal number: "Article 5.1" inside Article 5, "§ 5.1" elsewhere."""
        for heading in reversed(self._headings):
            if heading.rank in ("article", "section") and heading.number == number.partition(".")[0]:
                return heading.label[: -len(heading.number)] + number
        return f"§ {number}"

    def _bullet(self, text: str, block: Block) -> None:
        if block.level:
            self._levels = [level for level in self._levels if level.depth < block.level]
        group = self._group
        if (
            group is not None
            and group.reference == self._reference()
            and self._fits([*group.context, *group.lines, text])
        ):
            group.lines.append(text)
            return
        lead = group.lines[0] if group and _leads(group.lines[0]) and not group.context else ""
        context = (lead,) if lead and token_count(lead) <= _CONTEXT_TOKENS else ()
        self._close()
        self._group = _Group(context, [text], self._reference(), self._path(), block.page, len(self._levels))

    def _enter(self, text: str, block: Block) -> bool:
        """Move to the level that the text's own numbers name; whether it has any."""
        found = _numbers(text)
        depth = block.level if block.kind == "item" else 0
        if not found:
            if block.level:
                self._levels = [level for level in self._levels if level.depth <= block.level]
            else:  # it belongs to the numbered paragraph that is open, not to the points in it
                self._levels = [level for level in self._levels[:1] if level.value.isdigit() and not level.depth]
            return False
        for position, (shape, value) in enumerate(found):
            self._enter_one(shape, value, depth if position == 0 else depth and depth + position)
        return True

    def _enter_one(self, shape: str, value: str, depth: int) -> None:
        if depth:
            keep = [level for level in self._levels if level.depth < depth]
        else:
            keep = self._levels
            for place in range(len(keep) - 1, -1, -1):
                same = _same_level(keep[place], shape, value)
                if same:
                    shape = keep[place].shape
                    keep = keep[:place]
                    break
            else:
                shape = _roman_shape(shape, value)
                keep = [level for level in keep if level.shape != shape]
        self._levels = [*keep, _Level(shape, value, depth)]

    # Passages

    def _context(self) -> tuple[str, ...]:
        leads = [self._lead, *(level.lead for level in self._levels[:-1])] if self._levels else []
        kept: list[str] = []
        room = _CONTEXT_TOKENS
        for lead in reversed(leads):
            if lead and (size := token_count(lead)) <= room:
                kept.insert(0, lead)
                room -= size
            elif lead:
                break
        return tuple(kept)

    def _absorbed(self, context: tuple[str, ...]) -> bool:
        """Whether the open passage is nothing but words that lead into the item that comes, which repeats them."""
        group = self._group
        if group is None or len(group.lines) != 1 or not context or context[-1] != group.lines[0]:
            return False
        return context[: len(group.context)] == group.context or not group.context

    def _set_lead(self, text: str) -> None:
        lead = ""
        if _leads(text):
            start, end = sentence_spans(text)[-1]
            lead = text[start:end]
        if self._levels:
            self._levels[-1].lead = lead
        else:
            self._lead = lead

    def _single(self, block: Block, suffix: str) -> None:
        reference = ", ".join(part for part in (self._base(), suffix) if part)
        for text in _pieces(block.text, self._limit):
            self._emit(Part(text, (), self._path(), reference, block.page))
        self._bare = False

    def _close(self) -> None:
        group, self._group = self._group, None
        if group is None:
            return
        context = group.context if self._fits(group.context) else ()
        if self._fits([*context, *group.lines]):
            texts = ["\n".join([*context, *group.lines])]
        else:
            room = self._limit - sum(token_count(line) + 1 for line in context)
            pieces = [piece for line in group.lines for piece in _pieces(line, room)]
            texts = ["\n".join([*context, pieces[0]]), *pieces[1:]]
        for number, text in enumerate(texts):
            self._emit(Part(text, context if number == 0 else (), group.headings, group.reference, group.page))

    def _fits(self, lines: Sequence[str]) -> bool:
        return token_count("\n".join(lines)) <= self._limit

    def _emit(self, part: Part) -> None:
        for heading in self._headings:
            heading.used = True
        self._parts.append(part)

    # Pinpoints

    def _path(self) -> tuple[str, ...]:
        return tuple(heading.text for heading in self._headings)

    def _base(self) -> str:
        """Annex, then the innermost numbered unit, then a heading under it."""
        annex = next((i for i, h in enumerate(self._headings) if h.rank == "annex"), None)
        inside = self._headings[annex + 1 if annex is not None else 0 :]
        units = [i for i, h in enumerate(inside) if h.rank in ("article", "section", "decimal")]
        larger = [i for i, h in enumerate(inside) if h.rank in ("part", "chapter")]
        main = units[-1] if units else larger[-1] if larger else None
        names = [self._headings[annex].label] if annex is not None else []
        names += [inside[main].label] if main is not None else []
        if inside and (main is None or main < len(inside) - 1):
            names.append(_short(inside[-1].text, 80))
        return ", ".join(names)

    def _reference(self) -> str:
        base = self._base()
        values = [level.value for level in self._levels]
        if not values:
            return base
        if not base:
            return f"para. {values[0]}" + "".join(f"({value})" for value in values[1:])
        words = _sub_words(base, self._language)
        if words is None:
            numbered = bool(self._headings and self._headings[-1].label)
            return base + ("" if numbered else " ") + "".join(map(_bracketed, values))
        paragraph, number, letter = words
        first = True
        for value in values:
            name = (paragraph if first else number) if value[0].isdigit() else letter
            first = first and not value[0].isdigit()
            base += f" {name} {value}"
        return base


def _bracketed(value: str) -> str:
    """Put an item's number as references write it: "(3)", "（三）", "③"."""
    if value in _CIRCLED:
        return value
    return f"（{value}）" if value[0] in _HAN_DIGITS + "十" else f"({value})"


_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"


def _sub_words(base: str, language: str) -> tuple[str, str, str] | None:
    """What paragraphs, numbers and letters inside a unit are called; None: they are put in brackets."""
    if language == "de" and base.startswith(("§", "Art")):
        return "Abs.", "Nr.", "Buchst."
    if language == "fr" and base.startswith("Art."):
        return "al.", "ch.", "let."
    return None


def _unit(text: str) -> tuple[str, str, str, str] | None:
    """Label, rank, number and what follows, of a text that begins with the name of a unit."""
    if match := _EASTERN.match(text):
        rank = match.lastgroup or ""
        label = re.sub(r"\s+", "", match.group())
        return label, rank, str(han_number(label)), text[match.end() :]
    if match := _WESTERN.match(text):
        key, number = match.group("key"), match.group("number")
        rank = next(name for name in _NAMES if match.group(name))
        if key.casefold() in ("section", "sec."):
            key = "section"
        elif key.isupper() and len(key) > 1:
            key = key.capitalize()
        elif key[0].islower():
            return None  # "article 39 says": running text
        if rank in ("article", "section") and number.isalpha() and len(number) == 1 and number not in "IVX":
            return None  # "Standard A"
        return f"{key} {number}", rank, number, text[match.end() :]
    return None


def han_number(label: str) -> int:
    """Find the first number of a label, in Han or other digits; 0 without one.

    >>> han_number("第一百二十三条"), han_number("第12條"), han_number("제5조의2")
    (123, 12, 5)
    """
    if digits := re.search(r"\d+", label):
        return int(digits.group())
    total = current = 0
    found = re.search(rf"[{_HAN_DIGITS}十百千]+", label)
    for sign in found.group() if found else "":
        if sign in "十百千":
            total += (current or 1) * {"十": 10, "百": 100, "千": 1000}[sign]
            current = 0
        else:
            current = max(_HAN_DIGITS.index(sign) - 1, 0)
    return total + current


def opens_paragraph(text: str) -> bool:
    """Whether a line of text looks like the beginning of a numbered provision.

    >>> opens_paragraph("(a) a name;"), opens_paragraph("Article 39 of the Code")
    (True, False)
    """
    if unit := _unit(text):
        rest = unit[3].lstrip()
        return not rest or not rest[0].islower()
    return bool(_ITEM.match(text) or _DECIMAL.match(text))


def is_label(text: str) -> bool:
    """Whether a text names a unit and says nothing else.

    >>> is_label("Article 39"), is_label("Article 39 applies")
    (True, False)
    """
    unit = _unit(text)
    return unit is not None and not unit[3].strip(" .:")


def _is_title(text: str) -> bool:
    """Whether a text may be the title of a unit: short, and neither a sentence nor its beginning."""
    text = text.strip()
    if not 0 < len(text) <= 120 or text[0].islower() or _DECIMAL.match(text):
        return False
    return not text.endswith((*_ENDS, ",", ":", "，", "：", "、"))


def _leads(text: str) -> bool:
    """Whether a text leads into what follows: it ends with a colon or a dash, or does not end."""
    return bool(text) and not text.endswith(_ENDS)


def _numbers(text: str) -> list[tuple[str, str]]:
    """Shape and value of the item numbers that a text begins with, outermost first: "1. (a)" has two."""
    found: list[tuple[str, str]] = []
    text = text.translate(_WIDE)
    place = 0
    while len(found) < 3 and (match := _ITEM.match(text, place)):
        value = match.group("p") or match.group("d") or match.group("circled") or match.group("han").strip("()（）、")
        if match.group("han"):
            shape = "(一)" if match.group("han")[0] in "(（" else "一、"
        elif match.group("circled"):
            shape = "①"
        else:
            case = "1" if value[0].isdigit() else "A" if value[0].isupper() else "a"
            shape = f"({case})" if match.group("paren") else f"{case}{match.group('sign')}"
        if value.isalpha() and len(value) > 1 and shape not in ("(一)", "一、") and not _roman(value):
            break
        found.append((shape, value))
        place = match.end()
        while place < len(text) and text[place] == " ":
            place += 1
        if match.group("dot") and not re.match(r"[(（]", text[place:]):
            break
    return found


def _same_level(level: _Level, shape: str, value: str) -> bool:
    """Whether an item is the next one on an open level. "(i)" after "(h)" is a letter, after "(a)" a Roman one."""
    if level.shape.replace("i", "a").replace("I", "A") != shape:
        return False
    roman_level = "i" in level.shape or "I" in level.shape
    if roman_level:
        return bool(_roman(value)) and _roman(value) == _roman(level.value) + 1
    if not value.isalpha() or not value.isascii():
        return True
    if len(value) == 1 and len(level.value) == 1 and ord(value) == ord(level.value) + 1:
        return True
    return not _roman(value)


def _roman_shape(shape: str, value: str) -> str:
    """The shape of a first item: "(i)" opens Roman numbers unless it follows "(h)"."""
    return shape.replace("a", "i").replace("A", "I") if value.isalpha() and value.casefold() in ("i", "ii") else shape


def _roman(value: str) -> int:
    """A Roman number; 0 if it is none.

    >>> _roman("iv"), _roman("c"), _roman("b")
    (4, 100, 0)
    """
    if not re.fullmatch(r"c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})", value.casefold()):
        return 0
    worth = [{"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}[sign] for sign in value.casefold()]
    return sum(-a if a < b else a for a, b in zip(worth, [*worth[1:], 0], strict=True))


def _short(text: str, longest: int = 40) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _pieces(text: str, limit: int) -> list[str]:
    """Cut a text at sentence ends, where it must at clauses, words or anywhere, so that each piece fits."""
    if token_count(text) <= limit:
        return [text]
    pieces: list[str] = []
    current: tuple[int, int] | None = None
    for start, end in _fitting_spans(text, limit):
        if current and token_count(text[current[0] : end]) <= limit:
            current = (current[0], end)
            continue
        if current:
            pieces.append(text[slice(*current)])
        current = (start, end)
    if current:
        pieces.append(text[slice(*current)])
    return pieces


def _fitting_spans(text: str, limit: int) -> Iterator[tuple[int, int]]:
    for start, end in sentence_spans(text):
        if token_count(text[start:end]) <= limit:
            yield start, end
        else:
            yield from _word_spans(text, start, end, limit)


def _word_spans(text: str, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """Spans of clauses; of words, where a clause is too long; of single characters, where a word is."""
    for pattern in (r"[^;；,，、:：]*[;；,，、:：]?", r"\S+\s*"):
        spans = [match.span() for match in re.compile(pattern).finditer(text, start, end) if match.group().strip()]
        if all(token_count(text[a:b]) <= limit for a, b in spans):
            yield from ((a, b - (len(text[a:b]) - len(text[a:b].rstrip()))) for a, b in spans)
            return
    step = max(limit // 4, 1)  # a character is at most a few word pieces
    yield from ((a, min(a + step, end)) for a in range(start, end, step))
