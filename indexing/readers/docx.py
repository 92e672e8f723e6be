"""DOCX files as blocks: headings, computed list numbers, tables, footnotes; tracked changes as if accepted."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from indexing.passages import DocumentError
from indexing.readers.blocks import Block, Content, clean, letters, note_sign, roman_numeral, table_rows

LARGEST_CONTENT = 200 << 20
"""Bytes that a DOCX file may unpack to."""

_MOST_PARTS = 10_000
_DEEPEST_TABLE = 20
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_NOTES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
_ENDNOTES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/endnotes"


def read_docx(path: Path) -> Content:
    """Read a DOCX file.

    Raises:
        DocumentError: when it is no DOCX file, damaged, protected, or unpacks to more than it should.
    """
    _check_archive(path)
    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from lxml import etree

    try:
        document = docx.Document(str(path))
    except (PackageNotFoundError, KeyError, ValueError, etree.XMLSyntaxError, zipfile.BadZipFile) as error:
        raise DocumentError(
            f"{path.name}: not a readable DOCX file; open it in a word processor and save it again"
        ) from error
    reader = _Reader(document)
    blocks = list(reader.blocks(document.element.body, 0))
    blocks += reader.notes()
    if not blocks:
        raise DocumentError(f"{path.name}: the document has no text; if it holds pictures of pages, run OCR first")
    notices = []
    if reader.tracked:
        notices.append(f"{path.name}: has tracked changes; inserted text is read, deleted text is not")
    return Content(blocks, _properties(document), notices)


def _check_archive(path: Path) -> None:
    """Refuse an archive that is no DOCX, unpacks to too much, or names files outside itself."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError) as error:
        with path.open("rb") as file:
            old = file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        if old:
            raise DocumentError(
                f"{path.name}: an old or password-protected Word file; save it as DOCX without password"
            ) from error
        raise DocumentError(f"{path.name}: not a readable DOCX file; it is damaged or cut off") from error
    size = sum(entry.file_size for entry in entries)
    if size > LARGEST_CONTENT or len(entries) > _MOST_PARTS:
        raise DocumentError(
            f"{path.name}: unpacks to {size >> 20} MB in {len(entries)} parts; "
            f"more than {LARGEST_CONTENT >> 20} MB or {_MOST_PARTS} parts are not read"
        )
    for entry in entries:
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            raise DocumentError(
                f"{path.name}: names a file outside itself ('{entry.filename}'); it is not safe to read"
            )
    if not any(entry.filename == "[Content_Types].xml" for entry in entries):
        raise DocumentError(f"{path.name}: a ZIP archive, but no DOCX file; unpack it and add what is in it")


def _properties(document: Any) -> dict[str, str]:
    stated = document.core_properties
    found = {
        "title": clean(stated.title or ""),
        "publisher": clean(stated.author or ""),
        "language": (stated.language or "").partition("-")[0].casefold(),
    }
    if stated.modified is not None:
        found["as_of"] = stated.modified.date().isoformat()
    return {name: value for name, value in found.items() if value and value != "python-docx"}


