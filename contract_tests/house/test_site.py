"""The built site: each link leads somewhere, no other host is asked, and a real browser shows it well."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import PIL.Image
import pytest
import segmind_sd3
from proofs.fixtures.browsing import needs_browser, open_browser
from proofs.fixtures.site import dead_links, foreign_files, read_pages
from proofs.generator import copy_repository
from segmind_sd3_api.parameters import OPERATIONS
from selenium.webdriver.support.wait import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

pytestmark = pytest.mark.slow


def in_a_browser(test: Any) -> Any:
    return needs_browser(pytest.mark.thorough(test))


PAGES: Final = ("", "guides/errors-and-money/", "reference/client/", "quirks/", "proved/faults/")
"""The pages that a browser opens: one of each kind."""

NEWER: Final = ("scrollable-region-focusable",)
"""The rules that later versions of axe rate as serious."""

WIDTHS: Final = (400, 1280)
SCHEMES: Final = ("light", "dark")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Build the site in a copy of the checkout; return its folder and what the build printed."""
    folder = tmp_path_factory.mktemp("checkout")
    copy_repository(folder)
    command = ["make", "--assume-old=.venv/ready", f"BIN={Path(sys.executable).parent}", "docs"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out/site", done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(built: tuple[Path, str]) -> Path:
    return built[0]


def test_the_build_has_no_warning(built: tuple[Path, str]):
    assert "No issues found" in built[1]


def test_each_link_and_each_anchor_leads_somewhere(site: Path):
    assert len(read_pages(site)) > 25
    assert list(dead_links(site)) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path):
    (tmp_path / "index.html").write_text('<a href="#here" id="here"></a><a href="#there"><img src="no.png">')
    assert list(dead_links(tmp_path)) == [": #there", ": no.png"]


def test_no_page_loads_a_file_of_another_host(site: Path):
    assert list(foreign_files(site)) == []


def test_every_public_name_has_an_anchor_in_the_reference(site: Path):
    anchors = {anchor for page in read_pages(site).values() for anchor in page.anchors}
    public = {f"segmind_sd3.{name}" for name in segmind_sd3.__all__} - {"segmind_sd3.__version__"}
    assert public - anchors == set()


@pytest.mark.parametrize("client", ["Client", "AsyncClient"])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda each: each.operation_id)
def test_the_reference_describes_every_parameter_of_an_endpoint(operation: Any, client: str, site: Path):
    text = (site / "reference/client/index.html").read_text("utf-8")
    _, found, rest = text.partition(f'id="segmind_sd3.{client}.{operation.operation_id}"')
    assert found
    section = rest.split('class="doc doc-heading"')[1]
    shown = [name for name, known in operation.parameters.items() if not known.hidden]
    assert [name for name in shown if f"<code>{name}</code>" not in section] == []


def test_each_picture_can_be_shown(site: Path):
    pictures = [*site.glob("pictures/*.svg"), *site.glob("pictures/*.jpg")]
    assert len(pictures) >= 8
    for picture in pictures:
        if picture.suffix == ".svg":
            ET.fromstring(picture.read_text("utf-8"))  # noqa: S314 - our own file
        else:
            PIL.Image.open(picture).verify()


# -- In a browser -----------------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Print nothing."""


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@contextmanager
def showing(browser: Any, address: str, width: int, scheme: str) -> Generator[None]:
    """Open a page in a window of some width, for a reader who prefers light or dark pages."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        browser.get(address)
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def requests_of(browser: Any) -> set[str]:
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    return {each["request"]["url"] for each in sent}


@in_a_browser
@pytest.mark.parametrize("page", PAGES)
def test_a_page_asks_no_other_host_and_logs_no_error(page: str, url: str, browser: Any):
    browser.get_log("performance")
    browser.get_log("browser")
    with showing(browser, url + page, 1280, "light"):
        asked = requests_of(browser)
    assert url + page in asked  # so requests are seen at all
    assert {each for each in asked if not each.startswith((url, "data:", "blob:"))} == set()
    assert [each for each in browser.get_log("browser") if each["level"] == "SEVERE"] == []


@in_a_browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_never_wider_than_its_window(page: str, width: int, url: str, browser: Any):
    with showing(browser, url + page, width, "light"):
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")


@in_a_browser
@pytest.mark.parametrize("page", PAGES)
def test_a_reader_who_prefers_dark_pages_gets_them(page: str, url: str, browser: Any):
    script = (
        "return getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)"
    )
    light: dict[str, int] = {}
    for scheme in SCHEMES:
        with showing(browser, url + page, 1280, scheme):
            light[scheme] = sum(browser.execute_script(script))
    assert light["dark"] < 3 * 64 < 3 * 192 < light["light"]


@in_a_browser
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious(page: str, scheme: str, url: str, browser: Any):
    axe = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    with showing(browser, url + page, 1280, scheme):
        browser.execute_script(axe)
        found = browser.execute_async_script("axe.run(document, {}).then(arguments[0])")
    assert found["passes"]
    assert [
        (each["id"], each["nodes"][0]["html"][:200], len(each["nodes"]))
        for each in found["violations"]
        if each["impact"] in ("serious", "critical") or each["id"] in NEWER
    ] == []


SHADOWS: Final = "[...document.querySelectorAll('*')].flatMap((each) => each.shadowRoot ?? [])"
"""The search has a shadow tree of its own."""

FIELD: Final = f"{SHADOWS}.flatMap((each) => [...each.querySelectorAll('input')])[0]"
LINKS: Final = f"return {SHADOWS}.flatMap((each) => [...each.querySelectorAll('a')].map((link) => link.href))"


@in_a_browser
def test_the_search_finds_a_page(url: str, browser: Any):
    with showing(browser, url, 1280, "light"):
        browser.find_element("css selector", ".md-search__button").click()
        WebDriverWait(browser, 20).until(lambda _: browser.execute_script(f"return {FIELD} !== undefined"))
        browser.execute_script(f"return {FIELD}").send_keys("Retry-After")

        def found(driver: Any) -> bool:
            return any("errors-and-money/?h=Retry-After" in each for each in driver.execute_script(LINKS))

        WebDriverWait(browser, 30).until(found)
