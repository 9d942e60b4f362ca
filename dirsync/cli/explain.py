"""Tell which rule selects or excludes a path of a job."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.lines import Lines
from dirsync.cli.output.machine import Fields, path_fields
from dirsync.cli.parsing import Options, Parser, add_common, add_json, config_file
from dirsync.cli.paths import path_below
from dirsync.cli.selection import job_named
from dirsync.config import load
from dirsync.errors import RunError
from dirsync.filters import Verdict, pattern_lines, root_scope
from dirsync.filters.explanation import Explanation, explain
from dirsync.model.job import Job, PatternLine
from dirsync.model.names import shown
from dirsync.runner.left_out import left_out, own
from dirsync.runner.reach import within_reach
from dirsync.trees.local import open_tree
from dirsync.trees.source import SourceTree


class ExplainOptions(Options):
    """What `explain` can be told."""

    job: str
    path: str


class Asked(NamedTuple):
    """The path asked about."""

    path: bytes  # relative to the source; b"" is its root
    is_directory: bool
    is_there: bool


def parser() -> Parser:
    """Make the parser of `explain`."""
    made = Parser(
        usage="dirsync explain JOB PATH [-c FILE] [--json]",
        description="Tell which rule selects or excludes a path. PATH is relative to the job's source, or\n"
        "absolute and beneath it; a '/' at its end says that a path not there is a directory.",
    )
    made.add_argument("job", metavar="JOB")
    made.add_argument("path", metavar="PATH")
    add_json(made)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Explain one path."""
    options = parser().parse_args(arguments, namespace=ExplainOptions())
    configuration = load(config_file(options))
    job = job_named(configuration.jobs, options.job)
    with contextlib.ExitStack() as stack:
        tree: SourceTree | None = (
            None  # None: the source cannot be looked at, so only the job's own lines speak
        )
        with contextlib.suppress(OSError, RunError):
            stack.enter_context(within_reach(job.source, check=_never))
            tree = stack.enter_context(open_tree(job.source_as_read))
        asked = _asked(path_below(job, options.path), tree, text=options.path)
        explanation = _explained(job, asked, tree)
    lines = Lines(mask=configuration.mask)
    if options.json:
        lines.record(_fields(job, asked, explanation))
    else:
        lines.line(in_words(asked, explanation))
    return Exit.DONE


def _never() -> None:
    """Wait as long as it takes: a far end that does not answer at once is taken for gone."""


def in_words(asked: Asked, explanation: Explanation) -> str:
    """Write an explanation for people."""
    verdict = explanation.verdict.value
    slash = "/" if asked.is_directory and asked.path else ""
    note = "" if asked.is_there else "\n  (nothing is there now; for a directory, write a '/' at the end)"
    return f"{shown(asked.path)}{slash}: {verdict}\n  {explanation.reason}{note if not slash else ''}"


def _asked(path: bytes, tree: SourceTree | None, *, text: str) -> Asked:
    entry = None
    if tree is not None and path:
        with contextlib.suppress(OSError):
            entry = tree.entry(path)
    if entry is None:
        return Asked(path, text.endswith("/") or not path, is_there=not path)
    return Asked(path, entry.is_directory, is_there=True)


def _explained(job: Job, asked: Asked, tree: SourceTree | None) -> Explanation:
    def read_ignore_file(path: bytes) -> tuple[PatternLine, ...]:
        if tree is None:
            return ()
        try:
            return pattern_lines(tree.read_file(path), file=shown(path))
        except OSError:
            return ()

    explanation = explain(
        root_scope(job), asked.path, is_directory=asked.is_directory, read_ignore_file=read_ignore_file
    )
    found = own(asked.path)
    if found is None and tree is not None and explanation.verdict is not Verdict.EXCLUDED:
        found = left_out(job, asked.path, tree)
    return explanation if found is None else Explanation(Verdict.EXCLUDED, None, found.path, found.reason)


def _fields(job: Job, asked: Asked, explanation: Explanation) -> Fields:
    line = explanation.decided_by
    return {
        "event": "explanation",
        "job": job.name,
        **path_fields("path", asked.path),
        "verdict": explanation.verdict.value,
        "reason": explanation.reason,
        "file": None if line is None else line.file,
        "line": None if line is None else line.line,
        "pattern": None if line is None else shown(line.text),
    }
