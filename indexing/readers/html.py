"""HTML pages as blocks: the main text without scripts, menus and hidden parts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lxml.html
from bs4.dammit import EncodingDetector, UnicodeDammit
from lxml import etree

from indexing.passages import DocumentError
from indexing.readers.blocks import Block, Content, clean, letters, note_sign, roman_numeral, table_rows

_DROPPED = frozenset(
    "script style noscript template svg iframe object embed nav button select input textarea canvas audio video map "  # noqa: SIM905
    "head".split()
)
_BLOCKS = frozenset(
    "p div section article main blockquote pre address details summary figure figcaption caption dl dt dd form "  # noqa: SIM905
    "fieldset legend center hr aside header footer td th tr tbody thead tfoot body html".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
# What numbers an item when a page sets it in a column of its own, as the EU's Official Journal does.
_LONE_NUMBER = re.compile(r"[(（]?[\w]{1,5}[.)）]|[(（][\w]{1,5}[)）]|[-–—•·]")
# A character that hardly occurs where a page is in windows-1252, but does where another encoding is read as it.
_WESTERN = re.compile(
    "[^\\x00-\\x7f\xa0«»“”‘’„–—…€£©®™•·°§ºª¡¿àâäáãåæçèéêëìíîïñòóôöõøœùúûüýÿßÀÂÄÁÃÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÖÕØŒÙÚÛÜ]"
)
# A line that begins like this begins a paragraph, though only <br> parts it from the one before.
_NEW_LINE = re.compile(r"\(?\w{1,4}[.)]\s|(?:article|section|§|第)\s*\S", re.IGNORECASE)


def read_html(path: Path, charset: str = "") -> Content:
    """Read a page; `charset` is what its server said.

    Raises:
        DocumentError: when it has no text.
    """
    notices: list[str] = []
    text = _decoded(path, charset, notices)
    parser = lxml.html.HTMLParser(huge_tree=True, remove_comments=True, remove_pis=True)
    # An XML declaration with an encoding is refused in text that is decoded already.
    tree = lxml.html.document_fromstring(re.sub(r"\A\s*<\?xml[^>]*>", "", text) or "<html></html>", parser=parser)
    properties = _properties(tree)
    root = _main_part(tree)
    _drop_hidden(root)
    reader = _Reader()
    reader.read(root)
    if not reader.blocks:
        raise DocumentError(f"{path.name}: the page has no text (it may need JavaScript); save it as PDF in a browser")
    return Content(reader.blocks, properties, [f"{path.name}: {notice}" for notice in notices])


def _decoded(path: Path, charset: str, notices: list[str]) -> str:
    """UTF-8 if the bytes are; else what the page declares, if they are that; else what they look like."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    declared = EncodingDetector.find_declared_encoding(data, is_html=True) or charset or ""
    # What browsers fall back on is tried before any guess: short texts give a guesser too little to go by.
    western = [] if _WESTERN.search(data.decode("windows-1252", "replace")) else ["windows-1252"]
    found = UnicodeDammit(
        data, known_definite_encodings=[declared] if declared else [], user_encodings=western, is_html=True
    )
    if found.unicode_markup is None or found.contains_replacement_characters:
        raise DocumentError(f"{path.name}: its text encoding cannot be recognised; save the page as UTF-8")
    used = found.original_encoding or ""
    if declared and used.casefold() != declared.casefold():
        notices.append(f"declared as {declared}, which it is not; read as {used} (are letters wrong? save it as UTF-8)")
    return found.unicode_markup


_MODIFIED = "@name='dcterms.modified' or @name='DCTERMS.modified' or @property='article:modified_time'"
_AROUND = "//body/header | //body/footer | //*[@role='banner' or @role='navigation' or @role='contentinfo']"


def _properties(tree: Any) -> dict[str, str]:
    def first(xpath: str) -> str:
        found = tree.xpath(xpath)
        return clean(str(found[0] if isinstance(found[0], str) else found[0].text_content())) if found else ""

    found = {
        "title": first("//meta[@property='og:title']/@content") or first("//title") or first("//h1"),
        "language": first("//html/@lang").partition("-")[0].casefold(),
        "publisher": first("//meta[@property='og:site_name']/@content"),
        "url": first("//link[@rel='canonical']/@href"),
        "as_of": first(f"//meta[{_MODIFIED}]/@content")[:10],
    }
    if not found["url"].startswith(("http://", "https://")):
        del found["url"]
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", found["as_of"]):
        del found["as_of"]
    return {name: value for name, value in found.items() if value}


def _main_part(tree: Any) -> Any:
    mains = tree.xpath("//main | //*[@role='main']")
    if len(mains) == 1 and len(clean(mains[0].text_content())) > 200:
        return mains[0]
    bodies = tree.xpath("//body")
    body = bodies[0] if bodies else tree
    for element in tree.xpath(_AROUND):
        if element is not body:
            element.drop_tree()
    return body


