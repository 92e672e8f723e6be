"""Downloads, against a server on the loopback: politeness, limits, redirects, private addresses, broken answers."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from reportlab.pdfgen.canvas import Canvas

from corpus.programmes import EU_MEMBERS, programmes
from corpus.publications import Publication, listed, publications
from corpus.schema import Source
from indexing import fetch
from indexing.fetch import Fetcher, FetchError, Limits, add_url, chosen, fetch_publications, is_public
from indexing.library import entries, library_files
from indexing.passages import DocumentError

PAGE = (
    "<!doctype html><html lang='en'><head><title>AEO | Customs</title><script>track()</script></head><body>"
    "<header>Home | Contact</header><main><h1>AEO programme</h1><h2>Section 27 Criteria</h2><p>(1) The applicant shall "
    "keep records for {years} years.</p><p>(2) The applicant shall be solvent and able to pay what it owes when it is "
    "due, as its accounts of the last three years show.</p></main><footer>Cookies</footer></body></html>"
)


@dataclass
class Site:
    """Answers by path: a function that writes one with the handler it is given."""

    url: str = ""
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


def answer(
    body: bytes | str = b"", status: int = 200, media_type: str = "text/html", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    data = body.encode() if isinstance(body, str) else body

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", media_type)
        for name, value in {
            "Content-Length": str(len(data)),
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return write


def in_turn(*replies: Callable[[BaseHTTPRequestHandler], None]) -> Callable[[BaseHTTPRequestHandler], None]:
    left = list(replies)

    def write(handler: BaseHTTPRequestHandler) -> None:
        left.pop(0)(handler)

    return write


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.requests.append((self.path, dict(self.headers)))
            with suppress(BrokenPipeError, ConnectionResetError):
                made.answers.get(self.path, answer("gone", 404))(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def fetcher(waits: list[float]) -> Iterator[Fetcher]:
    with Fetcher(Limits(pause=0, seconds=5, size=1 << 20), private_addresses=True, sleep=waits.append) as made:
        yield made


def publication(site: Site, path: str, name: str = "nz-act") -> Publication:
    return Publication(name, "NZ", "Customs Act", "CA", site.url + path, "law", "en", "not stated")


def texts(index: Path) -> dict[str, str]:
    return {p.reference: p.text for file in library_files(index) for _, ps in file.read(file.path) for p in ps}


def test_a_page_is_fetched_parsed_and_kept_as_official(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.answers["/act"] = answer(PAGE.format(years=10))
    (result,) = fetch_publications(tmp_path, [publication(site, "/act")], fetcher)
    assert (result.name, result.outcome, result.message) == ("nz-act", "new", "")
    assert texts(tmp_path)["CA section 27(1)"] == "(1) The applicant shall keep records for 10 years."
    (file,) = library_files(tmp_path)
    ((document, passages),) = file.read(file.path)
    assert (document.kind, document.jurisdiction, document.url) == ("official", "NZ", f"{site.url}/act")
    assert not any("Cookies" in p.text or "Home" in p.text for p in passages)
    assert site.requests[1][1]["User-Agent"].startswith("aeo-assistant/")


def test_a_second_fetch_is_conditional(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.answers["/act"] = answer(PAGE.format(years=10), ETag='"one"', Last_Modified="Mon, 02 Jun 2025 10:00:00 GMT")
    fetch_publications(tmp_path, [publication(site, "/act")], fetcher)
    site.answers["/act"] = answer(status=304, ETag='"one"')
    (result,) = fetch_publications(tmp_path, [publication(site, "/act")], fetcher)
    assert result.outcome == "unchanged"
    sent = site.requests[-1][1]
    assert (sent["If-None-Match"], sent["If-Modified-Since"]) == ('"one"', "Mon, 02 Jun 2025 10:00:00 GMT")
    site.answers["/act"] = answer(PAGE.format(years=7), ETag='"two"')
    (result,) = fetch_publications(tmp_path, [publication(site, "/act")], fetcher)
    assert result.outcome == "changed"
    assert "7 years" in texts(tmp_path)["CA section 27(1)"]
    assert [entry.etag for entry in entries(tmp_path)] == ['"two"']
    (result,) = fetch_publications(tmp_path, [publication(site, "/act")], fetcher)
    assert result.outcome == "unchanged"  # the server ignores conditions; the bytes are the same


def test_a_pdf_is_known_by_its_bytes(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "x.pdf"))
    canvas.drawString(50, 700, "Section 3. Records are kept.")
    canvas.save()
    site.answers["/download?id=7"] = answer((tmp_path / "x.pdf").read_bytes(), media_type="application/octet-stream")
    added = add_url(tmp_path / "index", f"{site.url}/download?id=7", {"jurisdiction": "NZ"}, fetcher)
    assert added.passages == 1
    assert texts(tmp_path / "index") == {"section 3": "Section 3. Records are kept."}
    assert next((tmp_path / "index" / "library").glob("*.pdf"))


def test_the_charset_of_the_server_counts(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    page = "<p>Artículo 5. El operador económico autorizado.</p>".encode("latin-1")
    site.answers["/ley"] = answer(page, media_type="text/html; charset=iso-8859-1")
    add_url(tmp_path, f"{site.url}/ley", {"jurisdiction": "MX"}, fetcher)
    assert texts(tmp_path) == {"Artículo 5": "Artículo 5. El operador económico autorizado."}


# Politeness


def test_robots_txt_is_obeyed(site: Site, fetcher: Fetcher) -> None:
    site.answers["/robots.txt"] = answer("User-agent: *\nDisallow: /private/\n", media_type="text/plain")
    site.answers["/private/act"] = answer(PAGE)
    site.answers["/act"] = answer(PAGE)
    with pytest.raises(FetchError, match=r"/private/act: the site's robots\.txt does not allow it"):
        fetcher.get(f"{site.url}/private/act")
    fetcher.get(f"{site.url}/act")
    assert site.paths() == ["/robots.txt", "/act"]


def test_robots_txt_is_obeyed_behind_a_redirect(site: Site, fetcher: Fetcher) -> None:
    site.answers["/robots.txt"] = answer("User-agent: *\nDisallow: /private/\n", media_type="text/plain")
    site.answers["/go"] = answer(status=302, Location="/private/act")
    with pytest.raises(FetchError, match="does not allow it"):
        fetcher.get(f"{site.url}/go")
    assert "/private/act" not in site.paths()


def test_a_site_whose_robots_txt_fails_is_left_alone(site: Site, fetcher: Fetcher) -> None:
    site.answers["/robots.txt"] = answer("down", 500)
    site.answers["/act"] = answer(PAGE)
    with pytest.raises(FetchError, match=r"/robots\.txt: the server answers HTTP 500 \(4 tries\); try again later"):
        fetcher.get(f"{site.url}/act")
    assert "/act" not in site.paths()


def test_crawl_delay_is_kept(site: Site, fetcher: Fetcher, waits: list[float]) -> None:
    site.answers["/robots.txt"] = answer("User-agent: *\nCrawl-delay: 7\n", media_type="text/plain")
    site.answers["/a"] = site.answers["/b"] = answer(PAGE)
    fetcher.get(f"{site.url}/a")
    fetcher.get(f"{site.url}/b")
    assert [round(wait) for wait in waits] == [7, 7]


def test_a_busy_server_is_asked_again_when_it_says(site: Site, fetcher: Fetcher, waits: list[float]) -> None:
    site.answers["/act"] = in_turn(answer("busy", 429, Retry_After="3"), answer("down", 503), answer(PAGE))
    assert fetcher.get(f"{site.url}/act").body.startswith(b"<!doctype")
    assert waits[0] == 3.0
    assert len(waits) == 2


def test_a_server_that_asks_for_too_much_patience_is_left(site: Site, fetcher: Fetcher, waits: list[float]) -> None:
    site.answers["/act"] = answer("busy", 503, Retry_After="86400")
    with pytest.raises(FetchError, match="asks to come back in 86400 s"):
        fetcher.get(f"{site.url}/act")
    assert (waits, site.paths().count("/act")) == ([], 1)


# Addresses


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 10.1.2.3 192.168.0.1 172.16.0.1 169.254.169.254 0.0.0.0 100.64.0.1 224.0.0.1 ::1 fe80::1 fc00::1 "  # noqa: SIM905
    "::ffff:127.0.0.1 64:ff9b::a00:1 2002:7f00:1:: ::".split(),
)
def test_private_addresses_are_recognised(address: str) -> None:
    assert not is_public(address)
    assert is_public("93.184.215.14")
    assert is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"])
def test_private_addresses_are_not_fetched(site: Site, host: str) -> None:
    port = site.url.rpartition(":")[2]
    with Fetcher(Limits(pause=0)) as strict, pytest.raises(FetchError, match="private or local address"):
        strict.get(f"http://{host}:{port}/act")
    assert site.requests == []


def test_a_redirect_to_a_private_address_is_not_followed(
    site: Site, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first host counts as public here, the second does not."""
    real = fetch.is_public
    monkeypatch.setattr(fetch, "is_public", lambda address: address == "127.0.0.1" or real(address))
    site.answers["/go"] = answer(status=302, Location="http://169.254.169.254/latest/meta-data")
    with Fetcher(Limits(pause=0)) as strict, pytest.raises(FetchError, match=r"'169\.254\.169\.254' is a private"):
        strict.get(f"{site.url}/go")


