"""The file of a held plan: lines of JSON, written and read one at a time.

The first line says what is known of the plan, then each step and each path given up
has a line, and the last names all before it by a hash. A file that was
cut off or altered is told apart before its first step is carried out.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator
from typing import IO, Any

from msgspec import Struct, to_builtins

from dirsync.model.change import Failure
from dirsync.model.operation import Operation
from dirsync.model.result import Counts
from dirsync.plan.plan import Plan
from dirsync.plan.records import FIELDS, read_failure, read_operation, written_failure, written_operation
from dirsync.runner.roots import Root

_KIND = "dirsync held plan"
_FORMAT = 1
_DIGEST_BYTES = 16
_LONGEST_HEADER_BYTES = 1 << 20


class HeldPlan(Struct, frozen=True, kw_only=True):
    """What is known of a held plan without reading its steps."""

    job: str
    made_at: datetime.datetime  # aware, UTC
    reason: str | None  # what the guard said; None: somebody asked to save a dry run
    declaration: str  # names what of the job's declaration a plan depends on
    source: Root
    destination: Root | None  # None: it was yet to be made
    counts: Counts  # what the plan would do


def write_plan(file: IO[bytes], about: HeldPlan, plan: Plan) -> None:
    """Write a whole plan.

    Raises:
        OSError: it could not be written; what is in the file then is worthless.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def put(value: object) -> None:
        line = _line(value)
        digest.update(line)
        file.write(line)

    put(_header(about))
    for operation in plan.steps():
        put({"step": written_operation(operation)})
    for failure in plan.failures:
        put({"failure": written_failure(failure)})
    file.write(_line({"digest": digest.hexdigest()}))


def _header(about: HeldPlan) -> object:
    return {
        "kind": _KIND,
        "format": _FORMAT,
        "fields": FIELDS,
        **to_builtins(about, builtin_types=(datetime.datetime,)),
        "made_at": about.made_at.isoformat(),
    }


def read_header(file: IO[bytes]) -> HeldPlan:
    """Read what is known of a plan; the file is then at its first step.

    Raises:
        ValueError: it is no plan, or one of another version.
    """
    header = _object(file.readline(_LONGEST_HEADER_BYTES))
    if header.get("kind") != _KIND:
        raise ValueError("it is no held plan")
    if (header.get("format"), header.get("fields")) != (_FORMAT, FIELDS):
        raise ValueError("it was stored by another version of dirsync")
    try:
        destination = header["destination"]
        return HeldPlan(
            job=str(header["job"]),
            made_at=datetime.datetime.fromisoformat(header["made_at"]),
            reason=None if header["reason"] is None else str(header["reason"]),
            declaration=str(header["declaration"]),
            source=_root(header["source"]),
            destination=None if destination is None else _root(destination),
            counts=Counts(**{name: int(header["counts"][name]) for name in Counts.__struct_fields__}),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("its first line is incomplete") from error


def _root(record: dict[str, Any]) -> Root:
    name = record["file_system"]
    return Root(
        device=int(record["device"]),
        inode=int(record["inode"]),
        file_system=None if name is None else str(name),
    )


def read_steps(file: IO[bytes]) -> Iterator[Operation | Failure]:
    """Read the steps of a plan, then the paths given up, from the start of its file.

    Whether it is all there turns out at its end: take nothing for granted before.

    Raises:
        ValueError: it is damaged, incomplete, or no plan.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    file.seek(0)
    digest.update(file.readline(_LONGEST_HEADER_BYTES))
    for line in file:
        record = _object(line)
        if "step" in record:
            yield read_operation(record["step"])
        elif "failure" in record:
            yield read_failure(record["failure"])
        else:
            if record != {"digest": digest.hexdigest()} or file.read(1):
                raise ValueError("it was altered")
            return
        digest.update(line)
    raise ValueError("it is cut off")


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is damaged") from None
    if not isinstance(value, dict):
        raise ValueError("it is damaged")
    return value
