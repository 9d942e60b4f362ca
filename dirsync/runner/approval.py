"""The run of a held plan: its very steps, each only where nothing has changed since.

The stages are those of any run, but nothing is scanned and the guards are not asked
again: somebody has answered them.
"""

from __future__ import annotations

from msgspec.structs import replace

from dirsync.errors import RunError
from dirsync.filters import scope_of
from dirsync.mirror.settings import Settings
from dirsync.mirror.unchanged import SourceCheck
from dirsync.model.entry import Entry
from dirsync.model.job import DeletePolicy
from dirsync.model.operation import Operation
from dirsync.plan.plan import Plan
from dirsync.runner.declared import declaration_of
from dirsync.runner.held import load_plan
from dirsync.runner.held_file import HeldPlan
from dirsync.runner.held_place import remove_plan
from dirsync.runner.places import Places
from dirsync.runner.roots import Root, is_same_root, root_of
from dirsync.runner.scanning import skips_symlinks
from dirsync.runner.stages import Stages
from dirsync.runner.vetting import Vetting
from dirsync.trees.local import open_tree


class Approval(Stages):
    """Takes the held plan of one job through the stages of a run."""

    def _plan(self, places: Places) -> Plan:
        """Read the plan that is held, whole, in place of making one."""
        self._look_at_capabilities(places)
        source, destination = root_of(places.source), root_of(places.destination)

        def check(about: HeldPlan) -> None:
            self._check_meant(about, source, destination)

        def adapted(about: HeldPlan, operation: Operation) -> Operation:
            return _on_devices_of_today(operation, about, source, destination)

        plan = load_plan(
            self._state,
            self._job.name,
            keeps_versions=self._job.delete is DeletePolicy.TRASH,
            check=check,
            adapted=adapted,
        )
        for failure in plan.failures:
            self._telling.failed(failure)
        return plan

    def _check_meant(self, about: HeldPlan, source: Root | None, destination: Root | None) -> None:
        """Check that the plan is for this declaration and for these very directories."""
        fault = None
        if about.declaration != declaration_of(self._job):
            fault = "the job was declared otherwise when its plan was made"
        elif not is_same_root(about.source, source):
            fault = f"source '{self._job.source}' is not the directory the plan was made for"
        elif not is_same_root(about.destination, destination):
            made = "was not there when the plan was made" if destination else "is not there any more"
            if about.destination and destination:
                made = "is not the directory the plan was made for"
            fault = f"destination '{self._job.destination}' {made}"
        if fault is not None:
            raise RunError(f"'{self._job.name}': {fault}; nothing was changed, run the job to get a new plan")

    def _judge(self, plan: Plan, places: Places) -> None:
        """Ask no guard, for the plan was approved, but what directories that go whole hold by now."""
        if self._changes_nothing or not plan.keeps_versions or places.destination is None:
            return
        with open_tree(self._job.source) as source, open_tree(self._job.destination) as destination:
            vetting = Vetting(plan, source=source, destination=destination, check=self._source_check())
            for failure in vetting.refused():
                self._telling.failed(failure)

    def _carry_out(self, plan: Plan, *, version_area: bytes | None) -> None:
        """Carry the plan out, once: a run cut off leaves nothing to approve again."""
        remove_plan(self._state, self._job.name)
        super()._carry_out(plan, version_area=version_area)

    def _settings(self, *, version_area: bytes | None) -> Settings:
        settings = super()._settings(version_area=version_area)
        return replace(settings, source_check=self._source_check())

    def _source_check(self) -> SourceCheck:
        job = self._job
        scope = scope_of(include=job.include, exclude=job.exclude, ignore_files=job.ignore_files)
        return SourceCheck(scope=scope, skips_symlinks=skips_symlinks(job, self._rules.kept))


def _on_devices_of_today(
    operation: Operation, about: HeldPlan, source: Root | None, destination: Root | None
) -> Operation:
    """Give a step with the device numbers that the two file systems have now."""
    change = operation.change
    leader = change.leader
    if leader is not None:
        leader = leader._replace(entry=_today(leader.entry, about.destination, destination))
    return operation._replace(
        change=change._replace(
            new=_today(change.new, about.source, source),
            old=_today(change.old, about.destination, destination),
            leader=leader,
        )
    )


def _today(entry: Entry | None, planned: Root | None, now: Root | None) -> Entry | None:
    if entry is None or planned is None or now is None or entry.dev != planned.device:
        return entry
    return entry._replace(dev=now.device)
