"""The web chat in a real browser, over the real server, index and database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from assistant.settings import Settings
from web.support import HOSTILE_SENTENCE, GatedAssistant, eventually, serving

DECISION = "How long does EU customs have to decide on an AEO application?"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
expect.set_options(timeout=20_000)
DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def served(small_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, GatedAssistant]]:
    """One server for all tests, with its assistant; every test has a browser context of its own."""
    database = tmp_path_factory.mktemp("served") / "aeo.sqlite3"
    settings = Settings(index=small_index, database_url=f"sqlite:///{database}")
    assistant = GatedAssistant(settings)
    with serving(settings, assistant) as address:
        yield address, assistant


@pytest.fixture
def address(served: tuple[str, GatedAssistant]) -> str:
    return served[0]


@pytest.fixture
def gated(served: tuple[str, GatedAssistant]) -> Iterator[GatedAssistant]:
    assistant = served[1]
    assistant.closed.clear()
    yield assistant
    assistant.gate.set()


@pytest.fixture
def context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A browser context; at its end, no page may have asked another host for anything or thrown an error."""
    opened = browser.new_context(viewport=DESKTOP, base_url=address, reduced_motion="reduce")  # type: ignore[arg-type]
    opened.set_default_timeout(20_000)
    requested: list[Request] = []
    faults: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            faults.append(message.text)

    def sent(request: Request) -> None:
        requested.append(request)

    opened.on("request", sent)
    opened.on("weberror", lambda fault: faults.append(str(fault.error)))
    opened.on("console", heard)
    yield opened
    opened.close()
    assert not faults
    assert {request.url.split("/", 3)[2] for request in requested} == {address.removeprefix("http://")}


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return open_chat(context)


def open_chat(context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto("/")
    expect(page.locator("#coverage")).to_have_text(re.compile(r"covers \d+ programmes"))
    return page


def ask(page: Page, question: str = DECISION) -> None:
    """Ask and wait for the whole answer."""
    turns = page.locator("#turns > li").count()
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    turn = page.locator("#turns > li").nth(turns)
    expect(turn.locator(".feedback")).to_be_visible()


def last(page: Page, selector: str = ".answer") -> str:
    return page.locator("#turns > li").last.locator(selector).inner_text()


def accessible(page: Page) -> None:
    """Fail on what axe-core finds serious or critical."""
    found = Axe().run(page).response["violations"]
    grave = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not grave, [(v["id"], [node["target"] for node in v["nodes"]]) for v in grave]


# --- the main job


def test_a_question_is_answered_and_its_marker_leads_to_the_quoted_words(page: Page) -> None:
    ask(page)
    answer = page.get_by_role("article", name="Answer")
    expect(answer).to_contain_text("120 days")
    expect(answer.locator(".scope")).to_have_text("EU AEO")
    marker = answer.locator(".text button.marker").first
    expect(marker).to_have_accessible_name(re.compile(r"^Source 1: UCC Art"))
    marker.click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("heading")).to_be_focused()
    expect(panel.get_by_role("heading")).to_have_text(re.compile(r"^UCC Art"))
    expect(panel.locator("mark")).to_contain_text("120 days")
    expect(panel.locator(".path")).to_contain_text("› Application and timelines ›")
    expect(panel).to_contain_text("Our restatement")
    expect(panel.locator("dl")).to_contain_text(re.compile(r"Document\s*EU Authorised Economic Operator"))
    expect(panel.locator("dl")).to_contain_text(re.compile(r"As of\s*(\d+ \w+ )?\d{4}"))
    expect(panel.get_by_role("link", name="Open the source")).to_have_attribute("href", re.compile("^https://"))
    expect(panel.get_by_role("link")).to_have_attribute("rel", "noopener noreferrer")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(marker).to_be_focused()


def test_every_source_listed_opens_its_own_passage(page: Page) -> None:
    ask(page)
    entries = page.locator(".sources li button")
    assert entries.count() >= 2
    shown = set()
    for i in range(entries.count()):
        entries.nth(i).click()
        expect(page.locator("#panel-body")).not_to_have_attribute("aria-busy", "true")
        expect(page.locator("#panel-title")).to_have_text(entries.nth(i).locator("strong").inner_text())
        shown.add(page.locator("#panel-body blockquote").inner_text())
    assert len(shown) >= 2


def test_an_undated_page_says_when_it_was_read(page: Page) -> None:
    ask(page, "How long is AEO status valid in Iceland?")
    expect(page.locator(".sources")).to_contain_text("undated page, read October 2026")


