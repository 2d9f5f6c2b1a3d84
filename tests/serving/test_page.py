"""The page in a real Chromium: pictures, keyboard, phone, dark, no word to any other host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving.server_process import ServerProcess

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="the page's tests need playwright, which the environment has"
)
pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="the page's tests need a Chromium: apt-get install chromium"
)
UNCALIBRATED = {"age": {"value": 23.0}, "income": {"value": 1.0}}
PHONE = {"viewport": {"width": 360, "height": 740}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium of this machine."""
    # As root, in a container, Chromium has no sandbox to go to.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any, server: ServerProcess, tmp_path: Any) -> Iterator[Any]:
    """Opens the page; at the end there must have been no error and no other host."""
    told: list[str] = []
    contexts = []

    def open_it(**options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on(
            "console", lambda m: told.append(m.text) if m.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on(
            "request",
            lambda r: None if r.url.startswith((server.address, "data:")) else told.append(r.url),
        )
        page.goto(server.address)
        page.get_by_role("table").get_by_text("5.96 [5.4, 6.52]").wait_for()
        return page

    yield open_it
    for number, context in enumerate(contexts):
        context.pages[0].screenshot(path=tmp_path / f"page{number}.png", full_page=True)
        context.close()
    assert told == []


def predict(page: Any) -> None:
    """Types two posts and asks by mouse."""
    page.get_by_label("Posts of one author").fill("I went\n\nhome.")
    page.get_by_role("button", name="Predict").click()
    page.locator("[data-head=gender] svg").wait_for()


def test_posts_become_three_pictures_that_say_what_they_show(open_page: Any) -> None:
    page = open_page()
    assert "model version 7" in page.locator("header").inner_text()
    age = page.locator("#quality tbody tr").first.inner_text().split("\t")
    assert age == ["age", "mean absolute error, years", "5.96 [5.4, 6.52]"]
    predict(page)
    assert page.get_by_role("img").evaluate_all("all => all.map(e => e.ariaLabel)") == [
        "age: 23 years. In 80 % of cases between 19 and 27 years.",
        "income. Most probable: below 10 dollars a year, 70 %. Confidence 70 %, calibrated.",
        "gender: female 75 %, male 25 %. Abstains: its confidence of 75 % is below the bound set "
        "for this server.",
    ]
    assert page.locator("[data-head=age] .answer").inner_text() == "23 years"
    assert page.locator("[data-head=age] .soft").all_text_contents()[:2] == ["19", "27"]
    assert page.locator("[data-head=gender] .answer").inner_text() == "no answer"
    band = page.locator("[data-head=age] .band")
    # 360 units of the picture are 100 years.
    assert float(band.get_attribute("width")) == pytest.approx(28.8)
    assert float(band.get_attribute("x")) == pytest.approx(20 + 3.6 * 19)
    read_widths = "all => all.map(e => +e.getAttribute('width'))"
    widths = page.locator("[data-head=income] rect").evaluate_all(read_widths)
    assert widths == pytest.approx([170, 170 / 7, 170 / 7, 170 / 7])
    assert page.locator("#status").inner_text() == "Answered for 2 posts."


def test_an_answer_is_drawn_by_what_it_holds(open_page: Any) -> None:
    page = open_page()
    shares = {"calm": 0.2, "glad": 0.5, "sad": 0.3}
    answers = {
        "age": {"probabilities": shares, "confidence": 0.5},
        "income": {"value": 3.5, "unit": "trips"},
        "gender": {"words": ["so", 2], "span": None, "confidence": 0.25},
    }
    page.route("**/*:predict", lambda route: route.fulfill(json={"predictions": [answers]}))
    page.get_by_label("Posts of one author").fill("I went home.")
    page.keyboard.press("Control+Enter")
    page.locator("[data-head=gender]").wait_for()
    assert page.locator("[data-head] .answer").all_inner_texts() == [
        "glad",
        "3.5 trips",
        'words: ["so",2], span: null',
    ]
    assert page.locator("[data-head] figcaption").all_inner_texts() == [
        "Most probable: glad, 50 %. Confidence 50 %, calibrated.",
        "This model was exported without an interval.",
        "Confidence 25 %, calibrated.",
    ]
    assert page.locator("[data-head=age] svg text").all_text_contents()[::2] == [*shares, ""]


def test_a_small_range_has_hundredths_and_two_values_that_may_both_be_true_have_a_bar_each(
    open_page: Any,
) -> None:
    page = open_page()
    page.evaluate("Object.assign(state.heads[0], {minimum: 0, maximum: 1})")
    share = {"value": 0.277, "interval": {"coverage": 0.8, "lower": 0, "upper": 0.616}}
    both = {"probabilities": {"jazz": 0.75, "rock": 0.5}}
    answers = {**UNCALIBRATED, "age": share, "gender": both}
    page.route("**/*:predict", lambda route: route.fulfill(json={"predictions": [answers]}))
    page.get_by_label("Posts of one author").fill("I went home.")
    page.keyboard.press("Control+Enter")
    page.locator("[data-head=gender] svg").wait_for()
    assert page.get_by_role("img").evaluate_all("all => all.map(e => e.ariaLabel)")[::2] == [
        "age: 0.28. In 80 % of cases between 0 and 0.62.",
        "gender. Most probable: jazz, 75 %. ",
    ]
    ticks = page.locator("[data-head=age] .soft").all_text_contents()
    assert ticks == ["0", "0.62", "0", "0.25", "0.5", "0.75", "1", ""]
    bars = page.locator("[data-head=gender] svg text").all_text_contents()
    assert bars[:4] == ["jazz", "75 %", "rock", "50 %"]


def test_two_values_that_are_digits_are_drawn_as_declared(open_page: Any) -> None:
    page = open_page()
    page.evaluate("Object.assign(state.heads[2], {positive: '2', negative: '1'})")
    answers = {**UNCALIBRATED, "gender": {"probabilities": {"2": 0.75, "1": 0.25}}}
    page.route("**/*:predict", lambda route: route.fulfill(json={"predictions": [answers]}))
    page.get_by_label("Posts of one author").fill("I went home.")
    page.keyboard.press("Control+Enter")
    said = page.locator("[data-head=gender] figcaption")
    said.wait_for()
    assert said.inner_text() == "2 75 %, 1 25 %."
    assert page.locator("[data-head=gender] .answer").inner_text() == "2, 75 %"


def test_the_keyboard_alone_is_enough_and_focus_goes_to_what_is_new(open_page: Any) -> None:
    page = open_page()
    for key in ("Tab", "Tab"):
        page.keyboard.press(key)
    page.keyboard.type("I went home.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("[data-head=gender] svg").wait_for()
    assert page.evaluate("document.activeElement.id") == "results-title"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("[data-words=age]").wait_for()
    assert page.evaluate("document.activeElement.id") == "words"


def test_words_are_shown_with_their_effect(open_page: Any) -> None:
    page = open_page()
    page.get_by_label("Posts of one author").fill("so so good")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Which words mattered most?").click()
    page.locator("[data-words=gender]").wait_for()
    rows = page.locator("[data-words=age] tbody tr").all_inner_texts()
    assert [row.split() for row in rows] == [["so", "×2", "+2"], ["good", "+1"]]
    caption = page.locator("[data-words=income] caption").inner_text()
    assert caption == "Effect on the probability of 20 – 30.5, in percentage points"


def test_markup_in_a_post_stays_text(open_page: Any) -> None:
    page = open_page()
    page.get_by_label("Posts of one author").fill("<img src=x onerror=alert(1)> <b>bold</b>")
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("button", name="Which words mattered most?").click()
    page.locator("[data-words=gender]").wait_for()
    assert page.locator("main img[src], main b").count() == 0


def test_a_fault_is_told_as_an_alert_and_the_page_goes_on(open_page: Any) -> None:
    page = open_page()
    page.get_by_label("Posts of one author").fill(" \n\n ")
    page.get_by_role("button", name="Predict").click()
    alert = page.get_by_role("alert")
    assert alert.inner_text() == "Write or paste at least one post."
    predict(page)
    assert alert.inner_text() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_runs_over_the_edge(open_page: Any, scheme: str) -> None:
    page = open_page(color_scheme=scheme, **PHONE)
    predict(page)
    page.get_by_role("button", name="Which words mattered most?").click()
    page.locator("[data-words=gender]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 28)"}[scheme]


CONTRAST = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return getComputedStyle(document.body).backgroundColor;
  };
  const ratios = [...document.querySelectorAll("body *")]
    .filter((e) => e.checkVisibility())
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => {
      const style = getComputedStyle(e);
      const ink = e instanceof SVGElement ? style.fill : style.color;
      const [a, b] = [light(ink), light(ground(e))].sort();
      return [(b + 0.05) / (a + 0.05), e.tagName + ": " + e.textContent.slice(0, 30)];
    });
  return ratios.filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_asks_for(open_page: Any, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    predict(page)
    page.get_by_role("button", name="Which words mattered most?").click()
    page.locator("[data-words=gender]").wait_for()
    assert page.evaluate(CONTRAST) == []
