"""The JSON Schema of jobs.yaml, for editors; `jobs.schema.json` is a copy of it.

The keys give its bones; what YAML allows besides is laid over them: `x-…` in every
mapping, `key+` beside every list, a null for what is inherited, and `${VAR}` where a
number, a truth value or a word of a fixed form is wanted.
"""

from __future__ import annotations

import json
from typing import Any

from dirsync.config.keys import APPENDABLE, CompareKeys, FileKeys, JobKeys, ScheduleKeys
from dirsync.config.notify_fields import NOTHING
from dirsync.config.shapes import Keys, Leaf, Mapped, Named, Section, Series, Shape, TextOr

_VARIABLE = {"$ref": "#/$defs/Variable"}
_SECTIONS = {"JobKeys": "", "CompareKeys": "compare", "ScheduleKeys": "schedule", "HooksKeys": "hooks"}

Schema = dict[str, Any]


def json_schema() -> dict[str, object]:
    """Give the JSON Schema (draft 2020-12) of jobs.yaml."""
    top = _mapping(FileKeys, appendable=frozenset())
    top["properties"]["catalog"]["anyOf"].insert(0, {"type": "string"})
    definitions = {
        keys.__name__: _mapping(
            keys, appendable=APPENDABLE.get(_SECTIONS.get(keys.__name__, "?"), frozenset())
        )
        for keys in sorted(_beneath(FileKeys), key=lambda keys: keys.__name__)
    }
    _allow_short_forms(definitions)
    definitions["Variable"] = {"type": "string", "pattern": r"\$\{", "description": "Expanded when read"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dirsync jobs",
        **{key: top[key] for key in ("description", "type", "properties", "patternProperties")},
        "additionalProperties": False,
        "required": ["version"],
        "$defs": definitions,
    }


def schema_text() -> str:
    """Write the schema as the file `jobs.schema.json` holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _beneath(keys: type[Keys]) -> set[type[Keys]]:
    """Give the keys of all mappings in a mapping, however deep."""
    found: set[type[Keys]] = set()
    for key in keys.by_name.values():
        shape = key.shape
        while isinstance(shape, Series | Mapped | TextOr):
            shape = shape.section if isinstance(shape, TextOr) else shape.items
        if isinstance(shape, Section | Named) and shape.keys not in found:
            found |= {shape.keys} | _beneath(shape.keys)
    return found


def _mapping(keys: type[Keys], *, appendable: frozenset[str]) -> Schema:
    """Describe one mapping, with all that any mapping of the file allows."""
    properties = {
        name: {"description": key.description, "anyOf": [*_choices(key.shape), {"type": "null"}]}
        for name, key in keys.by_name.items()
    }
    appends = {f"{name}+": _append(properties[name]) for name in properties if name in appendable}
    return {
        "additionalProperties": False,
        "description": keys.__doc__,
        "properties": properties | appends,
        "type": "object",
        "patternProperties": {"^x-": {}},
    }


def _choices(shape: Shape[Any]) -> list[Schema]:
    """Give the ways to write a value."""
    match shape:
        case Leaf():
            return _leaf_choices(shape.schema)
        case Series():
            choices = _choices(shape.items)
            items = choices[0] if len(choices) == 1 else {"anyOf": choices}
            return [{"items": items, "type": "array"}, *(choices if shape.may_be_one else [])]
        case TextOr():
            return [*_choices(shape.leaf), *_choices(shape.section)]
        case Mapped():
            return [{"type": "object", "additionalProperties": {"anyOf": _choices(shape.items)}}]
        case Named():
            named = {"anyOf": [_reference(shape.keys), {"type": "null"}]}
            return [{"type": "object", "patternProperties": {"^x-": {}}, "additionalProperties": named}]
        case Section():
            return [_reference(shape.keys)]
    raise TypeError(f"no shape: {shape!r}")


def _leaf_choices(schema: Schema) -> list[Schema]:
    """Allow a variable wherever no free text is."""
    if schema == NOTHING:
        return []
    if schema == {"type": "string"}:
        return [schema]
    return [*(schema["anyOf"] if set(schema) == {"anyOf"} else [schema]), _VARIABLE]


def _reference(keys: type[Keys]) -> Schema:
    return {"$ref": f"#/$defs/{keys.__name__}"}


def _append(schema: Schema) -> Schema:
    """Give the schema of `key+`: the list alone."""
    lists = [choice for choice in schema["anyOf"] if choice.get("type") == "array"]
    return {"description": f"Appended: {schema['description']}", "anyOf": lists}


def _allow_short_forms(definitions: Schema) -> None:
    """Allow `compare: [size]`, `ping_url: https://…`, and `at` and `on` as one word."""
    job = definitions[JobKeys.__name__]["properties"]
    job["ping_url"]["anyOf"].insert(0, {"type": "string"})
    by = definitions[CompareKeys.__name__]["properties"]["by"]["anyOf"][0]
    job["compare"]["anyOf"].insert(0, by)
    job["compare+"] = {"description": f"Appended: {job['compare']['description']}", "anyOf": [by]}
    schedule = definitions[ScheduleKeys.__name__]["properties"]
    for key in ("at", "on"):
        schedule[key]["anyOf"] += schedule[key]["anyOf"][0]["items"]["anyOf"]