def test_a_name_with_one_private_address_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(2, 1, 6, "", ("93.184.215.14", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr(fetch.socket, "getaddrinfo", lambda *_, **__: both)
    with Fetcher(Limits(pause=0)) as strict, pytest.raises(FetchError, match="private or local address"):
        strict.get("http://customs.example/act")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://customs.example/act", "'ftp' addresses are not fetched; only http and https"),
        ("file:///etc/passwd", "'file' addresses are not fetched"),
        ("customs.example/act", "'no' addresses are not fetched"),
        ("https://user:secret@customs.example/", "not an address of a public page"),
        ("http://[::1/", "not an address"),
        ("http:///act", "not an address"),
    ],
)
def test_other_addresses_are_refused(fetcher: Fetcher, url: str, message: str) -> None:
    with pytest.raises(FetchError, match=message):
        fetcher.get(url)


def test_a_redirect_to_a_file_is_refused(site: Site, fetcher: Fetcher) -> None:
    site.answers["/go"] = answer(status=301, Location="file:///etc/passwd")
    with pytest.raises(FetchError, match="'file' addresses are not fetched"):
        fetcher.get(f"{site.url}/go")


def test_redirects_end(site: Site, fetcher: Fetcher) -> None:
    site.answers["/loop"] = answer(status=302, Location="/loop")
    with pytest.raises(FetchError, match="more than 5 redirects"):
        fetcher.get(f"{site.url}/loop")
    site.answers["/old"] = answer(status=301, Location="new")
    site.answers["/new"] = answer(PAGE)
    assert fetcher.get(f"{site.url}/old").url == f"{site.url}/new"


