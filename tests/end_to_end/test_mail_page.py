"""A mail as a browser shows it: on a phone and a desk, by day and by night."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from dirsync.cli.output.told import ToldWords
from dirsync.model.change import Failure
from dirsync.model.names import shown
from dirsync.model.result import Counts, Outcome
from dirsync.notify.happening import EndedRun, Kept, Staleness
from dirsync.notify.letter import letter_of
from dirsync.notify.message import Message, staleness_message, trial_message
from tests.browsing import DESK, PHONE, TOO_WIDE
from tests.tidings import BEGUN_AT, HARMFUL, deleted, eventful_run, message_of, result

LEAST_CONTRAST = """() => {
    const channel = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 };
    const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
    const colour = text => text.match(/[\\d.]+/g).map(Number);
    const back = element => {
        for (; element; element = element.parentElement) {
            const found = colour(getComputedStyle(element).backgroundColor);
            if (found.length < 4 || found[3] > 0) return found;
        }
        return [255, 255, 255];
    };
    const ratios = [...document.querySelectorAll('p, h1, h2, td, span, bdi')]
        .filter(each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
        .map(each => [light(colour(getComputedStyle(each).color)), light(back(each))])
        .map(([one, two]) => (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05));
    return Math.min(...ratios);
}"""


def messages() -> dict[str, Message]:
    held = "max_delete: would delete 9,120 of 12,000 entries (76 %), more than 50 %; 'approve' carries it out"
    names = [Failure(b"a/" * 500 + name, "x" * 600) for name in HARMFUL]
    gone = [deleted(b"%d" % number) for number in range(40)]
    return {
        "eventful": message_of(eventful_run(more=40)),
        "long": message_of(
            EndedRun(
                result=result(outcome=Outcome.PARTIAL, counts=Counts(failed=len(names)), job="j" * 200),
                kept=Kept(failures=names, failure_count=len(names), deletions=gone, deletion_count=40),
            )
        ),
        "held": message_of(EndedRun(result=result(outcome=Outcome.HELD, error=held))),
        "failed": message_of(EndedRun(result=result(outcome=Outcome.FAILED, error="e" * 900))),
        "well": message_of(EndedRun(result=result()), is_well_again=True),
        "stale": staleness_message(
            Staleness(
                job="photos",
                last_success_at=BEGUN_AT,
                stale_after_seconds=86_400,
                now=BEGUN_AT + datetime.timedelta(days=3),
            ),
            host="vm",
            words=ToldWords(),
            mask=str,
        ),
        "test": trial_message("ops", host="vm"),
    }


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with each mail as a file."""
    folder = tmp_path_factory.mktemp("mails")
    for name, message in messages().items():
        (folder / f"{name}.html").write_text(letter_of(message, mask=str).html, encoding="utf-8")
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK])
@pytest.mark.parametrize("name", messages())
def test_mail_is_readable_at_any_width_and_asks_for_nothing(
    browser: Browser,
    pages: Path,
    tmp_path: Path,
    name: str,
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
) -> None:
    """Nothing is wider than the screen, no script runs, no request is made, every text stands out."""
    file = pages / f"{name}.html"
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    asked, said = _watched(page)

    page.goto(file.as_uri())
    page.screenshot(path=tmp_path / "mail.png", full_page=True)
    too_wide = page.evaluate(TOO_WIDE)
    contrast = page.evaluate(LEAST_CONTRAST)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.close()

    assert too_wide == []
    assert (asked, said) == ([file.as_uri()], [])
    assert contrast >= 4.5  # WCAG 2.2, 1.4.3
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) is (scheme == "dark")


def _watched(page: Page) -> tuple[list[str], list[str]]:
    """Note what a page asks for, and what it says on its console or in a dialog."""
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    return asked, said


def test_a_mail_program_that_drops_styles_shows_it_all_the_same(browser: Browser, pages: Path) -> None:
    """Without `<style>`, as several programs have it, it is the same by day."""
    page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]}, color_scheme="dark")
    written = (pages / "eventful.html").read_text(encoding="utf-8")
    page.set_content(re.sub(r"<style>.*?</style>", "", written, flags=re.DOTALL))

    too_wide = page.evaluate(TOO_WIDE)
    contrast = page.evaluate(LEAST_CONTRAST)
    page.close()

    assert too_wide == []
    assert contrast >= 4.5


def test_names_are_texts_of_the_mail(browser: Browser, pages: Path) -> None:
    page = browser.new_page()
    page.goto((pages / "eventful.html").as_uri())

    names = page.locator("bdi").all_inner_texts()
    page.close()

    assert {shown(name) for name in HARMFUL} <= set(names)


def test_the_verdict_is_what_one_sees_first(browser: Browser, pages: Path) -> None:
    page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]})
    page.goto((pages / "eventful.html").as_uri())

    headline = page.locator("h1")
    assert headline.inner_text() == "49 failed, 49 deleted, 98 copied, 1 moved"
    assert headline.bounding_box()["y"] < 100  # type: ignore[index]
    parts = page.locator("h2").all_inner_texts()
    page.close()

    assert parts == ["Failed 49", "Deleted 49", "Changed 99"]
