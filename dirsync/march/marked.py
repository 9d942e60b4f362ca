"""A march through some directories alone, which are marked as having changed."""

from __future__ import annotations

from dirsync.filters import Scope
from dirsync.march.found import Context, Directory, Sides
from dirsync.march.way_down import WayDown, beneath
from dirsync.model.change import Aspect, Change, ChangeKind
from dirsync.model.marks import Marks, Reach
from dirsync.trees.local import LocalTree
from dirsync.trees.source import SourceTree


def marked_directories(
    context: Context, root: Scope, marks: Marks, *, source: SourceTree, destination: LocalTree
) -> list[Directory]:
    """Give the directories where a march has to begin to see what is marked; none holds another's subtree.

    Where one side does not have a marked directory, the nearest above that both have takes
    its place: what one side alone has is marched whole from there. Where nothing that is
    marked is part of the job, it is the root.

    Raises:
        OSError: one of the roots is gone.
    """
    way = WayDown(
        root,
        source=source,
        source_device=context.source_device,
        destination=destination,
        is_mounted=context.is_mounted,
    )
    begins: dict[bytes, Directory] = {}
    found_of = {path: way.find(path) for path in marks.directories}
    if not any(found_of.values()):
        found_of = {b"": way.find(b"")}
    for path, found in found_of.items():
        if found is None:
            continue
        reach = marks.directories.get(path, Reach.ITSELF)
        where, standing = found
        known = begins.get(where)
        if where != path or (known is not None and known.reach is Reach.SUBTREE):
            reach = Reach.ITSELF if known is None else known.reach
        change = own_change(context, where, source=source, destination=destination)
        begins[where] = Directory(where, Sides.BOTH, standing.scope, change, standing.may_delete, None, reach)
    return _outermost(begins)


def _outermost(begins: dict[bytes, Directory]) -> list[Directory]:
    """Leave out what the march of another comes to anyway."""
    left: list[Directory] = []
    whole: bytes | None = None  # the last directory that is marched whole
    for path in sorted(begins, key=lambda path: path.replace(b"/", b"\0")):
        if whole is not None and beneath(path, whole):
            continue
        if begins[path].reach is Reach.SUBTREE:
            whole = path
        left.append(begins[path])
    return left


def own_change(context: Context, path: bytes, *, source: SourceTree, destination: LocalTree) -> Change | None:
    """Say in what a directory itself differs, what is in it left out; None: in nothing.

    Raises:
        OSError: it is gone from a side.
    """
    new, old = source.directory(path), destination.directory(path)
    aspects = context.rules.aspects(new, old)
    compared = context.rules.attributes
    if not aspects and compared:
        one = source.directory_bearer(path).attributes(compared)
        other = destination.directory_bearer(path).attributes(compared)
        aspects = frozenset({Aspect.XATTRS}) if one != other else frozenset()
    return Change(ChangeKind.METADATA, old, new, aspects) if aspects else None
