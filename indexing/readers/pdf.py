"""PDF files as blocks, from their text layer: columns in reading order, ruled tables as rows, page numbers kept.

PDFium reads the text (2,000 pages in about half a minute); pdfplumber, which is slow, only looks at pages on which
lines are drawn that may be a table. Text set sideways is turned first.
"""

from __future__ import annotations

import ctypes
import io
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pypdfium2 as pdfium  # type: ignore[import-untyped]
from pypdfium2 import raw

from indexing.passages import DocumentError
from indexing.readers.blocks import Block, Content, clean, note_sign, table_rows
from indexing.splitting import is_label, opens_paragraph

_TABLE_PAGES = 300
"""Pages that are searched for tables; on later ones rows are read as lines of text."""

_WRONG_PASSWORD = 4
_HYPHEN = 2  # what PDFium makes of a hyphen at the end of a line
_TERMINAL = (".", ";", ":", "!", "?", "。", "；", "：", "！", "？", "—", "؟", ".”", '."', ".)")
_BULLET = re.compile(r"[•▪●○◦■□➢❖✓*·\uf0b7\uf0a7–-]\s+")
_PAGE_NUMBER = re.compile(
    r"(?:(?:page|seite|página|str\.|p\.)\s*)?[-–]?\s*\d{1,4}\s*[-–]?(?:\s*(?:/|of|de|von|sur)\s*\d{1,4})?",
    re.IGNORECASE,
)
_FOLIO = re.compile(r"^\d{1,4}\s+(?=\D)|\s+\d{1,4}$")
_CONTENTS_LINE = re.compile(r"(?:\.\s?){4,}\s*\d{1,4}$|…{2,}\s*\d{1,4}$")
_FOOTNOTE = re.compile(r"(\d{1,3}|\*{1,3}|†|‡)\s*(?=[^\W\d]|[\"“'(])")
_AFTER_SIGN = re.compile(r"[⁰¹²³⁴-⁹]$")
_RTL = re.compile(r"[\u0590-\u08ff]")
_NO_SPACE = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u30ff]"
)  # scripts without spaces: Han and Kana


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    x0: float
    x1: float
    top: float
    bottom: float
    size: float
    index: int
    """Of its first character on the page."""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    x0: float
    x1: float
    top: float
    bottom: float
    size: float
    bold: bool
    page: int
    margin: bool = False
    """Whether it is at the very top or bottom of its page."""
    low: bool = False
    """Whether it is in the lower half of its page."""
    rows: tuple[Block, ...] = ()
    """A table in the place of a line."""


def read_pdf(path: Path) -> Content:
    """Read the text layer of a PDF file; pages without one are named in the notices.

    Raises:
        DocumentError: when it is damaged, protected by a password, or has no text layer at all.
    """
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == _WRONG_PASSWORD:
            raise DocumentError(f"{path.name}: protected by a password; save a copy without it and add that") from error
        raise DocumentError(f"{path.name}: not a readable PDF; it is damaged or cut off: download it again") from error
    try:
        return _read(document, path)
    finally:
        document.close()


def _read(document: pdfium.PdfDocument, path: Path) -> Content:
    lines: list[_Line] = []
    silent: list[int] = []
    broken: list[int] = []
    tables = _Tables(document)
    for number in range(1, len(document) + 1):
        try:
            page = document[number - 1]
        except pdfium.PdfiumError:
            broken.append(number)
            continue
        found, unreadable = _page_lines(page, number, tables)
        page.close()
        lines += found
        if unreadable:
            silent.append(number)
    if not any(line.text or line.rows for line in lines):
        raise DocumentError(
            f"{path.name}: none of its {len(document)} pages has a text layer (scanned?); make one with an OCR program "
            "such as ocrmypdf and add the result"
        )
    notices = []
    if silent:
        notices.append(f"no text layer on {_pages(silent)} (scanned?), not indexed; an OCR program adds one (ocrmypdf)")
    if broken:
        notices.append(f"{_pages(broken)} could not be read: the file is damaged; download it again")
    if tables.missed:
        notices.append(
            f"more than {_TABLE_PAGES} pages have tables; those after page {tables.last} are read as lines of text"
        )
    if not _ends_properly(path):
        notices.append("the file ends early and may lack pages; download it again")
    blocks = list(_blocks(_without_margins(lines, len(document))))
    return Content(blocks, _properties(document), [f"{path.name}: {notice}" for notice in notices])


