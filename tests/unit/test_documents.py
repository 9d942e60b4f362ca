"""What the documents name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
DOCUMENTS = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")])
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    dead = [link for link in _LINK.findall(document.read_text()) if not (document.parent / link).exists()]

    assert dead == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    named = _TEST.findall(document.read_text())
    missing = [
        (file, name)
        for file, name in named
        if not (TOP / file).exists() or f"def {name}" not in (TOP / file).read_text()
    ]

    assert missing == []


def test_every_guarantee_names_a_test() -> None:
    rows = [row for row in (TOP / "docs/guarantees.md").read_text().splitlines() if row.startswith("| ")][1:]

    assert rows
    assert all(_TEST.search(row) for row in rows)