def _drop_hidden(root: Any) -> None:
    for element in list(root.iter(etree.Element)):
        hidden = (
            element.tag in _DROPPED
            or "hidden" in element.attrib
            or element.get("aria-hidden") == "true"
            or _HIDDEN.search(element.get("style", ""))
        )
        if hidden and element is not root and element.getparent() is not None:
            element.drop_tree()


class _Reader:
    """Walks a tree without recursion, as deep as it may be; collects text until a block ends."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._text: list[str] = []
        self._heading = 0
        self._lists: list[int | None] = []  # per open list: the next number, None for bullets
        self._styles: list[str] = []
        self._marker: str | None = None  # of an item whose text is still to come
        self._column = False  # the marker stands in a table's column: its depth is not known
        self._notes: dict[Any, str] = {}

    def read(self, root: Any) -> None:
        self._notes = _notes(root)
        _raise_signs(root)
        skip: Any = None
        for event, element in etree.iterwalk(root, events=("start", "end")):
            if skip is not None:
                if event == "end" and element is skip:
                    skip = None
                    self._add(element.tail)
                continue
            if event == "start":
                if self._taken_whole(element):
                    skip = element
                    continue
                self._start(element)
                self._add(element.text)
            else:
                self._end(element)
                if element is not root:
                    self._add(element.tail)
        self._flush()

    def _add(self, text: str | None) -> None:
        if text:
            self._text.append(re.sub(r"\s+", " ", text))

    def _taken_whole(self, element: Any) -> bool:
        """Footnotes, data tables and columns of numbers are read as one; their inside is not walked."""
        tag = element.tag
        if element in self._notes:
            self._footnote(element, self._notes[element])
            return True
        if tag == "table" and _is_data(element):
            self._flush()
            caption = element.find("caption")
            if caption is not None and clean(caption.text_content()):
                self.blocks.append(Block("paragraph", clean(caption.text_content())))
            rows, header = _grid(element)
            self.blocks += table_rows(rows, header=header)
            return True
        if tag == "td" and _is_lone_number(element):
            self._flush()
            marker = clean(element.text_content())
            self._marker = "" if marker in "-–—•·" else marker
            self._column = True
            return True
        return False

    def _footnote(self, element: Any, sign: str) -> None:
        self._flush()
        text = re.sub(rf"^[\[(]?{re.escape(sign)}[\])]?[.:]?\s*|\s*[↩↑⏎]\ufe0e?$", "", clean(element.text_content()))
        if text:
            self.blocks.append(Block("footnote", text, marker=sign))

    def _start(self, element: Any) -> None:
        tag = element.tag
        if tag in _HEADINGS:
            self._flush()
            self._heading = _HEADINGS[tag]
        elif tag in ("ul", "ol", "menu"):
            self._flush()
            self._lists.append(_integer(element.get("start"), 1) if tag == "ol" else None)
            self._styles.append(element.get("type", "1"))
        elif tag == "li":
            self._flush()
            self._marker = self._next_marker(element)
        elif tag == "br":
            self._text.append("\n")
        elif tag in _BLOCKS:
            self._flush()
            if tag == "dd":
                self._marker = ""

    def _end(self, element: Any) -> None:
        tag = element.tag
        if tag in _HEADINGS or tag == "li" or tag in _BLOCKS:
            self._flush()
            if tag in _HEADINGS:
                self._heading = 0
            elif tag in ("li", "dd", "tr"):
                if self._marker and tag == "tr":
                    self.blocks.append(Block("paragraph", self._marker))
                self._marker, self._column = None, False
        elif tag in ("ul", "ol", "menu"):
            self._flush()
            if self._lists:
                self._lists.pop()
                self._styles.pop()

    def _next_marker(self, item: Any) -> str:
        if not self._lists or self._lists[-1] is None:
            return ""
        number = _integer(item.get("value"), self._lists[-1])
        self._lists[-1] = number + 1
        return _STYLES.get(self._styles[-1], str)(number) + "."

    def _flush(self) -> None:
        raw, self._text = "".join(self._text), []
        for text in _lines(raw):
            if self._heading:
                self.blocks.append(Block("heading", text, level=self._heading))
            elif self._marker is not None:
                level = 0 if self._column else max(len(self._lists), 1)
                self.blocks.append(Block("item", text, level=level, marker=self._marker))
                self._marker, self._column = None, False
            else:
                self.blocks.append(Block("paragraph", text, level=len(self._lists)))


def _lines(raw: str) -> list[str]:
    """Paragraphs of a text in which <br> is a new line: two part paragraphs, one does where a number follows."""
    paragraphs: list[str] = []
    open_ = False
    for line in raw.split("\n"):
        text = clean(line)
        if not text:
            open_ = False
        elif open_ and not _NEW_LINE.match(text):
            paragraphs[-1] += f" {text}"
        else:
            paragraphs.append(text)
            open_ = True
    return paragraphs


def _integer(value: str | None, default: int) -> int:
    return int(value) if value and value.isascii() and value.strip().isdigit() else default


_STYLES: dict[str, Callable[[int], str]] = {
    "a": letters,
    "A": lambda number: letters(number).upper(),
    "i": roman_numeral,
    "I": lambda number: roman_numeral(number).upper(),
}


def _notes(root: Any) -> dict[Any, str]:
    """Footnotes by their element, with the sign that refers to them: <sup><a href="#fn1">1</a></sup> and the like.

    A link upwards is a note's link back to the text.
    """
    places: dict[str, tuple[int, Any]] = {}
    links: list[tuple[int, Any]] = []
    for place, element in enumerate(root.iter(etree.Element)):
        if name := element.get("id") or element.get("name"):
            places.setdefault(name, (place, element))
        if element.tag == "a" and element.get("href", "").startswith("#"):
            links.append((place, element))
    found: dict[Any, str] = {}
    for place, link in links:
        target, element = places.get(link.get("href")[1:], (-1, None))
        sign = clean(link.text_content()).strip("[]()")
        raised = any(near is not None and near.tag == "sup" for near in (link.getparent(), link.find(".//sup")))
        brackets = clean(link.text_content()) != sign
        if target > place and (raised or brackets) and re.fullmatch(r"\d{1,3}|\*{1,3}|[a-z]|†|‡", sign):
            while element.tag in ("a", "sup", "span") and element.getparent() is not None:
                element = element.getparent()
            found.setdefault(element, sign)
    return found


def _raise_signs(root: Any) -> None:
    """Make digits in <sup> superscript characters: the signs of footnotes, and "m²"."""
    for element in root.iter("sup"):
        sign = clean(element.text_content()).strip("[]()")
        if sign.isascii() and sign.isdigit():
            for child in list(element):
                element.remove(child)
            element.text = note_sign(sign)


def _is_lone_number(cell: Any) -> bool:
    """Whether a cell holds the number of the item whose text is in the next cell."""
    text = clean(cell.text_content())
    return bool(text) and bool(_LONE_NUMBER.fullmatch(text)) and cell.getnext() is not None


def _is_data(table: Any) -> bool:
    """Whether a table holds data; else it only arranges the page, and is read as the text that it arranges."""
    if any(table.find(f".//{heading}") is not None for heading in _HEADINGS):
        return False
    rows = _own_rows(table)
    if any(cell.tag == "th" for row in rows for cell in row):
        return len(rows) > 1 or sum(1 for _ in table.iter("td")) > 1
    if table.find(".//table") is not None:
        return False
    cells = [[cell for cell in row if cell.tag == "td"] for row in rows]
    if len(rows) < 2 or max((len(row) for row in cells), default=0) < 2:
        return False
    if all(row and _is_lone_number(row[0]) for row in cells if row):
        return False
    texts = [clean(cell.text_content()) for row in cells for cell in row]
    return max(map(len, texts), default=0) <= 1000


def _own_rows(table: Any) -> list[Any]:
    """Rows of a table, without those of tables in its cells."""
    return [row for row in table.iter("tr") if next(row.iterancestors("table")) is table]


def _cell_text(cell: Any) -> str:
    """Text of a cell; of a table in it, the cells with commas between, the rows with semicolons."""
    inner = cell.find(".//table")
    if inner is None:
        return clean(" ".join(cell.itertext()))
    rows = "; ".join(
        ", ".join(_cell_text(each) for each in row if each.tag in ("td", "th")) for row in _own_rows(inner)
    )
    for child in list(inner):
        inner.remove(child)
    inner.tag, inner.text = "span", rows
    return _cell_text(cell)


def _grid(table: Any) -> tuple[list[list[str]], bool | None]:
    """Cells by row, those that span several repeated in each; whether the first is a header (None: unknown)."""
    grid: list[list[str]] = []
    open_: dict[int, tuple[str, int]] = {}  # column: text and rows still to fill
    header: bool | None = None
    for row in _own_rows(table):
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        if not grid and cells:
            header = True if all(cell.tag == "th" for cell in cells) else None
        line: list[str] = []
        for cell in cells:
            _fill(line, open_)
            text = _cell_text(cell)
            height = min(_integer(cell.get("rowspan"), 1), 1000)
            for _ in range(max(1, min(_integer(cell.get("colspan"), 1), 100))):
                if height > 1:
                    open_[len(line)] = (text, height - 1)
                line.append(text)
        _fill(line, open_)
        grid.append(_without_repeats(line, cells))
    return grid, header


def _fill(line: list[str], open_: dict[int, tuple[str, int]]) -> None:
    while len(line) in open_:
        text, left = open_.pop(len(line))
        if left > 1:
            open_[len(line)] = (text, left - 1)
        line.append(text)


def _without_repeats(line: list[str], cells: list[Any]) -> list[str]:
    """A row that is one wide cell is one cell."""
    return line[:1] if len(cells) == 1 and len(set(line)) == 1 else line
