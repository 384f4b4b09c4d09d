"""The report's page in a real browser: what a reader sees, clicks and filters, and what the page asks for."""

import json
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from proofs.fixtures.browsing import needs_browser, open_browser
from segmind_sd3_contract.conformance import report
from segmind_sd3_contract.conformance.results import (
    KEY_SHOWN_AS,
    VERDICTS,
    Clause,
    Exchange,
    LedgerRow,
    Outcome,
    Run,
)
from selenium.webdriver import Keys
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = needs_browser

ENDPOINTS = (
    "sd35_turbo_txt2img",
    "sd3_large_img2img",
    "sd3_medium_img2img",
    "sd3_medium_tile",
    "sd3_medium_txt2img",
)
GROUPS = ("guidance_scale", "seed", "steps")
PLACES = ("min-1", "min", "min+1", "max-1", "max", "max+1")
BROKEN = "sd35_turbo_txt2img::steps::max+1"
MARKUP = '</script><img src="http://elsewhere.invalid/x.png" onerror="alert(1)"><b>bold</b>'


def a_picture(tone: str) -> bytes:
    file = BytesIO()
    PIL.Image.new("RGB", (640, 480), tone).save(file, "JPEG")
    return file.getvalue()


def an_exchange(call: str, status: int, body: bytes) -> Exchange:
    sent = {"prompt": "a lighthouse", "steps": 71}
    headers = {"content-type": "application/json", "x-api-key": KEY_SHOWN_AS}
    received = {"x-request-id": f"request-{call}", "x-remark": MARKUP}
    return Exchange(call, "POST", "/v1/turbo", headers, sent, status, received, body, seconds=0.25)


EXCHANGES = {
    "drawn": an_exchange("drawn", 200, a_picture("teal")),
    "refused": an_exchange("refused", 400, json.dumps({"error": MARKUP}).encode()),
}