# Answers that are no good


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (answer("no", 404), "answers HTTP 404; check the address"),
        (answer("no", 403), "answers HTTP 403"),
        (answer(b"x", Content_Length=str(100 << 20)), r"larger than 1 MB \(100 MB so far\)"),
        (answer(gzip.compress(bytes(5 << 20)), Content_Encoding="gzip"), "larger than 1 MB"),
        (answer(b"not gzip", Content_Encoding="gzip"), "not packed as the server says"),
    ],
)
def test_bad_answers(site: Site, fetcher: Fetcher, reply: Callable[..., None], message: str) -> None:
    site.answers["/act"] = reply
    with pytest.raises(FetchError, match=message):
        fetcher.get(f"{site.url}/act")
    assert site.paths().count("/act") == 1


def test_an_answer_that_breaks_off_is_tried_again(site: Site, fetcher: Fetcher) -> None:
    site.answers["/act"] = in_turn(answer(b"<html>half", Content_Length="5000"), answer(PAGE))
    assert fetcher.get(f"{site.url}/act").body == PAGE.encode()
    site.answers["/bad"] = answer(b"<html>half", Content_Length="5000")
    with pytest.raises(FetchError, match=r"/bad: the connection failed .* \(4 tries\)"):
        fetcher.get(f"{site.url}/bad")


def test_an_answer_that_drips_is_given_up(site: Site) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"<p>")
            handler.wfile.flush()
            time.sleep(0.02)

    site.answers["/slow"] = drip
    limits = Limits(pause=0, seconds=0.3)
    with Fetcher(limits, private_addresses=True) as impatient, pytest.raises(FetchError, match="took longer than 0 s"):
        impatient.get(f"{site.url}/slow")