def test_the_answer_arrives_sentence_by_sentence_and_can_be_stopped(page: Page, gated: GatedAssistant) -> None:
    gated.gate.clear()
    page.get_by_label("Your question").fill(DECISION)
    page.get_by_role("button", name="Ask").click()
    answer = page.get_by_role("article", name="Answer")
    expect(answer).to_contain_text("120 days")
    expect(answer.locator(".progress")).to_have_text("Checking every statement against its source")
    expect(answer).to_have_attribute("aria-busy", "true")
    expect(answer.locator(".sources")).to_have_count(0)
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    expect(answer).to_contain_text("Stopped. The text above is not the whole answer.")
    eventually(gated.closed.is_set)
    gated.gate.set()
    page.get_by_role("button", name="Ask again").click()
    expect(answer.locator(".sources")).to_be_visible()
    expect(page.locator("#turns > li")).to_have_count(1)


# --- choices


def test_a_programme_is_found_by_its_authority_and_chosen_with_the_keyboard(page: Page) -> None:
    field = page.get_by_role("combobox", name="Programme")
    field.click()
    options = page.get_by_role("listbox", name="Programmes").get_by_role("option")
    expect(options.first).to_have_text("Recognise from my question")
    page.keyboard.type("hmrc")
    expect(options).to_have_count(1)
    page.keyboard.press("Enter")
    expect(field).to_have_value("UK AEO")
    expect(field).to_have_attribute("aria-expanded", "false")
    ask(page, "How long does the decision on an application take?")
    expect(page.locator(".answer .scope")).to_have_text("UK AEO")
    page.reload()
    expect(field).to_have_value("UK AEO")
    page.get_by_role("button", name="Recognise the programme from my question").click()
    expect(field).to_have_value("")


def test_a_search_without_result_leaves_the_choice_as_it_was(page: Page) -> None:
    field = page.get_by_role("combobox", name="Programme")
    field.click()
    page.keyboard.type("Atlantis")
    expect(page.get_by_role("option")).to_have_text("No such programme")
    page.keyboard.press("Escape")
    expect(field).to_have_value("")
    expect(page.get_by_role("listbox")).to_be_hidden()


def test_the_audience_is_sent_once_chosen(page: Page) -> None:
    ask(page, "What does EU AEO require on financial solvency?")
    assert "for officers" not in last(page)
    page.get_by_text("Officer", exact=True).click()
    ask(page, "What does EU AEO require on financial solvency?")
    assert last(page, ".scope").endswith("for officers")
    page.reload()
    expect(page.get_by_role("radio", name="Officer")).to_be_checked()


def test_an_unclear_question_offers_programmes_as_buttons(page: Page) -> None:
    ask(page, "How long does the decision on an AEO application take?")
    expect(page.locator(".answer.clarify")).to_be_visible()
    choices = page.locator(".answer .choices button")
    names = choices.all_inner_texts()
    assert {"EU AEO", "CTPAT", "UK AEO"} <= set(names)
    choices.nth(names.index("UK AEO")).click()
    expect(page.locator("#turns > li").nth(1).locator(".scope")).to_have_text("UK AEO")


def test_suggestions_and_examples_ask(page: Page) -> None:
    page.get_by_role("button", name=DECISION).click()
    suggestion = page.locator(".answer.answered .choices button").first
    wording = suggestion.inner_text()
    suggestion.click()
    expect(page.get_by_role("heading", name=wording)).to_be_visible()
    expect(page.locator("#turns > li").nth(1).locator(".feedback")).to_be_visible()


def test_a_question_that_is_declined_says_so(page: Page) -> None:
    ask(page, "Tell me a joke about cats")
    assert last(page, ".scope") == "No answer given"
    expect(page.locator(".answer .sources")).to_have_count(0)


# --- the conversation


def test_the_conversation_survives_a_reload_and_is_forgotten_when_started_over(
    page: Page, gated: GatedAssistant
) -> None:
    ask(page)
    ask(page, "and in the UK?")
    assert last(page, ".scope") == "UK AEO"
    before = page.locator("#turns").inner_text()
    page.reload()
    expect(page.locator("#turns > li")).to_have_count(2)
    assert page.locator("#turns").inner_text() == before
    page.locator(".answer button.marker").first.click()
    expect(page.locator("mark")).to_contain_text("120 days")
    identifier = page.evaluate("localStorage.getItem('aeo.conversation')")
    assert gated.conversations.exists(identifier)
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("#turns > li")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_label("Your question")).to_be_focused()
    eventually(lambda: not gated.conversations.exists(identifier))
    page.reload()
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()


def test_a_conversation_deleted_elsewhere_is_begun_anew(page: Page, gated: GatedAssistant) -> None:
    ask(page)
    identifier = page.evaluate("localStorage.getItem('aeo.conversation')")
    gated.conversations.delete(identifier)
    ask(page, "What does EU AEO require on financial solvency?")
    assert page.evaluate("localStorage.getItem('aeo.conversation')") != identifier


