"""Downloads official publications into the library, politely and without being led into private networks.

Every hop of a redirect is checked like the first address: http or https, a public address (the name is resolved once
and the connection goes to what was checked), and allowed by the host's robots.txt.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import unquote, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import httpx
import tenacity

from corpus.errors import UserError
from corpus.publications import Publication
from indexing.library import Added, Entry, add_file, entries, library_of, write_entry
from indexing.readers import LARGEST_FILE, slug

AGENT = "aeo-assistant"
_ROBOTS_SIZE = 512 << 10
_REPEATED = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class FetchError(UserError):
    """Something could not be fetched. The message names the address, the cause and the remedy."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is asked of a server, and of this machine."""

    size: int = LARGEST_FILE
    """Bytes of one document, unpacked."""
    seconds: float = 120
    """For one document, redirects and repeats included."""
    redirects: int = 5
    attempts: int = 4
    pause: float = 1.0
    """Seconds between two requests to one host."""
    longest_wait: float = 60
    """Seconds; a server that asks for more patience is left alone."""


@dataclass(frozen=True, slots=True)
class Download:
    """What a server answered."""

    url: str
    """After redirects."""
    unchanged: bool
    """304: the server says that nothing changed since."""
    body: bytes = b""
    media_type: str = ""
    charset: str = ""
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of one publication."""

    name: str
    outcome: Literal["new", "changed", "unchanged", "failed"]
    message: str
    """Why it failed, or what could not be read of it; else empty."""


class _Again(Exception):
    """A failure that may pass: worth another try, perhaps `after` some seconds that the server named."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where it is wrapped in IPv6.

    >>> is_public("8.8.8.8"), is_public("127.0.0.1"), is_public("::ffff:10.0.0.1"), is_public("169.254.169.254")
    (True, False, False, False)
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


