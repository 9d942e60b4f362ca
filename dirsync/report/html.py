"""A report as one HTML page: no script, nothing that is fetched, the verdict first.

Its style is in it, and its content security policy allows that very style and nothing
else. Every text is escaped by the template engine; names were made printable before.
"""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
from collections.abc import Callable, Iterable
from importlib import resources
from typing import TYPE_CHECKING

from msgspec import Struct

from dirsync.model.change import ChangeKind
from dirsync.model.names import escaped, local_text, shown
from dirsync.model.result import Outcome
from dirsync.model.tallies import SpanTally
from dirsync.report.charts import Columns, Line, columns_of, level
from dirsync.report.report import Fold, JobReport, Report, Size, Verdict
from dirsync.report.verdict import Judged, by_gravity, headline, worst
from dirsync.report.words import Words, fold_words, minute, pruned_words

if TYPE_CHECKING:
    from jinja2 import Template

_BELOW = frozenset({"deleted"})


class Chart(Struct, frozen=True, kw_only=True):
    """One picture, and the words around it."""

    title: str
    top: str  # what the highest point stands for
    begin: str
    end: str
    columns: Columns | None = None
    line: Line | None = None
    legend: tuple[tuple[str, str], ...] = ()  # series and its word


def html_of(report: Report, *, words: Words) -> str:
    """Write a report as one HTML page."""
    style = _file("page.css")
    page = _Page(words)
    return _template().render(
        report=report,
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        headline=headline(report),
        verdict=worst(report),
        jobs=by_gravity(report),
        Verdict=Verdict,
        page=page,
    )


@functools.cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined  # only a page needs it

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_file("page.html"))


