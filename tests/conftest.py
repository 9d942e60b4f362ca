"""What holds for every test: none is skipped.

A test that skips says nothing, and a suite of such tests is green for years. What
a test needs (root, strace, a tmpfs) is part of the machine the suite runs on; where
it is missing, the test fails and says so.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator

import pytest


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Leave logging as it was, after the program ran in the test's own process."""
    yield
    ours = logging.getLogger("dirsync")
    for handler in ours.handlers[:]:
        handler.close()
        ours.removeHandler(handler)
    ours.setLevel(logging.NOTSET)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip, or an expected failure, of a test into a failure."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and no test may be: {report.longrepr}"
        vars(report).pop("wasxfail", None)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skip of a whole module into a failure."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, and no test may be: {report.longrepr}"
    return report
