"""The JSON Schema of jobs.yaml, for editors; `jobs.schema.json` is a copy of it.

The models give its bones; what YAML allows besides is laid over them: `x-…` in every
mapping, `key+` beside every list, a null for what is inherited, and `${VAR}` where a
number, a truth value or a word of a fixed form is wanted.
"""

from __future__ import annotations

import json
from typing import Any

from dirsync.config.keys import APPENDABLE, CompareKeys, FileKeys, JobKeys, ScheduleKeys

_VARIABLE = {"$ref": "#/$defs/Variable"}
_SECTIONS = {"JobKeys": "", "CompareKeys": "compare", "ScheduleKeys": "schedule"}


def json_schema() -> dict[str, object]:
    """Give the JSON Schema (draft 2020-12) of jobs.yaml."""
    schema = FileKeys.model_json_schema()
    definitions: dict[str, Any] = schema.pop("$defs")
    for name, definition in definitions.items():
        _open(definition, appendable=APPENDABLE.get(_SECTIONS.get(name, name), frozenset()))
    _open(schema, appendable=frozenset())
    _allow_short_forms(definitions)
    schema["properties"]["catalog"]["anyOf"].insert(0, {"type": "string"})
    definitions["Variable"] = {"type": "string", "pattern": r"\$\{", "description": "Expanded when read"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dirsync jobs",
        "description": schema["description"],
        **{key: schema[key] for key in ("type", "properties", "patternProperties", "additionalProperties")},
        "required": ["version"],
        "$defs": definitions,
    }


def schema_text() -> str:
    """Write the schema as the file `jobs.schema.json` holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _open(definition: dict[str, Any], *, appendable: frozenset[str]) -> None:
    """Allow in one mapping what any mapping of the file allows."""
    del definition["title"]
    properties = {key: _property(value) for key, value in definition["properties"].items()}
    appends = {f"{key}+": _append(properties[key]) for key in properties if key in appendable}
    definition["properties"] = properties | appends
    definition["patternProperties"] = {"^x-": {}}
    definition["additionalProperties"] = False


def _property(schema: dict[str, Any]) -> dict[str, Any]:
    """Write one key's schema without pydantic's titles and defaults."""
    choices = [_value(choice) for choice in schema.get("anyOf", [schema]) if choice != {"type": "null"}]
    flat = [
        inner for choice in choices for inner in (choice["anyOf"] if set(choice) == {"anyOf"} else [choice])
    ]
    unique = list({json.dumps(choice): choice for choice in [*flat, {"type": "null"}]}.values())
    return {"description": schema["description"], "anyOf": unique}


def _value(schema: dict[str, Any]) -> dict[str, Any]:
    """Allow a variable in every scalar that is no free text, down to the items of lists."""
    schema = {
        key: value
        for key, value in schema.items()
        if key not in {"uniqueItems", "title", "default", "description"}
    }
    if "items" in schema:
        return schema | {"items": _value(schema["items"])}
    if isinstance(values := schema.get("additionalProperties"), dict):
        return {
            "type": "object",
            "patternProperties": {"^x-": {}},
            "additionalProperties": {"anyOf": [values, {"type": "null"}]},
        }
    if "$ref" in schema or schema == {"type": "string"}:
        return schema
    choices = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    return {"anyOf": [*choices, _VARIABLE]}


def _append(schema: dict[str, Any]) -> dict[str, Any]:
    """Give the schema of `key+`: the list alone."""
    lists = [choice for choice in schema["anyOf"] if choice.get("type") == "array"]
    return {"description": f"Appended: {schema['description']}", "anyOf": lists}


def _allow_short_forms(definitions: dict[str, Any]) -> None:
    """Allow `compare: [size]`, and `at` and `on` as one word."""
    job = definitions[JobKeys.__name__]["properties"]
    by = definitions[CompareKeys.__name__]["properties"]["by"]["anyOf"][0]
    job["compare"]["anyOf"].insert(0, by)
    job["compare+"] = {"description": f"Appended: {job['compare']['description']}", "anyOf": [by]}
    schedule = definitions[ScheduleKeys.__name__]["properties"]
    for key in ("at", "on"):
        schedule[key]["anyOf"] += schedule[key]["anyOf"][0]["items"]["anyOf"]