class _Page:
    """What the template asks: everything that is not plain text already."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def name(self, text: str) -> str:
        """Write a name that was declared."""
        return escaped(text)

    def path(self, path: bytes) -> str:
        """Write a path of a tree; a directory's."""
        return f"{shown(path)}/" if path else "./"

    def local(self, path: bytes) -> str:
        """Write a whole path of this machine."""
        return local_text(path)

    def change(self, fold: Fold) -> dict[str, str]:
        """Say what one change is, and what it stands for."""
        verb, name, reasons = fold_words(fold, self._words)
        return {"verb": verb, "name": name, "reasons": reasons, "kind": fold.change.kind.value}

    def deeds(self, job: JobReport) -> list[tuple[str, str]]:
        """Say how many changes there were, by kind: the kind and the words."""
        kinds = [kind for kind in ChangeKind if getattr(job.counts, kind.value)]
        return [(kind.value, f"{getattr(job.counts, kind.value):,} {_DONE[kind]}") for kind in kinds]

    def parts(self, counts: object) -> list[tuple[str, int]]:
        """Give the changes of a part of the tree by kind; kinds that there are none of are left out."""
        figures = [(kind.value, getattr(counts, kind.value)) for kind in ChangeKind]
        return [(kind, figure) for kind, figure in figures if figure]

    def count(self, number: int) -> str:
        """Write a number."""
        return f"{number:,}"

    def byte_count(self, number: int) -> str:
        """Write a number of bytes."""
        return self._words.byte_count(number)

    def grown(self, number: int) -> str:
        """Write a number of bytes with its sign; nothing: none."""
        return f"{_sign(number)}{self._words.byte_count(abs(number))}" if number else ""

    def growth(self, job: JobReport) -> tuple[str, str]:
        """Say by how much entries and bytes have grown; empty where they did not, or nobody knows."""
        before: Size | None = job.size_before or job.first_recorded
        if job.size is None or before is None:
            return "", ""
        entries = job.size.entries - before.entries
        return (
            f"{_sign(entries)}{abs(entries):,}" if entries else "",
            self.grown(job.size.byte_count - before.byte_count),
        )

    def minute(self, at: datetime.datetime | None) -> str:
        """Write a moment."""
        return "" if at is None else minute(at)

    def pruned(self, job: JobReport) -> str:
        """Say what is older than what is kept; empty: nothing is."""
        return pruned_words(job)

    def span(self, report: Report) -> str:
        """Write how long a report looks back."""
        return self._words.seconds((report.made_at - report.since).total_seconds())

    def runs(self, job: JobReport) -> str:
        """Say how runs ended, but for those that succeeded."""
        others = [
            f"{count:,} {outcome.value}"
            for outcome, count in job.runs.outcomes.items()
            if outcome is not Outcome.SUCCEEDED
        ]
        return ", ".join(others)

    def tone(self, verdict: Judged | Verdict) -> str:
        """Give the class of a verdict."""
        return (verdict if isinstance(verdict, Verdict) else verdict.verdict).name.lower()

    def charts(self, job: JobReport) -> list[Chart]:
        """Draw what there is to be drawn of growth and churn."""
        if len(job.spans) < 2:
            return []
        return [chart for draw in (self._growth, self._churn, self._changes) for chart in draw(job)]

    def _growth(self, job: JobReport) -> Iterable[Chart]:
        totals = [span.bytes_total for span in job.spans]
        before = job.size_before or job.first_recorded
        line = level(totals, before=None if before is None else before.byte_count) if job.size else None
        if line is not None:
            known = [total for total in totals if total is not None]
            ends = dict.fromkeys(self._words.byte_count(each) for each in (min(known), max(known)))
            yield self._chart("Size", job, top=" to ".join(ends), line=line)

    def _churn(self, job: JobReport) -> Iterable[Chart]:
        figures = [
            [("added", span.bytes_added), ("modified", span.bytes_modified), ("deleted", span.bytes_deleted)]
            for span in job.spans
        ]
        if any(value for each in figures for _, value in each):
            highest = max(value_up for value_up in (each[0][1] + each[1][1] for each in figures))
            lowest = max(each[2][1] for each in figures)
            top = self._words.byte_count(max(highest, lowest))
            titles = [self._churn_title(span) for span in job.spans]
            drawn = columns_of(figures, titles, below=_BELOW)
            legend = (("added", "added"), ("modified", "written anew"), ("deleted", "deleted"))
            yield self._chart("Churn", job, top=f"up to {top}", columns=drawn, legend=legend)

    def _churn_title(self, span: SpanTally) -> str:
        size: Callable[[int], str] = self._words.byte_count
        return (
            f"from {self.minute(span.begins_at)}: {size(span.bytes_added)} added, "
            f"{size(span.bytes_modified)} written anew, {size(span.bytes_deleted)} deleted"
        )

    def _changes(self, job: JobReport) -> Iterable[Chart]:
        if any(span.changes for span in job.spans):
            figures = [[("changes", span.changes)] for span in job.spans]
            titles = [f"from {self.minute(span.begins_at)}: {span.changes:,} changes" for span in job.spans]
            top = max(span.changes for span in job.spans)
            yield self._chart("Changes", job, top=f"up to {top:,}", columns=columns_of(figures, titles))

    def _chart(
        self,
        title: str,
        job: JobReport,
        *,
        top: str,
        columns: Columns | None = None,
        line: Line | None = None,
        legend: tuple[tuple[str, str], ...] = (),
    ) -> Chart:
        begin = job.spans[0].begins_at
        return Chart(
            title=title,
            top=top,
            begin=f"{begin.astimezone():%d %b}" if _is_long(job) else f"{begin.astimezone():%H:%M}",
            end="now",
            columns=columns,
            line=line,
            legend=legend,
        )


_DONE = {
    ChangeKind.CREATED: "created",
    ChangeKind.MODIFIED: "modified",
    ChangeKind.METADATA: "changed in metadata",
    ChangeKind.MOVED: "moved",
    ChangeKind.DELETED: "deleted",
}


def _sign(number: int) -> str:
    return "−" if number < 0 else "+"


def _is_long(job: JobReport) -> bool:
    length = job.spans[-1].begins_at - job.spans[0].begins_at
    return length >= datetime.timedelta(days=1)
