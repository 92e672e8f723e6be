"""The official publications that `aeo corpus fetch` downloads: `corpus/sources.toml`, kept by hand and by this module.

`python -m corpus.publications` adds the official sources of the guidance notes that the list does not have yet.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from corpus.loader import load_note, note_paths
from corpus.programmes import EU_MEMBERS, programmes
from corpus.schema import CorpusError, Source

PATH = Path(__file__).parent / "sources.toml"
LICENCE = "not stated here; see the publisher's terms of use"

Kind = Literal["law", "guidance"]


@dataclass(frozen=True, slots=True)
class Publication:
    """One entry of the list."""

    name: str
    """What `aeo corpus fetch NAME` takes; also the id of the fetched document."""
    programme: str
    """Jurisdiction code of the programme it belongs to."""
    title: str
    short: str
    """What references to it begin with."""
    url: str
    kind: Kind
    language: str
    licence: str


@lru_cache(maxsize=4)
def publications(path: Path = PATH) -> tuple[Publication, ...]:
    """All entries, in the list's order.

    Raises:
        CorpusError: when the list is not of its form or a name occurs twice.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))["publication"]
        found = tuple(Publication(**entry) for entry in fields)
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise CorpusError(f"{path}: not a list of publications ({error}); each needs {_FIELDS}") from error
    names = [publication.name for publication in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CorpusError(f"{path}: name '{twice[0]}' occurs twice; give one of them another")
    return found


_FIELDS = ", ".join(Publication.__slots__)

_LAW = re.compile(
    r"\b(?:law|act|regulations?|decree|order|ordinance|code|directive|resolution|decision|resolución|resolução|decreto"
    r"|ley|lei|instrução normativa|закон|постановление|приказ|указ|gesetz|verordnung|loi|arrêté)\b|法|令|条例",
    re.IGNORECASE,
)

_DOMAINS = {"uk": "GB", "gov": "US"}
"""Top-level domains that are no country code, but one country's all the same."""


def _programme(jurisdiction: str, url: str) -> str:
    """Whose publication it is: a note on one programme may cite the authority of another, as its domain shows."""
    domain = (urlsplit(url).hostname or "").rstrip(".").rpartition(".")[2]
    country = _DOMAINS.get(domain, domain.upper())
    if country in programmes():
        return country
    return "EU" if country in EU_MEMBERS else jurisdiction


def listed(sources: Iterable[tuple[str, Source]], known: Iterable[Publication] = ()) -> list[Publication]:
    """Entries for official sources, given with their note's jurisdiction, beyond those known: one for each URL."""
    found = list(known)
    urls = {entry.url for entry in found}
    names = {entry.name for entry in found}
    for jurisdiction, source in sources:
        url = str(source.url)
        if source.type != "official" or url in urls:
            continue
        urls.add(url)
        programme = _programme(jurisdiction, url)
        base = "-".join([programme.casefold(), *re.findall(r"[a-z0-9]+", source.short.casefold())])[:60].strip("-")
        name, number = base, 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.add(name)
        kind: Kind = "law" if _LAW.search(source.title) else "guidance"
        found.append(Publication(name, programme, source.title, source.short, url, kind, source.language, LICENCE))
    return found


def main() -> None:
    """Write the list again, with what the notes cite since."""
    notes = [load_note(path) for path in note_paths()]
    sources = [(note.front.jurisdiction, source) for note in notes for source in note.front.sources.values()]
    before = publications() if PATH.exists() else ()
    entries = listed(sources, before)
    blocks = [
        "\n".join(f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in asdict(entry).items()) for entry in entries
    ]
    head = (
        "# Official publications of the programmes, as the guidance notes cite them: what 'aeo corpus fetch' downloads.\n"
        "# 'licence' says what the publisher allows, where that was looked up.\n\n"
    )
    PATH.write_text(head + "\n\n".join(f"[[publication]]\n{block}" for block in blocks) + "\n", encoding="utf-8")
    print(f"{len(entries)} publications, {len(entries) - len(before)} of them new: {PATH}")


if __name__ == "__main__":
    main()
