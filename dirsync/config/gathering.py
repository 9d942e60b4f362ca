"""The jobs, profiles and defaults of all documents, each checked where it stands."""

from __future__ import annotations

from msgspec import Struct, field

from dirsync.config.catalogs import address_at_length
from dirsync.config.inheritance import EMPTY, Fragment, laid_over
from dirsync.config.keys import FileKeys, IncludedKeys
from dirsync.config.nodes import Entry, MappingNode, ScalarNode, is_null, joined, mapping_of
from dirsync.config.problems import Problems
from dirsync.config.rules import check_contradictions, check_name
from dirsync.config.sources import Sources
from dirsync.config.validation import checked


class Declarations(Struct):
    """What the documents declare."""

    keys: FileKeys  # the main file's own, as far as they are right
    defaults: MappingNode = EMPTY
    fragments: dict[str, Fragment] = field(default_factory=dict)  # jobs and profiles
    jobs: list[str] = field(default_factory=list)  # in the order of the documents


def gathered(sources: Sources, problems: Problems) -> Declarations:
    """Check each document and gather what it declares; a name stands for one thing."""
    declarations = Declarations(checked(FileKeys, _at_length(sources.main), problems))
    declarations.defaults = mapping_of(sources.main.get("defaults")) or EMPTY
    _check_defaults(declarations.defaults, problems)
    for document in sources.included:
        checked(IncludedKeys, _at_length(document), problems)
    for document in sources.documents():
        _gather(document, declarations, problems)
    return declarations


def _check_defaults(defaults: MappingNode, problems: Problems) -> None:
    _check_fragment(defaults, "defaults", problems)
    if "extends" in defaults.entries:
        text = "not allowed here; write it in each job or profile"
        problems.add(defaults.entries["extends"].key.origin, "defaults.extends", text)


def _at_length(document: MappingNode) -> MappingNode:
    """Write the short forms and appends of every fragment at length, inheriting nothing."""
    entries = dict(document.entries)
    for name in ("profiles", "jobs"):
        fragments = mapping_of(document.get(name))
        if fragments:
            spelled_out = {key: _spelled_out(entry) for key, entry in fragments.entries.items()}
            entries[name] = Entry(entries[name].key, MappingNode(spelled_out, fragments.origin))
    catalog = entries.get("catalog")
    if catalog is not None and isinstance(catalog.value, ScalarNode) and not is_null(catalog.value):
        entries["catalog"] = Entry(catalog.key, address_at_length(catalog.value))
    report = entries.get("report")
    if report is not None and isinstance(report.value, MappingNode):
        entries["report"] = Entry(report.key, laid_over(EMPTY, report.value, section="report"))
    if "defaults" in entries:
        entries["defaults"] = _spelled_out(entries["defaults"])
    return MappingNode(entries, document.origin)


def _spelled_out(entry: Entry) -> Entry:
    fragment = _own(entry)
    return entry if fragment is None else Entry(entry.key, laid_over(EMPTY, fragment))


def _gather(document: MappingNode, declarations: Declarations, problems: Problems) -> None:
    for section in ("profiles", "jobs"):
        fragments = mapping_of(document.get(section)) or EMPTY
        for name, entry in fragments.entries.items():
            own = _own(entry)
            if name.startswith("x-") or own is None:
                continue
            fragment = Fragment(entry, joined(section, name), own)
            if _is_new(fragment, declarations, problems):
                declarations.fragments[name] = fragment
                declarations.jobs += [name] if section == "jobs" else []
            check_name(entry.key, fragment.path, problems)
            _check_fragment(own, fragment.path, problems)


def _own(entry: Entry) -> MappingNode | None:
    """Give what a fragment says; nothing written is a mapping without keys."""
    return MappingNode({}, entry.key.origin) if is_null(entry.value) else mapping_of(entry.value)


def _is_new(fragment: Fragment, declarations: Declarations, problems: Problems) -> bool:
    first = declarations.fragments.get(fragment.entry.key.text)
    if first is not None:
        text = f"the name is taken by {first.path} at {first.entry.key.origin}; choose another"
        problems.add(fragment.entry.key.origin, fragment.path, text)
    return first is None


def _check_fragment(own: MappingNode, path: str, problems: Problems) -> None:
    check_contradictions(laid_over(EMPTY, own), problems, path=path)
