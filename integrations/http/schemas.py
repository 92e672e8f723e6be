"""What requests may hold and what responses do hold: the single list of fields that leave this program over HTTP."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from assistant.answer import Audience
from assistant.service import Assistant
from indexing.passages import Document, Passage

MAX_COMMENT_CHARS = 2000


def _plain(text: str) -> str:
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" for c in text):
        raise ValueError("holds control or binary characters")
    return text


PlainText = Annotated[str, AfterValidator(_plain)]
"""Text that every database and terminal can hold."""


class Request(BaseModel):
    """Fields that are not known are refused: a misspelt one must not be taken for its default."""

    model_config = ConfigDict(extra="forbid")


class Response(BaseModel):
    """Filled from the domain's objects by field name."""

    model_config = ConfigDict(from_attributes=True)


class Ask(Request):
    """A question."""

    question: str = Field(examples=["How long does EU customs have to decide on an AEO application?"])
    jurisdictions: list[PlainText] = Field(
        [], max_length=20, description="Codes of /v1/programmes; none: recognised from the question"
    )
    audience: Audience | None = Field(None, description="null: recognised from the question")
    conversation_id: PlainText | None = Field(
        None, max_length=40, description="From POST /v1/conversations, so that follow-ups are understood"
    )


class Search(Request):
    """A search."""

    query: str = Field(examples=["financial solvency of the applicant"])
    k: int = Field(10, ge=1, le=100, description="How many passages at most")
    jurisdictions: list[PlainText] = Field([], max_length=20, description="Codes of /v1/programmes; none: all")


class Feedback(Request):
    """Whether an answer helped."""

    answer_id: str = Field(pattern=r"^ans_[0-9a-f]{20}$", examples=["ans_0123456789abcdef0123"])
    helpful: bool
    comment: PlainText = Field("", max_length=MAX_COMMENT_CHARS)


class ProblemDocument(Response):
    """An error, by RFC 9457."""

    type: str = Field(description="Where this kind of problem is explained")
    title: str
    status: int
    detail: str = Field(description="What is wrong, in one sentence")
    remedy: str = Field("", description="What to do about it")


class ProgrammeItem(Response):
    """A programme that the guidance covers."""

    code: str
    name: str
    authority: str
    aliases: list[str] = Field(description="Words that point to it")


class DocumentItem(Response):
    """The document that a passage stands in."""

    id: str
    title: str
    publisher: str


class PassageItem(Response):
    """The smallest part of a document that can be cited on its own."""

    id: str
    text: str
    heading_path: list[str]
    reference: str = Field(description="The pinpoint in the source")
    topic: str
    programme: str
    jurisdiction: str
    kind: str = Field(description="restatement (our own words) or official (the publication's text)")
    language: str
    url: str
    as_of: str = Field(description="When the source was last seen to say this: YYYY, YYYY-MM or YYYY-MM-DD")
    undated: bool = Field(description="The source shows no date: as_of is when it was read")
    source_type: str = Field(description="official, mirror (official text on another site) or secondary")
    status: str = Field(description="verified, unverified (never used to answer) or gap (nothing reliable was found)")
    valid_from: str | None
    valid_to: str | None
    page: int | None


class PassageInDocument(PassageItem):
    """A passage, and where it stands."""

    document: DocumentItem | None

    @classmethod
    def of(cls, passage: Passage, assistant: Assistant) -> PassageInDocument:
        """The passage with its document's title and publisher."""
        found = assistant.document(passage.document_id)
        item = PassageItem.model_validate(passage)
        document = DocumentItem.model_validate(found[0]) if found else None
        return cls(**item.model_dump(), document=document)


class SearchHit(Response):
    """A passage and how well it fits; scores compare within one search only."""

    score: float
    passage: PassageInDocument


class SearchResults(Response):
    """Passages, best first."""

    results: list[SearchHit]


class WholeDocument(DocumentItem):
    """A document and its passages in reading order."""

    programme: str
    jurisdiction: str
    kind: str
    language: str
    url: str
    as_of: str
    valid_from: str | None
    valid_to: str | None
    superseded_by: str | None
    passages: list[PassageItem]

    @classmethod
    def of(cls, document: Document, passages: list[Passage]) -> WholeDocument:
        """The document with these passages of it."""
        items = [PassageItem.model_validate(passage) for passage in passages]
        fields = {name: getattr(document, name) for name in cls.model_fields if name != "passages"}
        return cls(**fields, passages=items)


class Created(Response):
    """The id of what was created."""

    id: str


class Conversation(Response):
    """A conversation's answers, oldest first, each as /v1/ask gave it."""

    id: str
    answers: list[dict[str, Any]]


class Health(Response):
    """That the process runs, and which version of the index it serves."""

    status: str
    index_version: str | None = None
