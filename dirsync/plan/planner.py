"""From facts to decisions: which step each change leads to, and which it must not.

Nothing is deleted whose absence was not observed: a directory of the destination
stays if anything in it is kept on purpose or could not be seen.
"""

from __future__ import annotations

from dirsync.model.change import Change, ChangeKind, Failure
from dirsync.model.entry import Entry
from dirsync.model.job import DeletePolicy
from dirsync.model.links import Linked, has_links
from dirsync.model.new_files import NewFiles
from dirsync.model.operation import Operation, Phase
from dirsync.plan.plan import Plan
from dirsync.trees.handles import ancestors, split


class Planner:
    """Fills a plan with the steps that changes lead to; `finish` makes it complete."""

    def __init__(self, plan: Plan, *, delete: DeletePolicy, hard_links: bool = False) -> None:
        """Fill a plan; without `hard_links`, files with several names become separate files."""
        self.plan = plan
        self._hard_links = hard_links
        self._keep_all = delete is DeletePolicy.KEEP
        self._holding_kept: set[bytes] = set()  # directories that hold something that stays
        self._tentative: dict[bytes, Change] = {}  # directories wanted only for what they hold
        self._tentative_touched: dict[bytes, Change] = {}
        self._replaced: dict[bytes, Change] = {}  # directories that something else replaces
        self._deleted_directories: dict[bytes, Change] = {}

    def add_new_files(self, files: NewFiles) -> None:
        """Decide about files that are all selected; the directory they are in was decided about before."""
        if self._tentative:
            for change in files.changes():
                self.add_change(change)
        else:
            self.plan.add_new_files(files)

    def add_change(self, change: Change) -> None:
        """Decide about one change; the directory it is in was decided about before."""
        if change.kind is ChangeKind.DELETED and self._keep_all:
            self.add_kept(change.path)
        elif not change.selected:
            self._tentative[change.path] = change
        else:
            self._want_ancestors(change.path)
            self._decide(change)

    def _want_ancestors(self, path: bytes) -> None:
        """Decide for the directories above that were waiting for something like this."""
        if not self._tentative:
            return
        waiting = [parent for parent in ancestors(path) if parent in self._tentative]
        for parent in reversed(waiting):
            self._decide(self._tentative.pop(parent))
            above = split(parent)[0]
            if above in self._tentative_touched:
                self._finish_directory(self._tentative_touched.pop(above))

    def _decide(self, change: Change) -> None:
        match change.kind:
            case ChangeKind.DELETED:
                self._delete(change)
            case _ if self._hard_links and has_links(change.new, change.old):
                self._make_way(change)
                self.plan.hold(change)
            case ChangeKind.METADATA:
                self.plan.add(Operation(_metadata_phase(change.entry), change))
            case ChangeKind.CREATED | ChangeKind.MODIFIED | ChangeKind.MOVED:
                self._make(change)

    def _delete(self, change: Change) -> None:
        if change.entry.is_directory:
            self._deleted_directories[change.path] = change
        making_way = (
            not self.plan.keeps_versions
            and self._replaced
            and any(parent in self._replaced for parent in ancestors(change.path))
        )
        self.plan.add(Operation(Phase.MAKE_WAY if making_way else Phase.DELETE, change))

    def _make(self, change: Change) -> None:
        self._make_way(change)
        if not change.entry.is_directory:
            self.plan.add(Operation(Phase.COPY, change))
            return
        self.plan.add(Operation(Phase.MAKE_DIRECTORIES, change))
        self._finish_directory(change._replace(kind=ChangeKind.METADATA, old=None))

    def _make_way(self, change: Change) -> None:
        if change.old is not None and change.old.is_directory:
            self._replaced[change.path] = change

    def _finish_directory(self, change: Change) -> None:
        self.plan.add(Operation(Phase.FINISH_DIRECTORIES, change, counted=False))

    def add_touched(self, new: Entry, old: Entry, *, selected: bool) -> None:
        """Have a directory's metadata set again when its content has changed."""
        change = Change(ChangeKind.METADATA, old, new)
        if selected:
            self._finish_directory(change)
        else:
            self._tentative_touched[new.path] = change

    def add_new_root(self, root: Entry) -> None:
        """Have the metadata of a destination that is yet to be made set at the end."""
        self._finish_directory(Change(ChangeKind.METADATA, None, root))

    def add_kept(self, path: bytes) -> None:
        """Note something at the destination that stays, and with it every directory above."""
        self._holding_kept.update(ancestors(path))
        self._holding_kept.add(path)

    def add_linked(self, linked: Linked) -> None:
        """Note a name of a file with several."""
        if self._hard_links:
            self.plan.linked.append(linked)

    def add_stray(self, entry: Entry) -> None:
        """Have a temporary file of a killed run removed."""
        self.plan.add(Operation(Phase.SWEEP, Change(ChangeKind.DELETED, entry, None), counted=False))

    def add_failure(self, failure: Failure) -> None:
        """Note a path that is given up."""
        self.plan.failures.append(failure)

    def finish(self) -> Plan:
        """Take back the steps that would remove what stays, and give the complete plan."""
        for path, change in self._tentative.items():
            if change.kind is ChangeKind.DELETED:
                self.add_kept(path)
        self.plan.holding_kept = self._holding_kept
        for path in self._deleted_directories.keys() & self._holding_kept:
            self.plan.block(self._deleted_directories[path])
        for path in self._replaced.keys() & self._holding_kept:
            self.plan.block(self._replaced[path])
            self.add_failure(Failure(path, "a directory at the destination holds what must stay there"))
        return self.plan


def _metadata_phase(entry: Entry) -> Phase:
    return Phase.FINISH_DIRECTORIES if entry.is_directory else Phase.COPY