class _Reader:
    def __init__(self, document: Any) -> None:
        self._document = document
        self._numbering = _Numbering(document)
        self._styles = {style.style_id: style for style in document.styles}
        self._signs: dict[str, str] = {}  # "footnote 2" → the sign it has in the text
        self._pending = ""  # text of a paragraph whose end mark was deleted
        self.tracked = False

    def blocks(self, parent: Any, depth: int) -> Iterator[Block]:
        """Blocks of a body, a cell or a content control."""
        for child in parent:
            if child.tag == f"{_W}p":
                yield from self._paragraph(child)
            elif child.tag == f"{_W}tbl":
                yield from self._table(child, depth)
            elif child.tag == f"{_W}sdt" and (content := child.find(f"{_W}sdtContent")) is not None:
                yield from self.blocks(content, depth)
            elif child.tag in (f"{_W}ins", f"{_W}moveTo", f"{_W}customXml", f"{_W}smartTag"):
                self.tracked = self.tracked or child.tag in (f"{_W}ins", f"{_W}moveTo")
                yield from self.blocks(child, depth)

    def notes(self) -> Iterator[Block]:
        """Footnotes and endnotes that the text refers to, in its order."""
        texts: dict[str, str] = {}
        for kind, relation in (("footnote", _NOTES), ("endnote", _ENDNOTES)):
            for part in (r.target_part for r in self._document.part.rels.values() if r.reltype == relation):
                from lxml import etree

                parser = etree.XMLParser(resolve_entities=False, no_network=True)
                for note in etree.fromstring(part.blob, parser).iter(f"{_W}{kind}"):
                    paragraphs = (clean(self._text(p)) for p in note.iter(f"{_W}p"))
                    texts[f"{kind} {note.get(f'{_W}id')}"] = " ".join(text for text in paragraphs if text)
        for key, sign in self._signs.items():
            if text := texts.get(key):
                yield Block("footnote", text, marker=sign)

    def _paragraph(self, element: Any) -> Iterator[Block]:
        properties = element.find(f"{_W}pPr")
        text = clean(self._pending + self._text(element))
        mark = properties.find(f"{_W}rPr/{_W}del") if properties is not None else None
        self._pending = f"{text} " if mark is not None else ""
        for box in _boxes(element):
            yield from self.blocks(box, 0)
        if self._pending or not text:
            return
        style = self._style(properties)
        level = self._outline(properties, style)
        number = self._numbering.next(properties, style)
        if level is not None:
            marker = number[0] if number else ""
            yield Block("heading", f"{marker} {text}".strip(), level=level)
        elif number is not None:
            yield Block("item", text, level=number[1] + 1, marker=number[0])
        else:
            yield Block("paragraph", text)

    def _text(self, element: Any) -> str:
        """Text of a paragraph: insertions are in it, deletions are not."""
        parts: list[str] = []
        for child in element:
            tag = child.tag
            if tag in (f"{_W}del", f"{_W}moveFrom"):
                self.tracked = True
            elif tag == f"{_W}t" or (isinstance(tag, str) and tag.endswith("/math}t")):
                parts.append(child.text or "")
            elif tag in (f"{_W}tab", f"{_W}br", f"{_W}cr"):
                parts.append(" ")
            elif tag == f"{_W}noBreakHyphen":
                parts.append("-")
            elif tag in (f"{_W}footnoteReference", f"{_W}endnoteReference"):
                parts.append(self._sign(child, tag))
            elif tag in (f"{_W}txbxContent", f"{_W}drawing", f"{_W}pict", f"{_MC}AlternateContent"):
                continue  # text boxes are blocks of their own
            elif tag in (f"{_W}ins", f"{_W}moveTo"):
                self.tracked = True
                parts.append(self._text(child))
            elif isinstance(tag, str) and tag not in (f"{_W}pPr", f"{_W}rPr"):
                parts.append(self._text(child))
        return "".join(parts)

    def _sign(self, reference: Any, tag: str) -> str:
        kind = "footnote" if tag.endswith("footnoteReference") else "endnote"
        key = f"{kind} {reference.get(f'{_W}id')}"
        sign = self._signs.setdefault(key, str(len(self._signs) + 1))
        return note_sign(sign)

    def _style(self, properties: Any) -> Any:
        name = properties.find(f"{_W}pStyle") if properties is not None else None
        return self._styles.get(name.get(f"{_W}val")) if name is not None else None

    def _outline(self, properties: Any, style: Any) -> int | None:
        """Level of a heading, from 1; 0 for the title of the whole; None for other text."""
        own = properties.find(f"{_W}outlineLvl") if properties is not None else None
        if own is not None:
            level = int(own.get(f"{_W}val", 9))
            return level + 1 if level < 9 else None
        while style is not None:
            name = (style.name or "").casefold()
            if match := re.fullmatch(r"heading (\d)", name):
                return int(match.group(1))
            if name == "title":
                return 0
            found = style.element.find(f"{_W}pPr/{_W}outlineLvl")
            if found is not None and int(found.get(f"{_W}val", 9)) < 9:
                return int(found.get(f"{_W}val")) + 1
            style = style.base_style
        return None

    def _table(self, table: Any, depth: int) -> Iterator[Block]:
        """Rows with their header; a table that holds tables or headings only arranges text, and is read as that."""
        nested = any(table.iterfind(f".//{_W}tc//{_W}tbl"))
        if nested and depth < _DEEPEST_TABLE:
            for cell in self._cells(table):
                yield from self.blocks(cell, depth + 1)
            return
        rows: list[list[str]] = []
        header: bool | None = None
        for row in table.iterfind(f".//{_W}tr"):
            properties = row.find(f"{_W}trPr")
            if properties is not None and properties.find(f"{_W}del") is not None:
                self.tracked = True
                continue
            if properties is not None and properties.find(f"{_W}tblHeader") is not None and not rows:
                header = True
            rows.append(self._row(row, rows[-1] if rows else []))
        yield from table_rows(rows, header=header)

    def _cells(self, table: Any) -> Iterator[Any]:
        for row in table.iterchildren(f"{_W}tr"):
            yield from row.iterchildren(f"{_W}tc")

    def _row(self, row: Any, above: list[str]) -> list[str]:
        cells: list[str] = []
        for cell in row.iterfind(f"{_W}tc"):
            span = cell.find(f"{_W}tcPr/{_W}gridSpan")
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            text = clean(" ".join(self._text(p) for p in cell.iter(f"{_W}p")))
            if merged is not None and merged.get(f"{_W}val") != "restart" and len(cells) < len(above):
                text = above[len(cells)]
            width = min(int(span.get(f"{_W}val", 1)), 100) if span is not None else 1
            cells += [text] * width
        return cells


