"""One directory of a march: list both sides, compare, and bring back what differs.

Equal directories cost two listings and a few memory compares. Filters are asked
late: about subdirectories before they are entered, and about entries that differ.

What could not be listed is unknown: nothing beneath it becomes a change.
"""

from __future__ import annotations

from dirsync.compare.rules import CONTENT, kind_of_change
from dirsync.errors import PathError
from dirsync.filters import Scope, Verdict, scope_of
from dirsync.march.closer_look import CloserLook
from dirsync.march.found import Context, Directory, Found, Sides, Touched
from dirsync.march.links import linked_alike
from dirsync.march.sight import Sight
from dirsync.model.change import Aspect, Change, ChangeKind, Failure
from dirsync.model.content import Stamp
from dirsync.model.entry import Entry, Kind
from dirsync.model.links import has_links, linked_of
from dirsync.model.listing import Listing, other_runs
from dirsync.model.marks import Reach
from dirsync.model.new_files import NewFiles
from dirsync.model.place import RESERVED
from dirsync.trees.fsops import TEMPORARY_MARK, is_temporary
from dirsync.trees.handles import join, split
from dirsync.trees.source import SourceTree

_EVERYTHING = scope_of(include=(), exclude=())


class Step:
    """The march of one directory; `run` fills `found`."""

    def __init__(
        self,
        context: Context,
        directory: Directory,
        *,
        sight: Sight,
        source: SourceTree,
        destination: SourceTree,
        closer_look: CloserLook,
        found: Found,
    ) -> None:
        self.context = context
        self.rules = context.rules
        self.directory = directory
        self.sight = sight
        self.source = source
        self.destination = destination
        self.closer_look = closer_look
        self.found = found
        self.content_changed = False  # a child came, went or changed its content
        self.maybe_changed = False  # the same, if an unselected subdirectory turns out to be wanted

    def run(self) -> None:
        """March the directory: every fact about its children, and its own."""
        try:
            new, old = self.sight.listings()
            equal = self._needs_no_closer_look(new, old)
            if not equal:
                new, old = self.sight.settled(new, old)
        except PathError as error:
            self._fail(error.path, error.reason)
            return
        self.found.scanned += self.sight.entries
        self.found.destination_entries += self.sight.destination_entries
        changes_before = len(self.found.changes)
        if self._is_plainly_new(new):
            self._take_all(new)
        elif equal:
            self._enter_equal(new)
            if self.context.hard_links:
                path = self.directory.path
                self.found.linked += linked_alike(new, old, parent=path, excludes=self._excludes_file)
        else:
            self._compare_entries(new, old)
        self._conclude_own_change(at=changes_before)

    @property
    def scope(self) -> Scope:
        """The filter rules that hold for the directory's children."""
        return self.sight.scope

    # Directories that are equal

    def _needs_no_closer_look(self, new: Listing, old: Listing) -> bool:
        return (
            self.rules.same_columns(new, old)
            and not self.rules.beyond_columns
            and self.context.confirming is None
            and not self.context.lists_equal
            and TEMPORARY_MARK not in old.names
            and not (self.context.delete_excluded and (not self.scope.trivial or self.context.skip_symlinks))
        )

    def _enter_equal(self, new: Listing) -> None:
        names = new.directories()
        if not names or self.directory.reach is Reach.ITSELF:
            return
        if self.context.source_device is None:
            for name in names:
                if self._verdict(name, is_directory=True) is not Verdict.EXCLUDED:
                    self._enter(name, Sides.BOTH)
            return
        for entry in new.entries(self.directory.path):
            name = split(entry.path)[1]
            if entry.is_directory and self._verdict(name, is_directory=True) is not Verdict.EXCLUDED:
                self._enter_unless_foreign(name, Sides.BOTH, new=entry)

    def _excludes_file(self, name: bytes) -> bool:
        return self._verdict(name, is_directory=False) is Verdict.EXCLUDED

    def _verdict(self, name: bytes, *, is_directory: bool) -> Verdict:
        if not self.directory.path and name == RESERVED:
            return Verdict.EXCLUDED
        if self.scope.trivial:
            return Verdict.SELECTED
        return self.scope.verdict(name, is_directory=is_directory)

    def _verdict_of(self, name: bytes, entry: Entry) -> Verdict:
        if is_temporary(name) or self._is_skipped_symlink(entry):
            return Verdict.EXCLUDED
        return self._verdict(name, is_directory=entry.is_directory)

    def _is_skipped_symlink(self, entry: Entry) -> bool:
        return self.context.skip_symlinks and entry.kind is Kind.SYMLINK

    # Directories that only the source has

    def _is_plainly_new(self, new: Listing) -> bool:
        """Whether only the source has the directory, and nothing in it has to be judged name by name."""
        return (
            self.directory.sides is Sides.SOURCE
            and self.scope.trivial
            and bool(self.directory.path)
            and not new.unknown
            and not self.context.skip_symlinks
            and TEMPORARY_MARK not in new.names
        )

    def _take_all(self, new: Listing) -> None:
        """Find every entry to be new."""
        path = self.directory.path
        files = new.plain_files()
        if files:
            self.found.new_files.append(NewFiles(path, new.rows(files)))
        others = other_runs(files, count=new.entry_count)
        if others:
            for entry in new.rows(others, targets=new.targets).entries(path):
                self._compare_name(split(entry.path)[1], entry, None)

    # Directories that differ

    def _compare_entries(self, new: Listing, old: Listing) -> None:
        path = self.directory.path
        new_entries = dict(zip(new.name_list(), new.entries(path), strict=True))
        old_entries = dict(zip(old.name_list(), old.entries(path), strict=True))
        for name, reason in {**dict(old.unknown), **dict(new.unknown)}.items():
            self._leave_alone(name, reason)
            new_entries.pop(name, None)
            old_entries.pop(name, None)
        if self.context.taken:
            for name in [n for n in old_entries if self._destination_path(n) in self.context.taken]:
                del old_entries[name]
                self.content_changed = True
        self.sight.foresee_missing(sorted(old_entries.keys() - new_entries.keys()))
        for name in sorted(new_entries.keys() | old_entries.keys()):
            self._compare_name(name, new_entries.get(name), old_entries.get(name))

    def _leave_alone(self, name: bytes, reason: str) -> None:
        """Report a name that could not be seen on one side, unless it is excluded."""
        if not self._excludes_file(name):
            self._fail(join(self.directory.path, name), reason)

    def _compare_name(self, name: bytes, new: Entry | None, old: Entry | None) -> None:
        if new is None:
            try:
                new = self.sight.seen_after_all(name)
            except PathError as error:
                self._fail(error.path, error.reason)
                return
        if old is not None and is_temporary(name):
            self.found.strays.append(old)
            self.content_changed = True  # removing it moves the directory's mtime
            old = None
        if new is not None and self._verdict_of(name, new) is Verdict.EXCLUDED:
            if old is not None and (old.kind is new.kind or self._is_skipped_symlink(new)):
                self._keep_or_delete_excluded(name, old)
                return
            new = None
        if new is not None and new.kind is Kind.SPECIAL:
            self.found.specials.append(new.path)
            if old is not None:
                self.found.kept.append(old.path)
            return
        if new is None:
            if old is not None:
                self._only_at_destination(name, old)
        elif old is None:
            self._only_at_source(name, new)
        else:
            self._on_both_sides(name, new, old)

    def _only_at_source(self, name: bytes, new: Entry) -> None:
        selected = self._verdict_of(name, new) is Verdict.SELECTED
        self._change(Change(ChangeKind.CREATED, None, new, selected=selected))
        if new.is_directory:
            self._enter_unless_foreign(name, Sides.SOURCE, new=new)

    def _on_both_sides(self, name: bytes, new: Entry, old: Entry) -> None:
        aspects = self.rules.aspects(new, old)
        if Aspect.KIND in aspects:
            self._kind_changed(name, new, old)
        elif new.is_directory:
            self._enter_both(name, new, old, aspects)
        else:
            self._compare_content(new, old, aspects)

    def _kind_changed(self, name: bytes, new: Entry, old: Entry) -> None:
        excluded = self._verdict(name, is_directory=old.is_directory) is Verdict.EXCLUDED
        if excluded and not self.context.delete_excluded:
            self._fail(new.path, f"an excluded {old.kind.value} at the destination is in its way")
            return
        if old.is_directory and self.context.is_mounted(old):
            self._fail(new.path, "another file system is mounted there at the destination")
            return
        selected = self._verdict_of(name, new) is Verdict.SELECTED
        self._change(Change(ChangeKind.MODIFIED, old, new, frozenset({Aspect.KIND}), selected))
        if old.is_directory:
            self._enter(name, Sides.DESTINATION)
        if new.is_directory:
            self._enter_unless_foreign(name, Sides.SOURCE, new=new)

    def _compare_content(self, new: Entry, old: Entry, aspects: frozenset[Aspect]) -> None:
        there = self._destination_path(split(new.path)[1])
        algorithm = self.context.algorithm_for(new, aspects, there)
        try:
            if algorithm is not None:
                aspects = self.closer_look.with_hash(new, old, aspects, algorithm, there)
            aspects = self.closer_look.with_attributes(new.path, there, aspects)
        except PathError as error:
            self._fail(error.path, error.reason)
            return
        if self.context.lists_equal and new.kind is Kind.FILE and not aspects & CONTENT:
            self.found.equal.append(Stamp.of(new))
        if not aspects:
            self._note_links(new, old)
            return
        kind = kind_of_change(aspects, content_is_known=self._content_is_known(new, aspects))
        self._change(Change(kind, old, new, aspects))

    def _destination_path(self, name: bytes) -> bytes:
        """Give where a child is at the destination by now."""
        return join(self.directory.destination_path or self.directory.path, name)

    def _content_is_known(self, new: Entry, aspects: frozenset[Aspect]) -> bool:
        """Whether the content is known to be equal, so that an mtime is mere metadata."""
        if new.kind is Kind.SYMLINK:
            return True
        return self.rules.hash is not None and not aspects & {Aspect.SIZE, Aspect.HASH}

    # What only the destination has

    def _only_at_destination(self, name: bytes, old: Entry) -> None:
        verdict = self._verdict_of(name, old)
        if verdict is Verdict.EXCLUDED:
            self._keep_or_delete_excluded(name, old)
        else:
            self._delete(name, old, scope=None, selected=verdict is Verdict.SELECTED)

    def _keep_or_delete_excluded(self, name: bytes, old: Entry) -> None:
        reserved = not self.directory.path and name == RESERVED
        if self.context.delete_excluded and not reserved:
            self._delete(name, old, scope=_EVERYTHING, selected=True)
        else:
            self.found.kept.append(old.path)

    def _delete(self, name: bytes, old: Entry, *, scope: Scope | None, selected: bool) -> None:
        mounted = old.is_directory and self.context.is_mounted(old)
        if mounted:
            self.found.mounts_kept.append(old.path)
        if mounted or not self.directory.may_delete or old.path in self.context.protected:
            self.found.kept.append(old.path)
            return
        self._change(Change(ChangeKind.DELETED, old, None, selected=selected))
        if old.is_directory:
            self._enter(name, Sides.DESTINATION, scope=scope)

    # Subdirectories

    def _enter_both(self, name: bytes, new: Entry, old: Entry, aspects: frozenset[Aspect]) -> None:
        try:
            aspects = self.closer_look.with_attributes(new.path, self._destination_path(name), aspects)
        except PathError as error:
            self._fail(error.path, error.reason)
        own = Change(ChangeKind.METADATA, old, new, aspects) if aspects else None
        self._enter_unless_foreign(name, Sides.BOTH, new=new, old=old, change=own)

    def _enter_unless_foreign(
        self, name: bytes, sides: Sides, *, new: Entry, old: Entry | None = None, change: Change | None = None
    ) -> None:
        """Enter a subdirectory of the source, or stay on this file system."""
        if self.context.source_device in (None, new.dev):
            self._enter(name, sides, change=change, mounted=old is not None and self.context.is_mounted(old))
        elif change is not None:
            self.found.changes.append(change)

    def _enter(
        self,
        name: bytes,
        sides: Sides,
        *,
        scope: Scope | None = None,
        change: Change | None = None,
        mounted: bool = False,
    ) -> None:
        path = join(self.directory.path, name)
        if sides is Sides.BOTH and not self._goes_on_to(path, change):
            return
        may_delete = self.directory.may_delete and not mounted
        if sides is Sides.BOTH and path in self.context.destination_mounts:
            may_delete = False
        scope = scope or (
            self.scope if self.scope.trivial and not self.scope.ignore_files else self.scope.enter(name)
        )
        there = None if self.directory.destination_path is None else self._destination_path(name)
        reach = self.directory.reach if sides is Sides.BOTH else Reach.SUBTREE
        self.found.subdirectories.append(Directory(path, sides, scope, change, may_delete, there, reach))

    def _goes_on_to(self, path: bytes, change: Change | None) -> bool:
        """Whether the march goes on to a subdirectory that both sides have."""
        if path in self.context.marched_apart:
            return False
        return self.directory.reach is Reach.SUBTREE or change is not None

    # The directory itself

    def _change(self, change: Change) -> None:
        self.found.changes.append(change)
        self._note_links(change.new, change.old, change.kind)
        if change.is_in_place:
            return
        if change.selected:
            self.content_changed = True
        else:
            self.maybe_changed = True

    def _note_links(self, new: Entry | None, old: Entry | None, kind: ChangeKind | None = None) -> None:
        if self.context.hard_links and new is not None and has_links(new, old):
            self.found.linked.append(linked_of(new, old, change=kind))

    def _conclude_own_change(self, *, at: int) -> None:
        """Report the directory's own difference, and say when its metadata must be set again.

        `at` is its place among the changes: before what the directory holds.

        An mtime alone is no news where something in the directory explains it.
        """
        own = self.directory.change
        if self.directory.sides is not Sides.BOTH:
            return
        explained = self.content_changed and own is not None and own.aspects <= {Aspect.MTIME}
        if own is not None and not explained:
            self.found.changes.insert(at, own)
        elif self.content_changed or self.maybe_changed:
            self._touch()

    def _touch(self) -> None:
        own, path = self.directory.change, self.directory.path
        try:
            new = own.new if own and own.new else self.source.directory(path)
            there = self.directory.destination_path or path
            old = own.old if own and own.old else self.destination.directory(there)._replace(path=path)
        except OSError as error:
            self._fail(path, f"vanished while it was compared: {error.strerror}")
            return
        self.found.touched.append(Touched(new, old, self.content_changed))

    def _fail(self, path: bytes, reason: str) -> None:
        self.found.failures.append(Failure(path, reason))
        self.found.kept.append(path)