def test_a_thumb_and_a_comment_are_kept(page: Page, gated: GatedAssistant) -> None:
    ask(page)
    page.get_by_role("button", name="This did not help").click()
    expect(page.get_by_role("button", name="This did not help")).to_have_attribute("aria-pressed", "true")
    comment = page.get_by_label("What was wrong or missing?")
    expect(comment).to_be_focused()
    page.keyboard.type("The extension is missing")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(comment).to_be_hidden()
    expect(page.locator(".thanks")).to_have_text("Thank you.")
    assert ("The extension is missing") in [comment for _, comment, _ in gated.conversations.unhelpful()]


# --- when something is wrong


def test_without_an_index_one_friendly_line_and_a_retry_that_works(
    browser: Browser, settings: Settings, small_index: Path, tmp_path: Path
) -> None:
    late = tmp_path / "late"
    awaiting = settings.model_copy(update={"index": late})
    with serving(awaiting, GatedAssistant(awaiting)) as address:
        page = browser.new_page(base_url=address)
        page.goto("/")
        expect(page.locator("#page-problems .problem")).to_contain_text("has not been indexed yet")
        page.get_by_label("Your question").fill(DECISION)
        page.keyboard.press("Enter")
        expect(page.locator("#turns .problem")).to_contain_text("The operator runs 'aeo index build'.")
        accessible(page)
        late.symlink_to(small_index)
        page.locator("#turns").get_by_role("button", name="Try again").click()
        expect(page.locator(".answer")).to_contain_text("120 days")
        page.locator("#page-problems").get_by_role("button", name="Try again").click()
        expect(page.locator("#page-problems .problem")).to_have_count(0)
        page.close()


def test_without_a_database_questions_are_answered_with_a_notice(browser: Browser, settings: Settings) -> None:
    broken = settings.model_copy(update={"database_url": "sqlite:////proc/none/aeo.sqlite3"})
    with serving(broken, GatedAssistant(broken)) as address:
        page = browser.new_page(base_url=address)
        page.goto("/")
        ask(page)
        expect(page.locator(".answer")).to_contain_text("120 days")
        expect(page.locator(".notice").last).to_contain_text("This conversation cannot be kept")
        page.close()


def test_a_question_that_is_refused_and_a_server_that_is_gone_give_one_line(page: Page) -> None:
    page.get_by_label("Your question").fill("a" * 5000)
    page.keyboard.press("Enter")
    expect(page.locator(".problem")).to_contain_text("5,000 characters")
    page.route("**/v1/ask", lambda route: route.abort())
    page.get_by_label("Your question").fill(DECISION)
    page.keyboard.press("Enter")
    expect(page.locator(".problem").last).to_contain_text("The assistant cannot be reached.")
    page.unroute("**/v1/ask")
    page.locator("#turns > li").last.get_by_role("button", name="Try again").click()
    expect(page.locator(".answer")).to_contain_text("120 days")


def test_an_answer_cut_off_in_the_middle_is_not_taken_for_a_whole_one(page: Page) -> None:
    cut = 'event: sentence\ndata: {"text": "Customs must decide within"}\n\nevent: ans'
    page.route("**/v1/ask", lambda route: route.fulfill(body=cut, content_type="text/event-stream"))
    page.get_by_label("Your question").fill(DECISION)
    page.keyboard.press("Enter")
    expect(page.locator(".problem")).to_contain_text("lost before the answer was complete")
    expect(page.locator(".answer")).to_have_count(0)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One [1].\n\nTwo [2][1]", "<p>One<sup>1</sup>.</p><p>Two [2]<sup>1</sup></p>"),
        ("- a [1]\n- b\n\n- c", "<ul><li>a<sup>1</sup></li><li>b</li><li>c</li></ul>"),
        ("2. a\n3. b\n- c", '<ol start="2"><li>a</li><li>b</li></ol><ul><li>c</li></ul>'),
        ("**EU [1]**\nnext", "<p><strong>EU<sup>1</sup></strong><br>next</p>"),
        ("<b>x</b> [y](javascript:z) 2*3*4 **", "<p>&lt;b&gt;x&lt;/b&gt; [y](javascript:z) 2*3*4 **</p>"),
        ("", ""),
    ],
)
def test_markdown_becomes_paragraphs_lists_bold_and_markers_and_nothing_else(page: Page, text: str, html: str) -> None:
    rendered = page.evaluate(
        """async (text) => {
            const { render } = await import("/static/markdown.js");
            const one = () => Object.assign(document.createElement("sup"), { textContent: "1" });
            const marker = (number) => number === 1 && one();
            const box = document.createElement("div");
            box.append(render(text, marker));
            box.querySelectorAll("[dir]").forEach((node) => node.removeAttribute("dir"));
            return box.innerHTML;
        }""",
        text,
    )
    assert rendered == html