def an_outcome(operation: str, group: str, place: str, number: int) -> Outcome:
    name = f"{operation}::{group}::{place}"
    verdict = "broken" if name == BROKEN else "held" if number % 3 else VERDICTS[2 + number // 3 % 4]
    layer = "observed" if place == "min" else "documented"
    calls = () if verdict == "not run" else ("refused", "drawn")
    reasons = () if verdict == "held" else (f"it said {MARKUP}",)
    claim = f"`{group}` has bounds."
    return Outcome(name, operation, group, place, layer, claim, verdict, reasons, calls=calls)


STANDING = [
    *((operation, group, place) for operation in ENDPOINTS for group in GROUPS for place in PLACES),
    *((operation, "(call)", "good") for operation in ENDPOINTS),
]
OUTCOMES = tuple(an_outcome(*where, number) for number, where in enumerate(STANDING))

RUN = Run(
    target="https://staging.example",
    reference=False,
    profile="documented",
    strict=False,
    tier="full",
    seed=7,
    spec="sha256:0123",
    versions={"httpx": "0.28.1"},
    started="2026-10-01T10:00:00+00:00",
    finished="2026-10-01T10:01:00+00:00",
    outcomes=OUTCOMES,
    exchanges=EXCHANGES,
    ledger=(
        LedgerRow("fixed-seed-default", MARKUP, "another", "client", "two calls", "as observed", "it drew"),
    ),
    spent=0.5,
    reserved=0.0,
    budget=2.0,
    stopped=MARKUP,
    exit_code=1,
    changed={BROKEN: "held"},
    coverage=(Clause(ENDPOINTS[0], "steps", "minimum", "10", "documented", {"inside": 3, "outside": 0}),),
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    report.write(RUN, folder)
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests."""
    with open_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Any, address: str) -> Any:
    """Open the page anew, with nothing logged yet."""
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(address)
    return browser


def texts(page: Any, selector: str) -> list[str]:
    """Give the texts of the elements that can be seen."""
    return [text for text, _ in seen(page, selector)]


def seen(page: Any, selector: str) -> list[tuple[str, str]]:
    script = """
        return [...document.querySelectorAll(arguments[0])].filter((element) => element.checkVisibility())
            .map((element) => [element.innerText, element.ariaLabel])
    """
    return page.execute_script(script, selector)


def shown(page: Any) -> set[str]:
    """Give the ids of the cases whose cells can be seen."""
    return {label.rpartition(": ")[0] for _, label in seen(page, ".cell")}


def ids(**wanted: str) -> set[str]:
    return {each.id for each in OUTCOMES if all(getattr(each, name) == is_ for name, is_ in wanted.items())}


def cell(page: Any, case: str) -> Any:
    return page.find_element("css selector", f".cell[aria-label^='{case}:']")


def choose(page: Any, name: str, value: str) -> None:
    page.find_element("css selector", f"#filters select[name={name}] option[value='{value}']").click()


def test_it_opens_from_a_file_and_says_reference_in_capitals(page: Any):
    (stamp,) = page.find_elements("css selector", "#source strong")
    assert page.current_url.startswith("file:")
    assert stamp.text == "REFERENCE"
    assert is_on_the_first_screen(page, "#source")


# -- The first screen -------------------------------------------------------------------------------------


@contextmanager
def of_width(page: Any, width: int) -> Generator[None]:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.refresh()
        yield
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def is_on_the_first_screen(page: Any, selector: str) -> bool:
    script = """
        const box = document.querySelector(arguments[0]).getBoundingClientRect();
        return scrollY === 0 && box.top >= 0 && box.bottom <= innerHeight
    """
    return page.execute_script(script, selector)


@pytest.mark.parametrize("width", [420, 1200])
def test_a_failure_is_on_the_first_screen_with_its_reason(width: int, page: Any):
    with of_width(page, width):
        assert is_on_the_first_screen(page, ".failure h3")
        assert is_on_the_first_screen(page, ".failure .reasons")


def colour(page: Any, selector: str) -> tuple[int, int, int]:
    script = "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
    red, green, blue = map(int, re.findall(r"\d+", page.execute_script(script, selector))[:3])
    return red, green, blue


CLEAN = replace(
    RUN, outcomes=tuple(replace(each, verdict="held") for each in OUTCOMES), stopped=None, exit_code=0
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "begins", "strongest"),
    [
        (CLEAN, "✓ Nothing is broken in", 1),
        (RUN, "✗ 1 of", 0),
        (replace(CLEAN, exit_code=3, stopped="the budget is used up"), "… Nothing is broken in", 2),
    ],
    ids=["green", "red", "neither"],
)
def test_the_verdict_is_the_first_thing_on_the_page_in_its_colour(
    run: Run, begins: str, strongest: int, browser: Any, tmp_path: Path
):
    report.write(run, tmp_path)
    browser.get((tmp_path / "report.html").as_uri())
    (first,) = texts(browser, "h1")
    channels = colour(browser, "h1")
    assert first.startswith(begins)
    assert browser.execute_script("return document.querySelector('header').firstElementChild.tagName") == "H1"
    assert channels.index(max(channels)) == strongest


def test_a_clean_run_shows_nothing_that_is_broken(browser: Any, tmp_path: Path):
    report.write(CLEAN, tmp_path)
    browser.get((tmp_path / "report.html").as_uri())
    assert texts(browser, ".broken") == []


@pytest.mark.slow
def test_what_the_run_was_is_folded_behind_one_line(page: Any):
    assert texts(page, ".facts dd") == []
    page.find_element("css selector", ".about summary").click()
    assert "full, 7" in texts(page, ".facts dd")


@pytest.mark.slow
def test_on_a_narrow_screen_the_filters_are_folded(page: Any):
    with of_width(page, 420):
        assert texts(page, "#filters label") == []
        page.find_element("css selector", "#fold summary").click()
        assert len(texts(page, "#filters label")) == 4


@pytest.mark.slow
@pytest.mark.parametrize("width", [420, 1200])
def test_no_heading_that_is_jumped_to_is_under_the_bar(width: int, page: Any):
    script = """
        const bar = document.getElementById("filters");
        return [...document.querySelectorAll("main > section, .failure")].map((part) => {
            location.hash = ""; location.hash = part.id;
            const heading = part.querySelector("h2, h3").getBoundingClientRect();
            return [heading.top, bar.getBoundingClientRect().bottom, heading.top < innerHeight]
        })
    """
    with of_width(page, width):
        tops = page.execute_script(script)
        assert len(tops) >= 6
        for top, bar, is_shown in tops:
            assert is_shown
            assert top >= max(bar, 0)


@pytest.mark.slow
@pytest.mark.parametrize("width", [420, 1200])
def test_the_name_of_an_endpoint_stays_while_its_rows_go_by(width: int, page: Any):
    script = """
        const part = document.querySelectorAll(".endpoint")[1];
        const bottom = () => Math.max(0, document.getElementById("filters").getBoundingClientRect().bottom);
        part.scrollIntoView();
        scrollTo(0, part.offsetTop - bottom() + 60);
        return [part.querySelector("h3").getBoundingClientRect().top, bottom()]
    """
    with of_width(page, width):
        top, bar = page.execute_script(script)
        assert top == pytest.approx(bar, abs=1)


# -- Coverage ---------------------------------------------------------------------------------------------


def test_what_was_not_exercised_is_named_and_each_clause_stands_in_the_table_of_its_endpoint(page: Any):
    assert texts(page, "#coverage h3") == ["Documented: 1 of 2 (50 %)"]
    assert texts(page, "#coverage li") == [f"steps minimum 10: outside, {ENDPOINTS[0]}"]
    page.find_element("xpath", f"//summary[starts-with(., '{ENDPOINTS[0]}: 1 clauses')]").click()
    assert texts(page, "#coverage td:last-child") == ["inside 3 outside 0"]


# -- Cases ------------------------------------------------------------------------------------------------


def test_the_grid_has_a_cell_for_each_case(page: Any):
    assert len(page.find_elements("css selector", ".grid .cell")) == len(OUTCOMES)
    assert shown(page) == ids()


def test_a_cell_stands_in_the_row_of_its_parameter_and_the_column_of_its_place(page: Any):
    script = """
        const cell = arguments[0].closest("td"), table = cell.closest("table");
        return [cell.parentElement.cells[0].innerText, table.tHead.rows[0].cells[cell.cellIndex].innerText]
    """
    assert page.execute_script(script, cell(page, BROKEN)) == ["steps", "max+1"]


def test_bounds_stand_in_their_order(page: Any):
    assert texts(page, ".endpoint:first-of-type thead .place") == list(PLACES)


def test_a_cell_is_told_by_its_sign_and_not_by_its_colour_alone(page: Any):
    assert cell(page, BROKEN).text == "✗"
    assert cell(page, "sd35_turbo_txt2img::(call)::good").text != "✗"


def test_a_click_shows_claim_request_reply_and_picture(page: Any):
    cell(page, BROKEN).click()
    assert texts(page, "dialog h2") == [BROKEN]
    assert texts(page, "dialog .claim") == ["`steps` has bounds."]
    refused, drawn = texts(page, "dialog .request")
    assert refused == drawn
    assert '"steps": 71' in refused
    assert json.loads(texts(page, "dialog .reply")[0]) == {"error": MARKUP}
    assert "x-request-id: request-drawn" in texts(page, "dialog .headers")[1]
    (picture,) = page.find_elements("css selector", "dialog img")
    assert (picture.get_property("naturalWidth"), picture.get_property("naturalHeight")) == (256, 192)


def test_a_case_can_be_opened_left_and_closed_by_the_keyboard(page: Any):
    opened = cell(page, BROKEN)
    opened.send_keys(Keys.ENTER)
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert texts(page, "dialog[open]") == []
    assert page.switch_to.active_element == opened


def test_next_goes_to_the_next_case_that_the_filters_leave(page: Any):
    choose(page, "layer", "observed")
    cell(page, "sd35_turbo_txt2img::guidance_scale::min").click()
    page.find_element("css selector", "dialog .next").click()
    assert texts(page, "dialog h2") == ["sd35_turbo_txt2img::seed::min"]


def test_a_failure_opens_its_case(page: Any):
    page.find_element("css selector", ".failure .open").click()
    assert texts(page, "dialog h2") == [BROKEN]


@pytest.mark.parametrize(
    ("name", "value"),
    [("verdict", "held"), ("verdict", "not run"), ("operation", ENDPOINTS[2]), ("layer", "observed")],
)
def test_a_filter_leaves_what_it_names(name: str, value: str, page: Any):
    choose(page, name, value)
    assert shown(page) == ids(**{name: value})
    assert texts(page, "#shown") == [f"{len(ids(**{name: value}))} of {len(OUTCOMES)} cases"]


def test_filters_hold_together_and_text_is_looked_for_in_ids_and_reasons(page: Any):
    page.find_element("css selector", "#filters [name=text]").send_keys("STEPS::max")
    choose(page, "verdict", "broken")
    assert shown(page) == {BROKEN}
    assert texts(page, ".endpoint h3")[0].startswith(ENDPOINTS[0])
    assert len(texts(page, ".endpoint")) == len(texts(page, ".grid tbody tr")) == 1


def test_a_failure_that_is_filtered_out_is_hidden_and_comes_back(page: Any):
    choose(page, "verdict", "held")
    assert texts(page, ".failure") == []
    page.find_element("css selector", "#filters [type=reset]").click()
    # A form is reset after its event, so the page filters anew a moment later.
    WebDriverWait(page, 10).until(lambda _: texts(page, ".failure"))
    assert len(texts(page, ".failure")) == 1
    assert shown(page) == ids()


def test_what_a_server_says_is_text_and_never_markup(page: Any):
    cell(page, BROKEN).click()
    assert MARKUP in texts(page, "dialog .reasons li")[0]
    assert MARKUP in texts(page, ".failure .reasons li")[0]
    assert page.find_elements("css selector", "body b, img[onerror]") == []


def test_the_console_stays_empty_and_no_host_is_asked(page: Any):
    cell(page, BROKEN).click()
    page.find_element("css selector", "dialog .next").click()
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        and message["params"]["documentURL"].partition("#")[0] == page.current_url.partition("#")[0]
    ]
    assert page.current_url in asked  # so requests are seen at all
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    assert page.get_log("browser") == []


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_is_never_wider_than_its_window(width: int, page: Any):
    with of_width(page, width):
        page.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
        assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_the_failures_are_there(browser: Any, address: str):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(address)
        failure = browser.find_element("css selector", ".failure")
        assert "curl -sS" in failure.text
        assert not browser.find_element("css selector", "#filters").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