def _pages(numbers: Sequence[int]) -> str:
    """Name pages with their ranges folded: "pages 2-4, 9"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], number]
        else:
            ranges.append([number])
    text = ", ".join("-".join(map(str, pair)) for pair in ranges)
    return f"page{'s' if len(numbers) > 1 else ''} {text}"


def _ends_properly(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 2048, 0))
        return b"%%EOF" in file.read()


def _properties(document: pdfium.PdfDocument) -> dict[str, str]:
    stated = document.get_metadata_dict(skip_empty=True)
    found = {"title": clean(stated.get("Title", "")), "publisher": clean(stated.get("Author", ""))}
    date = re.match(r"D:(\d{4})(\d{2})(\d{2})", stated.get("ModDate") or stated.get("CreationDate") or "")
    if date:
        found["as_of"] = "-".join(date.groups())
    placeholder = {"untitled", "anonymous", "(anonymous)", "unspecified", "(unspecified)"}
    return {k: v for k, v in found.items() if v and v.casefold() not in placeholder and ".doc" not in v}


# Pages


def _page_lines(page: pdfium.PdfPage, number: int, tables: _Tables) -> tuple[list[_Line], bool]:
    """Lines in reading order, and whether the page shows something that has no text."""
    textpage = page.get_textpage()
    try:
        codes = [raw.FPDFText_GetUnicode(textpage, i) for i in range(textpage.count_chars())]
        visible = sum(1 for code in codes if code > 32)
        garbled = sum(1 for code in codes if 0xE000 <= code < 0xF900 or code == 0xFFFD)
        if visible == 0 or garbled > visible * 0.3:
            return [], next(iter(page.get_objects(max_depth=1)), None) is not None
        turn = _turn(textpage, codes)
        box = _turned_box(page, turn)
        words = list(_words(textpage, codes, turn, box))
        height, width = box[3] - box[1], box[2] - box[0]
        found = tables.on(page, number, turn)
        free = [word for word in words if not any(_inside(word, area) for area, _ in found)]
        segments = list(_segments(free, textpage, number))
        segments += [
            _Line("", area[0], area[2], area[1], area[3], 0, False, number, rows=tuple(rows)) for area, rows in found
        ]
        lines = [
            replace(line, margin=line.top < height * 0.08 or line.bottom > height * 0.92, low=line.top > height * 0.5)
            for line in _ordered(segments)
        ]
        images = [o.get_bounds() for o in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=2)]
        covered = any((right - left) * (top - bottom) > 0.5 * width * height for left, bottom, right, top in images)
        return lines, covered and visible < 20
    finally:
        textpage.close()


def _turn(textpage: pdfium.PdfTextPage, codes: Sequence[int]) -> int:
    """Quarter turns, counter-clockwise, in which most of the text is set."""
    sample = [i for i, code in enumerate(codes) if code > 32][:: max(1, len(codes) // 200)]
    # PDFium counts the angle clockwise.
    turns = Counter(-round(raw.FPDFText_GetCharAngle(textpage, i) / (math.pi / 2)) % 4 for i in sample)
    return turns.most_common(1)[0][0] if turns else 0


def _turned(x: float, y: float, turn: int) -> tuple[float, float]:
    """A point as the reader of turned text sees it: x to the right, y downwards."""
    return [(x, -y), (y, x), (-x, y), (-y, -x)][turn]


def _turned_box(page: pdfium.PdfPage, turn: int) -> tuple[float, float, float, float]:
    left, bottom, right, top = page.get_mediabox()
    (a, b), (c, d) = _turned(left, bottom, turn), _turned(right, top, turn)
    return min(a, c), min(b, d), max(a, c), max(b, d)


def _words(
    textpage: pdfium.PdfTextPage, codes: Sequence[int], turn: int, box: tuple[float, float, float, float]
) -> Iterator[_Word]:
    rect = raw.FS_RECTF()
    start = 0
    while start < len(codes):
        if codes[start] <= 32 and codes[start] != _HYPHEN:
            start += 1
            continue
        stop = start
        while stop < len(codes) and (codes[stop] > 32 or codes[stop] == _HYPHEN):
            stop += 1
            if codes[stop - 1] in (_HYPHEN, 0xFFFE):  # what follows is on the next line
                break
        size = raw.FPDFText_GetFontSize(textpage, start)
        xs, ys = [], []
        for i in (start, stop - 1):
            raw.FPDFText_GetLooseCharBox(textpage, i, ctypes.byref(rect))
            for corner in ((rect.left, rect.bottom), (rect.right, rect.top)):
                x, y = _turned(*corner, turn)
                xs.append(x - box[0])
                ys.append(y - box[1])
        text = _decoded(codes[start:stop])
        digits = re.search(r"(?<=[^\W\d])\d{1,3}$|(?<=[.,;:)])\d{1,3}$", text)
        if digits and raw.FPDFText_GetFontSize(textpage, stop - 1) < 0.9 * size and abs(ys[0] - ys[2]) > 0.15 * size:
            text = text[: digits.start()] + note_sign(digits.group())
        if text:
            yield _Word(text, min(xs), max(xs), min(ys), max(ys), size if size > 1 else max(ys) - min(ys), start)
        start = stop


def _decoded(codes: Sequence[int]) -> str:
    """Characters of UTF-16 units."""
    text = "".join("-" if code in (_HYPHEN, 0xFFFE) else chr(code) for code in codes)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


def _inside(word: _Word, area: tuple[float, float, float, float]) -> bool:
    x, y = (word.x0 + word.x1) / 2, (word.top + word.bottom) / 2
    return area[0] <= x <= area[2] and area[1] <= y <= area[3]


def _segments(words: Sequence[_Word], textpage: pdfium.PdfTextPage, number: int) -> Iterator[_Line]:
    """Runs of words on one line without a wide gap: parts of a line of one column."""
    run: list[_Word] = []
    for word in words:
        if run and not _continues(run[-1], word):
            yield _segment(run, textpage, number)
            run = []
        run.append(word)
    if run:
        yield _segment(run, textpage, number)


def _continues(before: _Word, word: _Word) -> bool:
    middle = (word.top + word.bottom) / 2
    if not before.top <= middle <= before.bottom:
        return False
    gap = max(word.x0 - before.x1, before.x0 - word.x1)
    return gap < 1.2 * max(before.size, word.size)


def _segment(run: Sequence[_Word], textpage: pdfium.PdfTextPage, number: int) -> _Line:
    size = statistics.median(word.size for word in run)
    text = ""
    for word in run:
        raised = word.size < 0.9 * size and word.bottom < max(each.bottom for each in run) - 0.15 * size
        if text and raised and word.text.isdigit() and not text[-1].isdigit():
            text += note_sign(word.text)
        elif _AFTER_SIGN.search(text) and not word.text[0].isalnum():
            text += word.text
        else:
            text = f"{text} {word.text}" if text else word.text
    ends = {run[0].index, run[len(run) // 2].index, run[-1].index}
    bold = all(raw.FPDFText_GetFontWeight(textpage, i) >= 600 or "bold" in _font(textpage, i) for i in ends)
    return _Line(
        clean(text),
        min(word.x0 for word in run),
        max(word.x1 for word in run),
        min(word.top for word in run),
        max(word.bottom for word in run),
        size,
        bold,
        number,
    )


def _font(textpage: pdfium.PdfTextPage, index: int) -> str:
    name = ctypes.create_string_buffer(128)
    raw.FPDFText_GetFontInfo(textpage, index, name, 128, None)
    return name.value.decode("utf-8", "ignore").casefold()


# Reading order


def _ordered(segments: list[_Line]) -> list[_Line]:
    """Reading order: down one column and then the next; what spans columns parts them into bands."""
    gutter = _gutter(segments)
    if gutter is None:
        return _rows(segments)
    across = sorted((s for s in segments if s.x0 < gutter < s.x1), key=lambda s: s.top)
    rest = [s for s in segments if not s.x0 < gutter < s.x1]
    lines: list[_Line] = []
    for border in [*across, None]:
        band = [s for s in rest if border is None or s.top < border.top]
        rest = [s for s in rest if s not in band]
        columns = [[s for s in band if s.x1 <= gutter], [s for s in band if s.x0 >= gutter]]
        if sum(bool(_RTL.search(s.text)) for s in band) * 2 > len(band):
            columns.reverse()
        for column in columns:
            lines += _ordered(column)
        if border is not None:
            lines.append(border)
    return lines


def _gutter(segments: Sequence[_Line]) -> float | None:
    """The x of white space that runs between two columns of text; None for a single column."""
    texts = [s for s in segments if s.text]
    if len(texts) < 12:
        return None
    left, right = min(s.x0 for s in texts), max(s.x1 for s in texts)
    steps = [left + (right - left) * (0.3 + 0.4 * i / 80) for i in range(81)]
    crossings = [sum(1 for s in texts if s.x0 < x < s.x1) for x in steps]
    fewest = min(crossings)
    free = [x for x, count in zip(steps, crossings, strict=True) if count == fewest]
    if fewest > 0.2 * len(texts):
        return None
    x = free[len(free) // 2]
    sides = [[s for s in texts if s.x1 <= x], [s for s in texts if s.x0 >= x]]
    widths = (x - left, right - x)
    for side, width in zip(sides, widths, strict=True):
        # Prose fills its column; cells of a table without lines do not, and are read across.
        if len(side) < 5 or statistics.median(s.x1 - s.x0 for s in side) < 0.55 * width:
            return None
    overlap = min(s[-1].bottom for s in map(_by_top, sides)) - max(s[0].top for s in map(_by_top, sides))
    return x if overlap > 0 else None


def _by_top(segments: Sequence[_Line]) -> list[_Line]:
    return sorted(segments, key=lambda s: s.top)


def _rows(segments: Sequence[_Line]) -> list[_Line]:
    """Segments of one column joined to lines, from the top."""
    rows: list[list[_Line]] = []
    for segment in sorted(segments, key=lambda s: (s.top + s.bottom) / 2):
        middle = (segment.top + segment.bottom) / 2
        if rows and not segment.rows and not rows[-1][0].rows and rows[-1][0].top <= middle <= rows[-1][0].bottom:
            rows[-1].append(segment)
        else:
            rows.append([segment])
    return [_joined(row) for row in rows]


def _joined(row: list[_Line]) -> _Line:
    if len(row) == 1:
        return row[0]
    rtl = sum(bool(_RTL.search(s.text)) for s in row) * 2 > len(row)
    row = sorted(row, key=lambda s: -s.x1 if rtl else s.x0)
    return replace(
        row[0],
        text=" ".join(s.text for s in row),
        x0=min(s.x0 for s in row),
        x1=max(s.x1 for s in row),
        top=min(s.top for s in row),
        bottom=max(s.bottom for s in row),
        size=max(s.size for s in row),
        bold=all(s.bold for s in row),
    )


# Lines to blocks


def _without_margins(lines: Sequence[_Line], pages: int) -> list[_Line]:
    """Leave out running heads, page numbers, and the lines of a table of contents."""
    keys = Counter(key for key, _ in {(_key(line), line.page) for line in lines if line.margin})
    often = max(min(3, pages), 2, pages * 0.4)
    texts = Counter(_FOLIO.sub("", line.text) for line in lines)

    def running(line: _Line) -> bool:
        bare = _FOLIO.sub("", line.text)
        # "Chapter 2: Handling 17" repeats the heading on each page of the chapter.
        chapter = bare != line.text and opens_paragraph(bare) and texts[bare] > 1
        return line.margin and bool(keys[_key(line)] >= often or chapter or _PAGE_NUMBER.fullmatch(line.text))

    # Running heads stand above all text of their page, and running feet below: what else is repeated is text.
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    for line in lines:
        if not running(line):
            first[line.page] = min(first.get(line.page, line.top), line.top)
            last[line.page] = max(last.get(line.page, line.bottom), line.bottom)

    def furniture(line: _Line) -> bool:
        outside = (
            line.bottom > last.get(line.page, 0)
            if line.low
            else line.top <= first.get(line.page, math.inf) + line.size / 2
        )
        return outside and running(line)

    return [line for line in lines if line.rows or not (furniture(line) or _CONTENTS_LINE.search(line.text))]


def _key(line: _Line) -> str:
    """What a running head has in common with that of other pages; "Article 7" is no page number."""
    return line.text if opens_paragraph(line.text) else re.sub(r"\d+", "#", line.text)


def _blocks(lines: Sequence[_Line]) -> Iterator[Block]:
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[round(line.size * 2) / 2] += len(line.text)
    body = sizes.most_common(1)[0][0]
    larger = sorted({round(s.size * 2) / 2 for s in lines if s.text and s.size > body * 1.12}, reverse=True)
    steps = [b.top - a.top for a, b in pairwise(lines) if a.page == b.page and b.top > a.top]
    pitch = statistics.median(steps) if steps else body * 1.2
    vocabulary = {word.casefold() for line in lines for word in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", line.text)}
    paragraph: list[_Line] = []
    kind = ""
    for line in lines:
        if line.rows:
            yield from _paragraph(paragraph, kind, larger, body, vocabulary)
            yield from line.rows
            paragraph = []
            continue
        now = _kind(line, body)
        if now == "small" and kind in ("footnote", "paragraph") and paragraph:
            now = kind
        elif now == "small":
            now = "paragraph"
        if paragraph and (now != kind or _begins(paragraph, line, now, pitch)):
            yield from _paragraph(paragraph, kind, larger, body, vocabulary)
            paragraph = []
        paragraph.append(line)
        kind = now
    yield from _paragraph(paragraph, kind, larger, body, vocabulary)


def _kind(line: _Line, body: float) -> str:
    if line.size > body * 1.12 and len(line.text) <= 200:
        return "heading"
    if line.bold and len(line.text) <= 120 and not (line.text[0].islower() or line.text.endswith((".", ";", ",", ":"))):
        return "heading"
    if line.size < body * 0.88:
        return "footnote" if line.low and _FOOTNOTE.match(line.text) else "small"
    return "paragraph"


def _begins(paragraph: Sequence[_Line], line: _Line, kind: str, pitch: float) -> bool:
    """Whether a line begins a paragraph of its own."""
    before = paragraph[-1]
    down = line.top - before.top
    new_place = line.page != before.page or down < 0
    if kind == "heading":
        apart = new_place or down > 1.6 * max(pitch, before.size) or round(line.size) != round(before.size)
        return apart or opens_paragraph(line.text)
    if kind == "footnote":
        return bool(_FOOTNOTE.match(line.text)) and line.size < 1.02 * before.size
    if len(paragraph) == 1 and is_label(before.text):
        return True
    ended = before.text.endswith(_TERMINAL)
    if new_place:
        return ended or bool(_BULLET.match(line.text)) or not (line.text[0].islower() or _NO_SPACE.match(line.text))
    if down > 1.35 * pitch and down > 1.5 * before.size:
        return True
    if _BULLET.match(line.text):
        return True
    if opens_paragraph(line.text):
        moved = abs(line.x0 - paragraph[0].x0) > line.size
        short = len(paragraph) == 1 and before.x1 < line.x1 * 0.85
        return ended or moved or short or before.text.endswith((",", " and", " or"))
    indented = line.x0 > before.x0 + 0.8 * line.size and len(paragraph) > 1
    # Its first word would have stood on the line before, had that not ended a paragraph.
    word = (line.x1 - line.x0) * (len(line.text.partition(" ")[0]) + 1) / max(len(line.text), 1)
    edge = max(line.x1, *(each.x1 for each in paragraph))
    return ended and (indented or before.x1 + word < edge)


def _paragraph(
    lines: Sequence[_Line], kind: str, larger: Sequence[float], body: float, vocabulary: set[str]
) -> Iterator[Block]:
    if not lines:
        return
    text = lines[0].text
    for line in lines[1:]:
        text = _with(text, line.text, vocabulary)
    page = lines[0].page
    if kind == "heading":
        size = round(lines[0].size * 2) / 2
        level = larger.index(size) + 1 if size in larger else len(larger) + 1
        yield Block("heading", text, level=min(level, 6), page=page)
    elif kind == "footnote" and (match := _FOOTNOTE.match(text)):
        yield Block("footnote", text[match.end() :], marker=match.group(1), page=page)
    elif match := _BULLET.match(text):
        yield Block("item", text[match.end() :], page=page)
    else:
        yield Block("paragraph", text, page=page)


def _with(text: str, more: str, vocabulary: set[str]) -> str:
    """Join a line to the text before it: without the hyphen that only parts a word, without spaces in Han and Kana."""
    if text.endswith("-") and (left := re.search(r"([^\W\d_]+)-$", text)) and more[:1].islower():
        right = re.match(r"[^\W\d_]+", more)
        whole = left.group(1) + (right.group() if right else "")
        hyphened = f"{left.group(1)}-{right.group() if right else ''}"
        keep = hyphened.casefold() in vocabulary and whole.casefold() not in vocabulary
        return text + more if keep else text[:-1] + more
    if _NO_SPACE.match(text[-1:]) and _NO_SPACE.match(more[:1]):
        return text + more
    return f"{text} {more}"


# Tables


class _Tables:
    """Finds ruled tables, on pages that show lines enough to make one."""

    def __init__(self, document: pdfium.PdfDocument) -> None:
        self._document = document
        self._seen = 0
        self.last = 0
        self.missed = False

    def on(
        self, page: pdfium.PdfPage, number: int, turn: int
    ) -> list[tuple[tuple[float, float, float, float], list[Block]]]:
        """Tables of a page: their areas (left, top, right, bottom, as the reader sees it) and rows."""
        if not _is_ruled(page):
            return []
        if self._seen >= _TABLE_PAGES:
            self.missed = True
            return []
        self._seen, self.last = self._seen + 1, number
        import pdfplumber

        found = []
        with pdfplumber.open(self._upright(number, turn)) as copy:
            for table in copy.pages[0].find_tables():
                rows = [[clean(cell or "") for cell in row] for row in table.extract()]
                rows = [row for row in rows if any(row)]
                if len(rows) > 1 and max(map(len, rows)) > 1:
                    found.append((table.bbox, table_rows(rows, page=number)))
        return found

    def _upright(self, number: int, turn: int) -> io.BytesIO:
        """The page alone, turned so that its text is upright."""
        copy = pdfium.PdfDocument.new()
        copy.import_pages(self._document, [number - 1])
        copy[0].set_rotation(turn * 90)
        buffer = io.BytesIO()
        copy.save(buffer)
        copy.close()
        buffer.seek(0)
        return buffer


def _is_ruled(page: pdfium.PdfPage) -> bool:
    """Whether a page shows lines or boxes enough for a table of two rows and two columns."""
    flat = steep = boxes = 0
    for number, path in enumerate(page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH], max_depth=2)):
        left, bottom, right, top = path.get_bounds()
        width, height = right - left, top - bottom
        flat += width > 20 and height < 3
        steep += height > 8 and width < 3
        boxes += width > 15 and height > 8
        if (flat >= 3 and steep >= 3) or boxes >= 4:
            return True
        if number > 3000:
            break
    return False