def test_markup_in_questions_and_guidance_stays_text(page: Page) -> None:
    ask(page, "How long is AEO status valid in Iceland? <img src=x onerror=\"document.title='hit'\">")
    expect(page.locator(".answer")).to_contain_text("seven years")
    page.locator(".text button.marker").last.click()
    expect(page.locator("blockquote")).to_contain_text(HOSTILE_SENTENCE)
    # The quote begins after a character outside the basic plane: positions count characters, not UTF-16 units.
    expect(page.locator("mark")).to_have_text(re.compile(r"^In Iceland .*\.$"))
    expect(page.locator("dl")).to_contain_text("Icelandic <i>marks</i>")
    expect(page.locator("#turns img, #panel img, #turns b, #panel i")).to_have_count(0)
    expect(page).to_have_title("AEO Guidance")


# --- for everyone


def test_the_chat_works_from_the_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the question")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("What does EU AEO require on")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("financial solvency?")
    page.keyboard.press("Enter")
    expect(page.locator(".feedback")).to_be_visible()
    marker = page.locator(".text button.marker").first
    for _ in range(40):
        page.keyboard.press("Shift+Tab")
        if marker.evaluate("node => node === document.activeElement"):
            break
    expect(marker).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#panel-title")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(marker).to_be_focused()


def test_enter_that_ends_an_input_methods_word_does_not_ask(page: Page) -> None:
    field = page.get_by_label("Your question")
    field.fill("什么是AEO")
    field.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(page.locator("#turns > li")).to_have_count(0)
    expect(field).to_have_value("什么是AEO")


def test_a_screen_reader_hears_the_answer(page: Page) -> None:
    ask(page)
    status = page.locator("#announcer")
    expect(status).to_have_attribute("aria-live", "polite")
    expect(status).to_contain_text("120 days")
    expect(status).to_contain_text(re.compile(r" Sources: \d+\.$"))
    assert "[1]" not in status.inner_text() and "**" not in status.inner_text()


@pytest.mark.parametrize(
    ("question", "direction"),
    [("كم يستغرق قرار الاتحاد الأوروبي؟", "rtl"), ("欧盟AEO多久决定？", "ltr")],
    ids=["arabic", "chinese"],
)
def test_a_question_runs_in_its_own_direction(page: Page, question: str, direction: str) -> None:
    page.get_by_label("Your question").fill(question)
    assert page.get_by_label("Your question").evaluate("node => getComputedStyle(node).direction") == direction
    page.keyboard.press("Enter")
    assert page.locator(".asked bdi").evaluate("node => getComputedStyle(node).direction") == direction


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious_and_nothing_overflows(
    context: BrowserContext, size: dict[str, int], scheme: str
) -> None:
    page = open_chat(context)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    fits = "document.documentElement.scrollWidth <= innerWidth"
    accessible(page)
    ask(page, "How long does the decision on an AEO application take?")
    ask(page)
    page.get_by_role("button", name="This helped").last.click()
    accessible(page)
    assert page.evaluate(fits)
    page.locator("button.marker").first.click()
    expect(page.locator("mark")).to_be_visible()
    accessible(page)
    assert page.evaluate(fits)
    page.keyboard.press("Escape")
    page.get_by_role("combobox").click()
    expect(page.get_by_role("listbox")).to_be_visible()
    accessible(page)
    page.keyboard.press("Escape")
    page.goto("/docs")
    expect(page.get_by_role("heading", name="POST /v1/ask")).to_be_visible()
    accessible(page)
    assert page.evaluate(fits)


def test_on_a_phone_the_source_is_a_sheet_over_the_conversation(context: BrowserContext) -> None:
    page = open_chat(context)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    ask(page)
    marker = page.locator("button.marker").first
    marker.click()
    panel = page.get_by_role("dialog")
    expect(panel.locator("mark")).to_be_visible()
    assert panel.evaluate("node => node.matches(':modal')")
    box = panel.bounding_box()
    assert box and box["width"] == PHONE["width"] and round(box["y"] + box["height"]) == PHONE["height"]
    page.mouse.click(180, 20)  # beside the sheet
    expect(panel).to_be_hidden()
    expect(marker).to_be_focused()


def test_the_source_stays_open_when_the_window_becomes_wide(context: BrowserContext) -> None:
    page = open_chat(context)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    ask(page)
    page.locator("button.marker").first.click()
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
    panel = page.get_by_role("dialog")
    expect(panel.locator("mark")).to_be_visible()
    assert not panel.evaluate("node => node.matches(':modal')")
    page.get_by_role("button", name="Close source").click()
    expect(panel).to_be_hidden()
