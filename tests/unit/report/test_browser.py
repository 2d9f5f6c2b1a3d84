"""The page in a real Chromium: drawn, quiet, usable by keyboard, on a phone and on paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.report.page import SECTIONS, render_page
from components.report.record import RunRecord

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRAW_ALL = "for (const element of [...waiting.keys()]) draw(element)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("needs a Chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, record: RunRecord) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(record))
    return path.as_uri()


class Visit:
    """A page that keeps what the browser says and asks for."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.page.set_default_timeout(120_000)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)


@pytest.fixture(scope="module")
def visit(browser: Any, address: str) -> Visit:
    visit = Visit(browser, address, viewport={"width": 1200, "height": 900})
    visit.page.evaluate(DRAW_ALL)
    return visit


def test_every_section_and_figure_is_drawn_without_a_word_or_a_request(
    visit: Visit, address: str
) -> None:
    page = visit.page
    for identifier, title, *_ in SECTIONS:
        assert page.locator(f"#{identifier} h2").inner_text() == title
    plots = page.locator(".plot").count()
    assert plots > 25
    assert page.locator(".plot:has(svg.main-svg)").count() == plots
    assert visit.said == []
    assert visit.asked == [address]


def test_a_figure_is_drawn_when_it_is_scrolled_to(browser: Any, address: str) -> None:
    page = Visit(browser, address, viewport={"width": 1200, "height": 500}).page
    last = page.locator(".plot").last
    assert last.locator("svg").count() == 0
    last.scroll_into_view_if_needed()
    last.locator("svg.main-svg").first.wait_for()


def test_picking_a_trial_gives_its_command(visit: Visit) -> None:
    page = visit.page
    command = page.locator("#command")
    assert "party: 0.5, smoker: 2}" in command.inner_text()
    page.locator("#trial").focus()
    page.keyboard.press("ArrowDown")
    assert "party: 1.5, smoker: 1.5}" in command.inner_text()
    page.evaluate(
        """() => document.getElementById("plot-tradeoff-height-party").emit("plotly_click",
        { points: [{ customdata: "2", data: { name: "" } }] })"""
    )
    assert "party: 2.5, smoker: 1}" in command.inner_text()
    assert page.locator("#trial").input_value() == "2"


def test_dark_and_light_change_page_and_figures(visit: Visit) -> None:
    page = visit.page

    def colours() -> list[str]:
        found: list[str] = page.evaluate(
            """() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(
            document.querySelector("#plot-roc-smoker .xtick text")).fill]"""
        )
        return found

    light = colours()
    assert light == ["rgb(255, 255, 255)", "rgb(27, 31, 36)"]
    page.locator("#theme").click()
    assert colours() == ["rgb(15, 20, 25)", "rgb(230, 237, 243)"]
    page.locator("#theme").click()
    assert colours() == light


def test_a_phone_needs_no_scrolling_sideways(browser: Any, address: str) -> None:
    page = Visit(browser, address, viewport={"width": 360, "height": 740}).page
    page.evaluate(DRAW_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_paper_gets_every_figure_at_its_own_width(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    widths = page.evaluate(
        "[...document.querySelectorAll('.plot svg.main-svg')].map((svg) => svg.clientWidth)"
    )
    assert max(widths) == 660
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").stat().st_size > 100_000
