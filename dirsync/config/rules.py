"""What must hold between the keys of one job."""

from __future__ import annotations

from dirsync.config.inheritance import BUILT_IN
from dirsync.config.keys import HooksKeys, JobKeys, ReportKeys, ScheduleKeys, SecretKeys
from dirsync.config.nodes import ListNode, MappingNode, Origin, ScalarNode, is_null, locate, mapping_of
from dirsync.config.problems import Problems, listed, quoted
from dirsync.model.job import Compare, JobType, Preserve, SymlinkPolicy

_WAYS = ("every", "at", "cron")
_LONGEST_NAME_BYTES = 200


def check_name(key: ScalarNode, path: str, problems: Problems) -> None:
    """Check that a name of a job or a profile can name files."""
    fault = _fault_of_name(key.text)
    if fault:
        problems.add(key.origin, path, f"the name {fault}; choose one as 'photos-2026'")


def _fault_of_name(name: str) -> str | None:
    if not name.strip() or name != name.strip():
        return "is empty, or begins or ends with a space"
    if name[0] in ".-":
        return f"begins with {quoted(name[0])}"
    if "/" in name:
        return "holds '/'"
    if not name.isprintable():
        return "holds a control character"
    if len(name.encode()) > _LONGEST_NAME_BYTES:
        return f"is longer than {_LONGEST_NAME_BYTES} bytes"
    return None


def check_contradictions(node: MappingNode, problems: Problems, *, path: str) -> None:
    """Check that a job, a profile or the defaults do not say one thing in two ways."""
    if node.get("interval") and node.get("schedule"):
        _note(node, ("schedule",), "stands together with 'interval'; remove one of the two", problems, path)
    report = mapping_of(node.get("report"))
    for steps, holder in ((("schedule",), node), (("report", "schedule"), report)):
        schedule = mapping_of(holder.get("schedule")) if holder else None
        ways = [way for way in _WAYS if schedule and schedule.get(way)]
        if len(ways) > 1:
            _note(node, steps, f"has {' and '.join(ways)}; keep one of them", problems, path)
        if ways == ["cron"] and schedule and schedule.get("on"):
            text = "goes with every or at; name the days in the cron line"
            _note(node, (*steps, "on"), text, problems, path)


def check_job(
    keys: JobKeys, node: MappingNode, problems: Problems, *, path: str, origin: Origin, complete: bool
) -> None:
    """Check what holds for a job as a whole; `complete` is False where something inherited is unknown."""
    for key in ("source",) if keys.type is JobType.TRACK else ("source", "destination"):
        if key in node.entries and node.get(key) is None:
            _note(node, (key,), "has no value; write a path, and '~' in quotes", problems, path)
        elif complete and node.get(key) is None:
            problems.add(origin, path, f"'{key}' is missing; write '{key}: /a/path'")
    _check_schedule(keys.schedule, node, ("schedule",), problems, path)
    check_report(keys.report, node, problems, path=path)
    _check_notify(keys, node, problems, path)
    _check_hooks(keys.hooks, node, problems, path)
    if keys.watch and keys.symlinks is SymlinkPolicy.FOLLOW:
        text = "sees nothing of what happens where links lead; drop it, or 'symlinks: follow'"
        _note(node, ("watch",), text, problems, path)
    if keys.type is JobType.TRACK:
        _check_track(keys, node, problems, path)
    elif keys.type is not JobType.CHECK:
        _check_kept(keys, node, problems, path)
        _check_attributes(keys, node, problems, path)
        _check_links(keys, node, problems, path)


OF_MIRRORS = (
    *("destination", "preserve", "delete", "delete_excluded", "versions", "durability", "verify", "retries"),
)
OF_TRACKS = ("fingerprint", "rules", "keep")
_GUARDS_OF_MIRRORS = ("max_delete", "max_change", "min_free")


def check_own_keys(own: MappingNode, effective: MappingNode, problems: Problems, *, path: str) -> None:
    """Check that a job says nothing itself that its type has no use for; it may inherit it."""
    type_ = effective.get("type")
    tracks = isinstance(type_, ScalarNode) and type_.text == JobType.TRACK.value
    for key in OF_MIRRORS if tracks else OF_TRACKS:
        for name in (key, f"{key}+"):
            if name in own.entries and not is_null(own.entries[name].value):
                kind = JobType.TRACK.value if tracks else "sync or check"
                problems.add(
                    own.entries[name].key.origin, f"{path}.{name}", f"is nothing a {kind} job has; remove it"
                )
    if tracks:
        _check_own_guard(mapping_of(own.get("guard")), problems, path=f"{path}.guard")


def _check_own_guard(guard: MappingNode | None, problems: Problems, *, path: str) -> None:
    """Check that a track job asks for no guard of changes, of which it makes none."""
    for key in _GUARDS_OF_MIRRORS:
        value = None if guard is None else guard.get(key)
        if isinstance(value, ScalarNode) and not is_null(value) and value.text != "off":
            text = "guards changes, and a track job makes none; remove it"
            problems.add(value.origin, f"{path}.{key}", text)


def _check_track(keys: JobKeys, node: MappingNode, problems: Problems, path: str) -> None:
    for position, rule in enumerate(keys.rules or ()):
        if rule.pattern is None or rule.attributes is None:
            missing = "path" if rule.pattern is None else "attributes"
            text = f"'{missing}' is missing; write {{path: \"*.log\", attributes: [mode, growing]}}"
            _note(node, ("rules", position), text, problems, path)
    if keys.compare and keys.compare.by and Compare.XATTRS in keys.compare.by:
        text = "xattrs are not recorded by a track job; take it out"
        _note(node, ("compare",), text, problems, path)
    if keys.symlinks is SymlinkPolicy.FOLLOW:
        text = "a track job records links as links; write 'symlinks: preserve', or track the other place"
        _note(node, ("symlinks",), text, problems, path)


