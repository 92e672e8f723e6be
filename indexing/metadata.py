"""What is known about a publication beside its text: who published it, for which programme, as of when, for whom."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from corpus.programmes import EU_MEMBERS, programmes
from corpus.schema import PartialDate
from indexing.passages import DocumentError

SIDECAR = ".toml"
"""`act.pdf` has its metadata in `act.pdf.toml`."""


_FORMS = {
    "id": "write small letters, digits and single hyphens: nz-customs-act",
    "language": "write its ISO 639-1 code: en",
    "url": "write an address that begins with https:// or http://",
}


class Metadata(BaseModel):
    """Metadata as options, front matter, a sidecar file or the document itself give it; all of it may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field("", pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$")
    title: str = ""
    short: str = Field("", max_length=60)
    """What references begin with: "UCC" gives "UCC Article 39(c)"."""
    publisher: str = ""
    jurisdiction: str = ""
    programme: str = ""
    language: str = Field("", pattern=r"^([a-z]{2,3})?$")
    as_of: PartialDate | None = None
    valid_from: PartialDate | None = None
    valid_to: PartialDate | None = None
    url: str = Field("", pattern=r"^(https?://.*)?$")
    access: Literal["public", "officer"] = "public"
    charset: str = ""
    """What the server said the page's encoding is."""

    @field_validator("jurisdiction")
    @classmethod
    def _known(cls, value: str) -> str:
        known = {*programmes(), *EU_MEMBERS, ""}
        if value.upper() not in known:
            raise ValueError(f"'{value}' is not a known programme; use one of {', '.join(sorted(known - {''}))}")
        return value.upper()


def metadata_of(name: str, *sources: Mapping[str, Any]) -> Metadata:
    """Merge metadata, the first source that states a field winning; `name` is the file's, for messages.

    Raises:
        DocumentError: naming the field, what is wrong with it and what would be right.
    """
    merged: dict[str, Any] = {}
    for source in reversed(sources):
        merged.update({field: value for field, value in source.items() if value not in (None, "")})
    try:
        return Metadata.model_validate({k: v.isoformat() if isinstance(v, date) else v for k, v in merged.items()})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise DocumentError(f"{name}: no metadata field '{field}'; the fields are {', '.join(FIELDS)}") from error
        said = _FORMS.get(field) if first["type"] == "string_pattern_mismatch" else None
        raise DocumentError(f"{name}: {field}: {said or first['msg'].removeprefix('Value error, ')}") from error


FIELDS = tuple(Metadata.model_fields)
"""Names of all metadata fields."""


def sidecar_of(path: Path) -> Path:
    """Where a file's sidecar would be."""
    return path.with_name(path.name + SIDECAR)


def read_sidecar(path: Path) -> dict[str, Any]:
    """The metadata beside a file; empty without a sidecar.

    Raises:
        DocumentError: when the sidecar is not TOML.
    """
    sidecar = sidecar_of(path)
    if not sidecar.exists():
        return {}
    try:
        return tomllib.loads(sidecar.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DocumentError(f'{sidecar.name}: not TOML ({error}); write lines like title = "…"') from error


_SCRIPTS = (
    ("ja", r"[\u3040-\u30ff]"),
    ("ko", r"[\uac00-\ud7af]"),
    ("zh", r"[\u4e00-\u9fff]"),
    ("th", r"[\u0e00-\u0e7f]"),
    ("he", r"[\u0590-\u05ff]"),
    ("ar", r"[\u0600-\u06ff]"),
    ("el", r"[\u0370-\u03ff]"),
    ("ka", r"[\u10a0-\u10ff]"),
    ("hy", r"[\u0530-\u058f]"),
    ("uk", r"[іїєґ]"),
    ("ru", r"[а-яё]"),
)
_COMMON = {
    "en": "the of and to in is shall for be or",
    "fr": "le la les des et du est une pour dans",
    "de": "der die das und ist zu den von nicht mit",
    "es": "el los las de que y en del para por",
    "pt": "o os as de que e do da em para",
    "it": "il di che e la per un del della sono",
    "id": "yang dan di dengan untuk pada dalam adalah ini dari",
    "tr": "ve bir bu için ile olarak olan da de veya",
    "nl": "de het een van en in is dat op te",
    "pl": "i w na z do nie się oraz jest przez",
    "vi": "của và các được cho trong là có theo người",
}


def guess_language(text: str) -> str:
    """The language of a text by its script or its commonest words: for texts that do not state theirs.

    >>> guess_language("The applicant shall be solvent."), guess_language("海关应当自受理之日起作出决定")
    ('en', 'zh')
    """
    sample = text[:20_000].casefold()
    letters = max(len(re.findall(r"[^\W\d_]", sample)), 1)
    for language, script in _SCRIPTS:
        share = len(re.findall(script, sample)) / letters
        if share > (0.05 if language in ("ja", "uk") else 0.3):
            return language
    words = re.findall(r"[^\W\d_]+", sample)
    scores = {language: sum(words.count(word) for word in common.split()) for language, common in _COMMON.items()}
    return max(scores, key=scores.__getitem__) if any(scores.values()) else "en"
