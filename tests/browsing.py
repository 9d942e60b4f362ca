"""Pages in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

PHONE, DESK = (390, 844), (1280, 900)
TOO_WIDE = """() => [...document.querySelectorAll('*')]
    .filter(each => each.getBoundingClientRect().right > innerWidth + 0.5)
    .map(each => each.outerHTML.slice(0, 80))"""


@contextmanager
def launched_browser() -> Iterator[Browser]:
    """Run Debian's chromium; its sandbox does not work for root."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        assert path is not None, "install the Debian package chromium"
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()