def _check_schedule(
    keys: ScheduleKeys | None, node: MappingNode, steps: tuple[str, ...], problems: Problems, path: str
) -> None:
    if keys is None:
        return
    if not (keys.every_seconds or keys.at or keys.cron):
        _note(node, steps, f"says not when; write one of {listed(_WAYS)}", problems, path)
    if keys.on is not None and not keys.on:
        _note(node, (*steps, "on"), "names no day; name one, or remove it", problems, path)


def _check_notify(keys: JobKeys, node: MappingNode, problems: Problems, path: str) -> None:
    for position, notify in enumerate(keys.notify or ()):
        if notify.to is None:
            text = "'to' is missing; write {to: NAME}, the name of a notifier"
            _note(node, ("notify", position), text, problems, path)
        if notify.on is not None and not notify.on:
            text = "names nothing; name something, or remove it"
            _note(node, ("notify", position, "on"), text, problems, path)


def check_report(report: ReportKeys | None, node: MappingNode, problems: Problems, *, path: str) -> None:
    """Check that a report says when it is made, and for whom; `node` holds it."""
    said = mapping_of(node.get("report"))
    if report is None or said is None:
        return
    for key, example in (("schedule", '{at: "07:00"}'), ("to", '"reports/{job}.html"')):
        if said.get(key) is None or is_null(said.entries[key].value):
            _note(node, ("report",), f"'{key}' is missing; write '{key}: {example}'", problems, path)
    if report.to == ():
        _note(node, ("report", "to"), "names nobody; write a file, or a notifier's name", problems, path)
    _check_schedule(report.schedule, node, ("report", "schedule"), problems, path)


def _check_hooks(keys: HooksKeys | None, node: MappingNode, problems: Problems, path: str) -> None:
    """Check that each command names a program."""
    written = keys.written if keys is not None else {}
    for attribute in ("before", "after", "on_error", "finally_"):
        for position, command in enumerate(written.get(attribute, ())):
            if not command or not command[0]:
                steps = ("hooks", attribute.removesuffix("_"), position)
                _note(node, steps, "names no program; write one, as [systemctl, stop, db]", problems, path)


def _check_kept(keys: JobKeys, node: MappingNode, problems: Problems, path: str) -> None:
    """Check that what is compared is carried over too, else each run would find the same differences."""
    if keys.compare is None or keys.compare.by is None or keys.preserve is None:
        return
    for aspect in (Compare.MTIME, Compare.MODE, Compare.OWNERSHIP):
        name = aspect.value
        if aspect not in keys.compare.by or Preserve(name) in keys.preserve:
            continue
        if aspect is Compare.MTIME:
            if Compare.HASH not in keys.compare.by:
                text = "leaves out mtime, which is compared: each run would copy everything again; "
                fix = "add mtime, or compare [size, hash]"
                _note(node, ("preserve",), text + fix, problems, path)
        elif _declared(node, name):
            text = f"leaves out {name}, which is compared: each run would find it different; "
            _note(node, ("preserve",), f"{text}add {name} here, or take it out of 'compare'", problems, path)


def _check_attributes(keys: JobKeys, node: MappingNode, problems: Problems, path: str) -> None:
    """Check that attributes that are compared are carried over, and ACLs with the mode they hold."""
    if keys.preserve is None:
        return
    by = keys.compare.by if keys.compare is not None else None
    if by and Compare.XATTRS in by and not keys.preserve & {Preserve.XATTRS, Preserve.ACLS}:
        text = "leaves out xattrs, which is compared: each run would find it different; "
        _note(node, ("preserve",), f"{text}add xattrs here, or take it out of 'compare'", problems, path)
    if Preserve.ACLS in keys.preserve and Preserve.MODE not in keys.preserve:
        text = "has acls without mode, and an ACL sets the mode as well; add mode, or take acls out"
        _note(node, ("preserve",), text, problems, path)


def _declared(node: MappingNode, aspect: str) -> bool:
    """Whether an attribute is compared because the user says so."""
    compare = mapping_of(node.get("compare"))
    by = compare.get("by") if compare else None
    items = by.items if isinstance(by, ListNode) else ()
    return any(
        isinstance(item, ScalarNode) and item.text == aspect and item.origin != BUILT_IN for item in items
    )


def _check_links(keys: JobKeys, node: MappingNode, problems: Problems, path: str) -> None:
    kept = keys.preserve is None or Preserve.SYMLINKS in keys.preserve
    if keys.symlinks is SymlinkPolicy.PRESERVE and not kept:
        text = (
            "is preserve, but 'preserve' leaves out symlinks; write 'symlinks: skip', or add symlinks there"
        )
        _note(node, ("symlinks",), text, problems, path)


def check_secret(keys: SecretKeys, origin: Origin, path: str, problems: Problems) -> None:
    """Check that a secret is kept in one place."""
    if (keys.environment is None) == (keys.file is None):
        problems.add(origin, path, "is kept in one place; write either 'environment: NAME' or 'file: PATH'")


def _note(node: MappingNode, steps: tuple[str | int, ...], text: str, problems: Problems, path: str) -> None:
    spot = locate(node, steps, path=path, origin=node.origin)
    problems.add(spot.origin, spot.path, text)