class _CheckedTransport(httpx.BaseTransport):
    """Connects only to addresses that were checked: it resolves the name itself, and connects to the result."""

    def __init__(self, private_addresses: bool) -> None:
        self._private = private_addresses
        # Connections are not kept: one to an address might be used for another name at that address.
        self._inner = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0), trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        address = self._resolved(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        if request.url.scheme == "https":
            request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return self._inner.handle_request(request)

    def _resolved(self, host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            # Not asked again: the resolver has done so, and without a network every name of a long list is unknown.
            raise FetchError(f"the host name '{host}' is not known; check the address and the network") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not self._private and not all(map(is_public, addresses)):
            raise FetchError(f"'{host}' is a private or local address ({addresses[0]}); such addresses are not fetched")
        return addresses[0]

    def close(self) -> None:
        self._inner.close()


class Fetcher:
    """Gets documents over HTTP. Use it as a context manager.

    `private_addresses` lets it into private networks: for tests, and for a publication on one's own intranet.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        private_addresses: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = limits or Limits()
        self._sleep = sleep
        self._robots: dict[str, RobotFileParser] = {}
        self._last: dict[str, float] = {}
        self._client = httpx.Client(
            transport=_CheckedTransport(private_addresses),
            headers={"User-Agent": f"{AGENT}/0.1", "Accept": "text/html, application/pdf, */*;q=0.5"},
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, url: str, etag: str = "", last_modified: str = "") -> Download:
        """Get a document, or learn that it did not change since the answer that had this `etag` or `last_modified`.

        Raises:
            FetchError: one line: not allowed, not reachable, too large, too slow, or not found.
        """
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in conditions.items() if value}
        return self._patiently(url, headers, self._limits.size, robots=True)

    def _patiently(self, url: str, headers: Mapping[str, str], size: int, *, robots: bool) -> Download:
        deadline = time.monotonic() + self._limits.seconds
        try:
            for attempt in tenacity.Retrying(
                stop=tenacity.stop_after_attempt(self._limits.attempts),
                wait=self._wait,
                retry=tenacity.retry_if_exception_type(_Again),
                sleep=self._sleep,
                reraise=True,
            ):
                with attempt:
                    return self._follow(url, headers, size, deadline, robots)
        except _Again as error:
            raise FetchError(f"{url}: {error} ({self._limits.attempts} tries); try again later") from error
        raise AssertionError("Retrying ends with a result or an exception")

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _Again) and error.after is not None:
            return error.after
        return float(tenacity.wait_exponential_jitter(multiplier=self._limits.pause, max=30)(state))

    def _follow(self, url: str, headers: Mapping[str, str], size: int, deadline: float, robots: bool) -> Download:
        """One try: the document behind at most so many redirects."""
        here = url
        for _ in range(self._limits.redirects + 1):
            _check_form(here)
            if robots:
                self._check_robots(here)
            answer = self._request(here, headers, size, deadline)
            if isinstance(answer, Download):
                return answer
            here = urljoin(here, answer)
        raise FetchError(f"{url}: more than {self._limits.redirects} redirects; look the address up in a browser")

    def _request(self, url: str, headers: Mapping[str, str], size: int, deadline: float) -> Download | str:
        """The document, or where a redirect leads."""
        self._pause(url)
        left = deadline - time.monotonic()
        if left <= 0:
            raise FetchError(f"{url}: took longer than {self._limits.seconds:.0f} s; try again later")
        timeout = httpx.Timeout(min(20, left), connect=min(10, left))
        try:
            with self._client.stream("GET", url, headers=headers, timeout=timeout) as response:
                return self._answer(url, response, size, deadline)
        except httpx.TimeoutException as error:
            raise _Again("the server does not answer in time") from error
        except httpx.TransportError as error:
            if "CERTIFICATE" in str(error).upper():
                raise FetchError(f"{url}: the site's certificate is not valid; nothing was fetched") from error
            raise _Again(f"the connection failed ({error or type(error).__name__})") from error
        except httpx.DecodingError as error:
            raise FetchError(f"{url}: the answer is not packed as the server says; nothing was kept") from error

    def _answer(self, url: str, response: httpx.Response, size: int, deadline: float) -> Download | str:
        status = response.status_code
        kept = {"etag": response.headers.get("ETag", ""), "last_modified": response.headers.get("Last-Modified", "")}
        if status == httpx.codes.NOT_MODIFIED:
            return Download(url, True, **kept)
        if status in _REDIRECTS and "Location" in response.headers:
            return str(response.headers["Location"])
        if status in _REPEATED:
            after = _retry_after(response.headers.get("Retry-After", ""))
            if after is not None and after > self._limits.longest_wait:
                raise FetchError(
                    f"{url}: the server asks to come back in {after:.0f} s (HTTP {status}); try again later"
                )
            raise _Again(f"the server answers HTTP {status}", after)
        if status != httpx.codes.OK:
            raise FetchError(f"{url}: the server answers HTTP {status}; check the address in a browser")
        announced = response.headers.get("Content-Length", "")
        if announced.isdigit() and int(announced) > size:
            raise FetchError(f"{url}: {_too_large(int(announced), size)}")
        body = bytearray()
        for chunk in response.iter_bytes(64 << 10):
            body += chunk
            if len(body) > size:
                raise FetchError(f"{url}: {_too_large(len(body), size)}")
            if time.monotonic() > deadline:
                raise FetchError(f"{url}: took longer than {self._limits.seconds:.0f} s; try again later")
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().casefold()
        return Download(url, False, bytes(body), media_type, response.charset_encoding or "", **kept)

    def _check_robots(self, url: str) -> None:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._robots:
            self._robots[origin] = self._read_robots(origin)
        if not self._robots[origin].can_fetch(AGENT, url):
            raise FetchError(
                f"{url}: the site's robots.txt does not allow it; save the page in a browser and add the file"
            )

    def _read_robots(self, origin: str) -> RobotFileParser:
        """The site's rules; a site without them allows everything (RFC 9309)."""
        rules = RobotFileParser()
        try:
            answer = self._patiently(f"{origin}/robots.txt", {}, _ROBOTS_SIZE, robots=False)
        except FetchError as error:
            if re.search(r"answers HTTP 4\d\d;", str(error)):
                rules.parse([])
                return rules
            raise
        rules.parse(answer.body.decode("utf-8", "replace").splitlines())
        return rules

    def _pause(self, url: str) -> None:
        """Leave the host time since the request before, as much as its robots.txt asks for."""
        parts = urlsplit(url)
        rules = self._robots.get(f"{parts.scheme}://{parts.netloc}")
        asked = float(rules.crawl_delay(AGENT) or 0) if rules else 0
        pause = max(self._limits.pause, min(asked, self._limits.longest_wait))
        since = time.monotonic() - self._last.get(parts.netloc, -1e9)
        if since < pause:
            self._sleep(pause - since)
        self._last[parts.netloc] = time.monotonic()


def _check_form(url: str) -> None:
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError as error:
        raise FetchError(f"{url}: not an address; it should look like https://customs.example/page") from error
    if parts.scheme not in ("http", "https"):
        raise FetchError(f"{url}: '{parts.scheme or 'no'}' addresses are not fetched; only http and https")
    if not parts.hostname or parts.username or parts.password or not port_ok:
        raise FetchError(f"{url}: not an address of a public page; it should look like https://customs.example/page")


def _too_large(size: int, limit: int) -> str:
    return f"larger than {limit >> 20} MB ({size >> 20} MB so far); download it and add the part that you need"


def _retry_after(value: str) -> float | None:
    """Seconds that a server asks to wait; None if it does not say."""
    if value.isdigit():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


_SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "application/pdf": ".pdf",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}


def suffix_of(download: Download) -> str:
    """The ending that a download's file should have: by its bytes, then by what the server calls it.

    Raises:
        FetchError: when it is nothing that can be read.
    """
    start = download.body[:1024].lstrip().lower()
    if start.startswith(b"%pdf-"):
        return ".pdf"
    if start.startswith(b"pk\x03\x04"):
        return ".docx"
    if start.startswith((b"<!doctype html", b"<html")):
        return ".html"
    suffix = _SUFFIXES.get(download.media_type)
    if suffix == ".txt" and urlsplit(download.url).path.casefold().endswith(".md"):
        return ".md"
    if suffix in (".pdf", ".docx") or suffix is None:
        said = f"called {download.media_type} but is not" if suffix else download.media_type or "of no stated type"
        raise FetchError(f"{download.url}: {said}; HTML, PDF, DOCX, Markdown and plain text can be indexed")
    return suffix


def add_url(
    index: Path,
    url: str,
    options: Mapping[str, Any],
    fetcher: Fetcher,
    *,
    replace_existing: bool = False,
) -> Added:
    """Download a document and add it to the library; options as for `indexing.library.add`.

    Raises:
        FetchError, DocumentError: one line each.
    """
    parts = urlsplit(url)
    given = {"id": slug(f"{parts.hostname} {unquote(parts.path)} {parts.query}")[:60].strip("-"), "url": url}
    given |= {k: v for k, v in options.items() if v not in (None, "")}
    return _add(index, fetcher.get(url), given, url, replace_existing)


def _add(index: Path, download: Download, options: Mapping[str, Any], url: str, replace_existing: bool) -> Added:
    suffix = suffix_of(download)
    stem = slug(Path(unquote(urlsplit(url).path)).stem or "page")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{stem}{suffix}"
        path.write_bytes(download.body)
        return add_file(
            index,
            path,
            {"charset": download.charset, "publisher": urlsplit(url).hostname, **options},
            name=url,
            replace_existing=replace_existing,
            etag=download.etag,
            last_modified=download.last_modified,
        )


def chosen(names: Sequence[str], known: Iterable[Publication]) -> list[Publication]:
    """Publications by name or by programme code; all of them without names.

    Raises:
        FetchError: when a name is not in the list, with the nearest that are.
    """
    known = list(known)
    if not names:
        return known
    found: list[Publication] = []
    for name in names:
        matching = [each for each in known if name in (each.name, each.programme)]
        if not matching:
            near = ", ".join(get_close_matches(name, [each.name for each in known], 3))
            hint = f"the nearest are: {near}" if near else "corpus/sources.toml lists them"
            raise FetchError(f"no publication is called '{name}' and no programme has that code; {hint}")
        found += [each for each in matching if each not in found]
    return found


def fetch_publications(
    index: Path,
    publications: Sequence[Publication],
    fetcher: Fetcher,
    progress: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> list[Fetched]:
    """Bring publications into the library, or up to date there. One that fails does not stop the others."""
    held = {entry.id: entry for entry in entries(index)}
    results = []
    for done, publication in enumerate(publications):
        progress("fetching", done, len(publications))
        try:
            results.append(_fetch_one(index, publication, held.get(publication.name), fetcher))
        except UserError as error:
            results.append(Fetched(publication.name, "failed", str(error)))
    progress("fetching", len(publications), len(publications))
    return results


def _fetch_one(index: Path, publication: Publication, held: Entry | None, fetcher: Fetcher) -> Fetched:
    # Without its original an entry is fetched whole again.
    if held and not (library_of(index) / held.file).exists():
        held = None
    known = (held.etag, held.last_modified) if held else ("", "")
    download = fetcher.get(publication.url, *known)
    if download.unchanged and held:
        today = datetime.now(UTC).date().isoformat()
        write_entry(index, replace(held, added=today))
        return Fetched(publication.name, "unchanged", "")
    options = {
        "id": publication.name,
        "title": publication.title,
        "short": publication.short,
        "jurisdiction": publication.programme,
        "language": publication.language,
        "url": publication.url,
    }
    added = _add(index, download, options, publication.url, replace_existing=True)
    outcome: Literal["new", "changed", "unchanged"]
    outcome = "new" if held is None else "unchanged" if added.unchanged else "changed"
    return Fetched(publication.name, outcome, " ".join(added.notices))
