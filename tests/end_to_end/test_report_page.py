"""The page as a browser shows it: on a phone and a desk, by day and by night, and on paper."""

from __future__ import annotations

import datetime
import html
import os
import re
import shutil
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page

from dirsync.cli.rendering import report_on
from dirsync.model.job import Compare, PatternLine, ReportFormat, Rule, Severity, TrackJob
from dirsync.model.names import shown
from dirsync.runner.accepting import accept_changes
from tests.browsing import DESK, PHONE, TOO_WIDE
from tests.jobs import run, track_job
from tests.trees import tree

ODD = [
    b"<script>alert(1)<",  # no name holds a slash
    b'"><img src=x onerror=alert(1)>',
    b"evil\xe2\x80\xaegnp.exe",  # U+202E: what follows would read from right to left
    "\u05e2\u05d1\u05e8\u05d9\u05ea".encode(),
    b"bad\xff\nname",
    b"&amp; {{ 7 * 7 }} {% raw %}",
    b"n" * 255,
    "\u6587".encode() * 80,
]
HANDLERS = """() => [...document.querySelectorAll('*')].flatMap(each => [...each.attributes])
    .filter(attribute => attribute.name.startsWith('on')).length"""
POLICY = (
    r"content=\"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]+=*'; "
    r"base-uri 'none'; form-action 'none'\""
)


def report_of(folder: Path) -> str:
    """Report on a tree in which everything happened, under names that mean harm."""
    source = tree(
        folder / "source",
        {"keys": {"id": b"k"}, "gone": {str(n): b"1" * n * 100 for n in range(30)}, "old": {"file": b"1"}},
    )
    rule = Rule(
        pattern=PatternLine(b"/keys/", "", 0),
        attributes=frozenset({Compare.SIZE}),
        severity=Severity.CRITICAL,
    )
    job: TrackJob = replace(track_job(source, folder / "state"), name="<b>a job</b>", rules=(rule,))
    run(job, state=folder / "state")
    shutil.rmtree(source / "gone")
    (source / "old").rename(source / "new")
    run(job, state=folder / "state")
    accept_changes(job, b"", state=str(folder / "state"))
    (source / "keys/id").write_bytes(b"other")
    for name in ODD:
        Path(os.fsdecode(os.fsencode(source) + b"/" + name)).write_bytes(name)
    run(job, state=folder / "state")
    lost = replace(job, name="lost", source=replace(job.source, path=b"/no/<i>such</i>/place"))
    run(lost, state=folder / "state")
    now = datetime.datetime.now(datetime.UTC)
    return report_on(
        [job, lost],
        state=str(folder / "state"),
        since=now - datetime.timedelta(hours=5),
        now=now,
        format=ReportFormat.HTML,
        mask=str,
    )


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    file = folder / "report.html"
    file.write_text(report_of(folder), encoding="utf-8")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK])
def test_page_is_readable_at_any_width_and_asks_for_nothing(
    browser: Browser,
    page_file: Path,
    tmp_path: Path,
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
) -> None:
    """Nothing is wider than the screen, no script runs, no request is made, and there is something to see."""
    width, height = size
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    asked, said = _watched(page)

    page.goto(page_file.as_uri())
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    too_wide = page.evaluate(TOO_WIDE)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.close()

    assert too_wide == []
    assert (asked, said) == ([page_file.as_uri()], [])
    assert (tmp_path / "page.png").stat().st_size > 20_000
    assert (sum(map(int, re.findall(r"\d+", dark))) < 200) is (scheme == "dark")


def _watched(page: Page) -> tuple[list[str], list[str]]:
    """Note what a page asks for, and what it says on its console or in a dialog."""
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    return asked, said


def test_no_name_becomes_markup(browser: Browser, page_file: Path) -> None:
    """Names are texts in the page, escaped where they are not printable, whatever they hold."""
    page = browser.new_page()
    page.goto(page_file.as_uri())

    names = page.locator("bdi.path").all_inner_texts()
    elements = set(page.evaluate("[...new Set([...document.querySelectorAll('*')].map(e => e.localName))]"))
    handlers = page.evaluate(HANDLERS)
    page.close()

    written = page_file.read_text(encoding="utf-8")
    assert {shown(name) for name in ODD} <= set(names)
    assert not elements & {"script", "img", "i", "iframe", "link", "object", "form"}
    assert handlers == 0
    assert "\u202e" not in written
    assert html.escape("<b>a job</b>") in written
    assert "<b>a job" not in written


def test_the_policy_allows_the_own_style_and_nothing_else(page_file: Path) -> None:
    written = page_file.read_text(encoding="utf-8")

    assert re.search(POLICY, written)
    assert not re.search(r"\b(?:src|href)=\"(?!#)", written)
    assert "style=" not in written
    assert "url(" not in written


def test_the_verdict_is_what_one_sees_first(browser: Browser, page_file: Path) -> None:
    page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]})
    page.goto(page_file.as_uri())

    headline = page.locator("h1")
    assert headline.inner_text() == "2 jobs need attention"
    assert headline.bounding_box()["y"] < 120  # type: ignore[index]
    verdicts = page.locator(".verdicts li").all_inner_texts()
    page.close()

    assert [text.split("\n")[0] for text in verdicts] == ["alarm", "alarm"]


def test_the_page_prints(browser: Browser, page_file: Path, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())

    page.pdf(path=tmp_path / "page.pdf", format="A4")
    page.close()

    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