def _boxes(paragraph: Any) -> Iterator[Any]:
    """Text boxes anchored in a paragraph; of two renderings of one box the first."""
    for box in paragraph.iter(f"{_W}txbxContent"):
        if not any(ancestor.tag == f"{_MC}Fallback" for ancestor in box.iterancestors()):
            yield box


class _Numbering:
    """Counts automatic numbers as a word processor shows them: "4.2", "(a)"."""

    def __init__(self, document: Any) -> None:
        self._levels: dict[str, dict[int, tuple[str, str, int]]] = {}  # list: level → format, pattern, start
        self._counts: dict[str, dict[int, int]] = {}
        try:
            root = document.part.numbering_part.element
        except (KeyError, NotImplementedError):
            return
        abstract = {each.get(f"{_W}abstractNumId"): each for each in root.iterfind(f"{_W}abstractNum")}
        self._shared: dict[str, str] = {}
        for each in root.iterfind(f"{_W}num"):
            key = each.get(f"{_W}numId")
            reference = each.find(f"{_W}abstractNumId")
            source = abstract.get(reference.get(f"{_W}val")) if reference is not None else None
            if source is None:
                continue
            levels = {int(lvl.get(f"{_W}ilvl")): _level(lvl) for lvl in source.iterfind(f"{_W}lvl")}
            overrides = list(each.iterfind(f"{_W}lvlOverride"))
            for override in overrides:
                number = int(override.get(f"{_W}ilvl"))
                own, start = override.find(f"{_W}lvl"), override.find(f"{_W}startOverride")
                if own is not None:
                    levels[number] = _level(own)
                if start is not None and number in levels:
                    levels[number] = (*levels[number][:2], int(start.get(f"{_W}val", 1)))
            self._levels[key] = levels
            # Lists of one definition count on together unless one restarts.
            self._shared[key] = f"num {key}" if overrides else f"abstract {reference.get(f'{_W}val')}"

    def next(self, properties: Any, style: Any) -> tuple[str, int] | None:
        """The number of the next paragraph ("" for a bullet) and its level from 0; None for one without."""
        found = properties.find(f"{_W}numPr") if properties is not None else None
        while found is None and style is not None:
            found = style.element.find(f"{_W}pPr/{_W}numPr")
            style = style.base_style
        if found is None or found.find(f"{_W}numId") is None:
            return None
        key = found.find(f"{_W}numId").get(f"{_W}val")
        level = int(found.find(f"{_W}ilvl").get(f"{_W}val")) if found.find(f"{_W}ilvl") is not None else 0
        levels = self._levels.get(key)
        if not levels or level not in levels:
            return None
        counts = self._counts.setdefault(self._shared[key], {})
        counts[level] = counts.get(level, levels[level][2] - 1) + 1
        for deeper in [each for each in counts if each > level]:
            del counts[deeper]
        form, pattern, _ = levels[level]
        if form in ("bullet", "none"):
            return "", level

        def number(match: re.Match[str]) -> str:
            place = int(match.group(1)) - 1
            _, _, start = levels.get(place, ("decimal", "", 1))
            return _formatted(counts.get(place, start), levels.get(place, ("decimal", "", 1))[0])

        return re.sub(r"%(\d)", number, pattern), level


def _level(element: Any) -> tuple[str, str, int]:
    def value(name: str, default: str) -> str:
        found = element.find(f"{_W}{name}")
        return default if found is None else str(found.get(f"{_W}val", default))

    return value("numFmt", "decimal"), value("lvlText", "%1."), int(value("start", "1"))


def _formatted(number: int, form: str) -> str:
    match form:
        case "lowerLetter":
            return letters(number)
        case "upperLetter":
            return letters(number).upper()
        case "lowerRoman":
            return roman_numeral(number)
        case "upperRoman":
            return roman_numeral(number).upper()
        case _:
            return str(number)
