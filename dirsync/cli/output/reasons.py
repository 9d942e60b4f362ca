"""One change as one line: what happens to which path, and why.

    create    photos/a.jpg  (3.4 MB)
    create    photos/b.jpg  (= photos/a.jpg)
    update    b.txt  (size 10→12, mtime +3 s)
    metadata  c  (mode 644→600)
    replace   d  (file → directory)
    delete    e/f

A check job changes nothing, so it says `missing` (only the source has it), `extra`
(only the destination has it) and `differs`. A track job tells what was done by others:
`created`, `modified`, `moved`, `deleted`, `replaced`. Of two states of a tree, an entry is
`added`, `removed` or `modified`.
"""

from __future__ import annotations

from collections.abc import Callable

from dirsync.cli.output.units import human_bytes, human_difference_ns
from dirsync.model.change import Aspect, Change, ChangeKind
from dirsync.model.entry import Entry, Kind
from dirsync.model.job import JobType
from dirsync.model.names import shown

_VERB_WIDTH = 8
_EXACT_BELOW = 10_000  # bytes; larger sizes are rounded where they still differ

_VERBS = {
    ChangeKind.CREATED: "create",
    ChangeKind.MODIFIED: "update",
    ChangeKind.METADATA: "metadata",
    ChangeKind.MOVED: "move",
    ChangeKind.DELETED: "delete",
}
_CHECK_VERBS = {
    ChangeKind.CREATED: "missing",
    ChangeKind.MODIFIED: "differs",
    ChangeKind.METADATA: "differs",
    ChangeKind.MOVED: "moved",
    ChangeKind.DELETED: "extra",
}

_STATE_VERBS = {
    ChangeKind.CREATED: "added",
    ChangeKind.MODIFIED: "modified",
    ChangeKind.METADATA: "modified",
    ChangeKind.MOVED: "moved",
    ChangeKind.DELETED: "removed",
}


_TRACK_VERBS = {
    ChangeKind.CREATED: "created",
    ChangeKind.MODIFIED: "modified",
    ChangeKind.METADATA: "metadata",
    ChangeKind.MOVED: "moved",
    ChangeKind.DELETED: "deleted",
}


def change_line(change: Change, *, job_type: JobType) -> str:
    """Write one change on one line."""
    return _line(_verb(change, job_type), change)


def state_change_line(change: Change) -> str:
    """Write one change from a state of a tree to a later one on one line."""
    return _line(_STATE_VERBS[change.kind], change)


def _line(verb: str, change: Change) -> str:
    verb = f"{verb}  ".ljust(_VERB_WIDTH + 2)
    reasons = ", ".join(_reasons(change))
    return f"{verb}{_name(change)}" + (f"  ({reasons})" if reasons else "")


def _verb(change: Change, job_type: JobType) -> str:
    if job_type is JobType.CHECK:
        return _CHECK_VERBS[change.kind]
    if job_type is JobType.TRACK:
        return "replaced" if Aspect.KIND in change.aspects else _TRACK_VERBS[change.kind]
    if Aspect.KIND in change.aspects:
        return "replace"
    return _VERBS[change.kind]


def change_words(change: Change, *, job_type: JobType) -> tuple[str, str, str]:
    """Give verb, name and reasons of one change, where each has a column of its own."""
    return _verb(change, job_type), _name(change), ", ".join(_reasons(change))


def _name(change: Change) -> str:
    name = _entry_name(change.entry)
    if change.kind is ChangeKind.MOVED and change.old is not None:
        return f"{_entry_name(change.old)} → {name}"
    return name


def _entry_name(entry: Entry) -> str:
    return shown(entry.path) + ("/" if entry.is_directory else "")


def _reasons(change: Change) -> list[str]:
    if change.old is None:
        if change.leader is not None:
            return [f"= {shown(change.leader.path)}"]
        return [] if change.new is None else _what_is_new(change.new)
    if change.new is None:
        return []
    if Aspect.KIND in change.aspects:
        return [_kind_difference(change.old, change.new)]
    return [_DIFFERENCES[aspect](change.old, change.new) for aspect in Aspect if aspect in change.aspects]


def _what_is_new(entry: Entry) -> list[str]:
    if entry.kind is Kind.FILE:
        return [human_bytes(entry.size)]
    if entry.target is not None:
        return [f"→ {shown(entry.target)}"]
    return []


def _kind_difference(old: Entry, new: Entry) -> str:
    return f"{old.kind.value} → {new.kind.value}"


def _size_difference(old: Entry, new: Entry) -> str:
    rounded = human_bytes(old.size), human_bytes(new.size)
    if max(old.size, new.size) < _EXACT_BELOW or rounded[0] == rounded[1]:
        return f"size {old.size}→{new.size}"
    return f"size {rounded[0]}→{rounded[1]}"


def _mtime_difference(old: Entry, new: Entry) -> str:
    return f"mtime {human_difference_ns(new.mtime_ns - old.mtime_ns)}"


def _mode_difference(old: Entry, new: Entry) -> str:
    return f"mode {old.permissions:03o}→{new.permissions:03o}"


def _owner_difference(old: Entry, new: Entry) -> str:
    return f"owner {old.uid}:{old.gid}→{new.uid}:{new.gid}"


def _target_difference(old: Entry, new: Entry) -> str:
    return f"target {_target(old)}→{_target(new)}"


def _target(entry: Entry) -> str:
    return "?" if entry.target is None else shown(entry.target)


def _content_difference(_old: Entry, _new: Entry) -> str:
    return "content"


def _attributes_difference(_old: Entry, _new: Entry) -> str:
    return "xattrs"


def _links_difference(_old: Entry, _new: Entry) -> str:
    return "links"


_DIFFERENCES: dict[Aspect, Callable[[Entry, Entry], str]] = {
    Aspect.KIND: _kind_difference,
    Aspect.SIZE: _size_difference,
    Aspect.MTIME: _mtime_difference,
    Aspect.MODE: _mode_difference,
    Aspect.OWNERSHIP: _owner_difference,
    Aspect.TARGET: _target_difference,
    Aspect.HASH: _content_difference,
    Aspect.XATTRS: _attributes_difference,
    Aspect.LINKS: _links_difference,
}