@pytest.fixture
def unknown_authority(tmp_path: Path) -> Iterator[tuple[int, list[str]]]:
    """Port of a TLS server with a certificate that nobody vouches for, and the names that clients ask it for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "customs.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("customs.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    (tmp_path / "tls.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")
    asked: list[str] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, asked
    server.shutdown()
    server.server_close()


def test_a_certificate_that_nobody_vouches_for(
    unknown_authority: tuple[int, list[str]], fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, asked = unknown_authority
    real = fetch.socket.getaddrinfo
    monkeypatch.setattr(fetch.socket, "getaddrinfo", lambda _, *rest, **named: real("127.0.0.1", *rest, **named))
    with pytest.raises(FetchError, match="the site's certificate is not valid; nothing was fetched"):
        fetcher.get(f"https://customs.test:{port}/act")
    assert asked == ["customs.test"]  # by its name, though the connection went to the address that was checked


def test_an_unknown_host(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(fetch.socket, "getaddrinfo", unknown)
    with pytest.raises(FetchError, match=r"the host name 'customs\.example' is not known; check the address"):
        fetcher.get("https://customs.example/act")


def test_what_cannot_be_read_is_not_kept(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.answers["/logo"] = answer(b"\x89PNG", media_type="image/png")
    site.answers["/app"] = answer("<html><body><div id=root></div></body></html>")
    site.answers["/fake"] = answer("hello", media_type="application/pdf")
    with pytest.raises(FetchError, match=r"/logo: image/png; HTML, PDF, DOCX"):
        add_url(tmp_path, f"{site.url}/logo", {"jurisdiction": "NZ"}, fetcher)
    with pytest.raises(FetchError, match="called application/pdf but is not"):
        add_url(tmp_path, f"{site.url}/fake", {"jurisdiction": "NZ"}, fetcher)
    with pytest.raises(DocumentError, match="the page has no text"):
        add_url(tmp_path, f"{site.url}/app", {"jurisdiction": "NZ"}, fetcher)
    assert entries(tmp_path) == []


def test_one_failure_does_not_stop_the_others(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.answers["/act"] = answer(PAGE)
    wanted = [publication(site, "/missing", "nz-old"), publication(site, "/act")]
    results = fetch_publications(tmp_path, wanted, fetcher)
    assert [(r.name, r.outcome) for r in results] == [("nz-old", "failed"), ("nz-act", "new")]
    assert "HTTP 404" in results[0].message


# The list


def test_the_list_is_sound() -> None:
    known = publications()
    assert len(known) > 200
    assert len({p.url for p in known}) == len({p.name for p in known}) == len(known)
    assert {p.programme for p in known} <= {*programmes(), *EU_MEMBERS}
    assert all(p.url.startswith(("http://", "https://")) and p.title and p.licence for p in known)


def test_the_list_grows_by_what_notes_cite() -> None:
    def source(url: str, kind: str = "official") -> Source:
        return Source.model_validate(
            {"title": "Customs page", "short": "Page", "url": url, "type": kind, "as_of": "2025"}
        )

    entries = listed(
        [
            ("CH", source("https://www.toll.no/aeo")),  # Norway's authority, cited by a Swiss note
            ("EU", source("https://zoll.de/aeo")),
            ("WCO", source("https://www.wcoomd.org/aeo")),
            ("CH", source("https://www.toll.no/aeo")),
            ("US", source("https://copy.example/aeo", "mirror")),
        ]
    )
    assert [(e.name, e.programme) for e in entries] == [("no-page", "NO"), ("eu-page", "EU"), ("wco-page", "WCO")]
    assert listed([("WCO", source("https://www.wcoomd.org/aeo"))], entries) == entries


def test_choosing_publications() -> None:
    known = publications()
    assert chosen([], known) == list(known)
    assert chosen([known[0].name], known) == [known[0]]
    assert {p.programme for p in chosen(["HK"], known)} == {"HK"}
    with pytest.raises(FetchError, match=r"no programme has that code; corpus/sources\.toml lists them"):
        chosen(["??"], known)
    wrong = known[0].name[:-1]
    with pytest.raises(
        FetchError, match=f"no publication is called '{wrong}' and no .*; the nearest are: .*{known[0].name}"
    ):
        chosen([wrong], known)
