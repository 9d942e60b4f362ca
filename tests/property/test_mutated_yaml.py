"""Spoiled jobs.yaml files load or are refused line by line: no traceback, no key ignored.

`DIRSYNC_EXAMPLES` sets how many; run with `-s` to see the figures.
"""

from __future__ import annotations

import gc
import os
import random
import re
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from dirsync.config import load
from dirsync.config.keys import SECTIONS, FileKeys, JobKeys, names_of
from dirsync.errors import ConfigError
from tests.yaml_mutations import UNKNOWN, spoiled, with_typo, with_unknown_key
from tests.yaml_seeds import SEEDS, VARIABLES, written_seeds

EXAMPLES = int(os.environ.get("DIRSYNC_EXAMPLES", "2000"))
SLOWEST_SECONDS = 0.2
_READER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_LINE = re.compile(r"(jobs|jobs\.d/extra)\.yaml:[1-9][0-9]*: \S")


@dataclass
class Findings:
    """What went wrong over all examples, and how long they took."""

    loaded: int = 0
    refused: int = 0
    slowest_seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        slowest = f"slowest {self.slowest_seconds * 1000:.1f} ms"
        return f"{self.loaded} loaded, {self.refused} refused, {len(self.faults)} faults, {slowest}"


@pytest.fixture
def jobs_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a jobs.yaml, with all that the seeds refer to, as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FUZZ_TOP", str(tmp_path))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return written_seeds(tmp_path)


@pytest.fixture
def garbage_of_its_own() -> Iterator[None]:
    """Leave out of the collections that fall into a test what others before it left, and made them longer."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("seed", SEEDS)
def test_seed_itself_loads(jobs_yaml: Path, seed: str) -> None:
    jobs_yaml.write_text(seed)

    assert load("jobs.yaml").jobs


@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("garbage_of_its_own")
def test_every_mutant_loads_or_is_refused_line_by_line(jobs_yaml: Path) -> None:
    findings = Findings()
    for number in range(EXAMPLES):
        chance = random.Random(number)
        text, named = _example(chance, number)
        jobs_yaml.write_bytes(text)
        _try(text, named, findings)

    print(f"\n{EXAMPLES} mutants: {findings}")
    assert findings.faults[:5] == []
    assert findings.slowest_seconds < SLOWEST_SECONDS


def _example(chance: random.Random, number: int) -> tuple[bytes, str | None]:
    """Make one example; where a key is wrong on purpose, name it."""
    seed = chance.choice(SEEDS)
    match number % 10:
        case 0:
            return with_typo(chance, seed)
        case 1:
            return with_unknown_key(chance, seed), UNKNOWN
        case _:
            return spoiled(chance, seed), None


def _try(text: bytes, named: str | None, findings: Findings) -> None:
    started = time.thread_time()
    problems: tuple[str, ...] | None = None
    fault = None
    try:
        load("jobs.yaml")
    except ConfigError as error:
        problems = error.problems
    except BaseException:
        fault = traceback.format_exc(limit=-3)
    findings.slowest_seconds = max(findings.slowest_seconds, time.thread_time() - started)
    if problems is None:
        findings.loaded += 1
        fault = fault or _ignored(text, named)
    else:
        findings.refused += 1
        fault = fault or _badly_told(problems, named)
    if fault:
        findings.faults.append(f"{fault}\n{text!r}")


def _badly_told(problems: tuple[str, ...], named: str | None) -> str | None:
    for line in problems:
        if not _LINE.match(line) or "\n" in line or "hush-hush-7" in line or "file-secret-9" in line:
            return f"badly told: {line!r}"
    if named is not None and not any(named in line for line in problems):
        return f"{named!r} is not told: {problems}"
    return None


def _ignored(text: bytes, named: str | None) -> str | None:
    """Find a key that loaded although nobody knows it, by another reader than ours."""
    if named is not None:
        return f"{named!r} was ignored"
    document = yaml.load(text, Loader=_READER)
    unknown = _unknown(document, {*names_of(FileKeys)})
    fragments = [document.get("defaults")]
    for section in ("jobs", "profiles"):
        named_fragments = document.get(section) or {}
        fragments += [value for key, value in named_fragments.items() if not key.startswith("x-")]
    for fragment in fragments:
        unknown += _unknown(fragment, set(names_of(JobKeys)))
        for section, model in SECTIONS.items():
            unknown += _unknown(
                fragment.get(section) if isinstance(fragment, dict) else None, set(names_of(model))
            )
    return f"ignored: {unknown}" if unknown else None


def _unknown(mapping: Any, known: set[str]) -> list[str]:
    if not isinstance(mapping, dict):
        return []
    return [
        key for key in mapping if key.removesuffix("+") not in {*known, "<<"} and not key.startswith("x-")
    ]
