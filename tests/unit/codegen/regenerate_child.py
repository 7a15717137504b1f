"""Run in a child process: imports a regenerated ``futukit`` and sends every message through it.

``round_trip`` imports all message modules and both faces' methods and encodes and decodes every
message with generated values. ``encode MODULE CLASS JSON`` and ``decode MODULE CLASS HEX`` handle
one message. The answer is one JSON line. The package comes from PYTHONPATH.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

import msgspec

import futukit
from futukit import codec, messages
from futukit.codec.plan import FieldRow, plan_of
from futukit.errors import FutukitError
from futukit.types import OpenEnum

_SCALARS: Final[dict[str, tuple[object, ...]]] = {
    "int32": (0, -1, 2**31 - 1, -(2**31)),
    "int64": (0, -1, 2**63 - 1, -(2**63)),
    "uint32": (0, 1, 2**32 - 1),
    "uint64": (0, 1, 2**64 - 1),
    "double": (0.0, 0.1, -1.5e300, float("inf")),
    "float": (0.0, 0.5, -1024.25),
    "bool": (False, True),
    "string": ("", "HK.00700", "騰訊控股 é\0"),
    "bytes": (b"", b"\0\xff", b"x" * 300),
}
_LENGTHS: Final = (1, 0, 3)


def _value(row: FieldRow, turn: int) -> object:
    _, _, _, _, kind, _, target, _ = row
    if kind == "message":
        assert target is not None
        return _instance(target, turn, full=True)
    if target is not None:
        # A named member, and a number that no release has named yet.
        members = list(cast("type[OpenEnum]", target))
        return [*members, target(2_000_000_011)][turn % (len(members) + 1)]
    values = _SCALARS[kind]
    return values[turn % len(values)]


def _instance(cls: type[Any], turn: int, *, full: bool) -> Any:
    """A message with all its fields, or with the required ones only."""
    values: dict[str, object] = {}
    for row in plan_of(cls).fields:
        number, attribute, label = row[0], row[1], row[5]
        if label == "repeated" and full:
            length = _LENGTHS[turn % len(_LENGTHS)]
            values[attribute] = tuple(_value(row, turn + i) for i in range(length))
        elif label == "required" or full:
            values[attribute] = _value(row, turn + number)
    return cls(**values)


def _faults(cls: type[Any]) -> Iterator[str]:
    for turn in range(4):
        for full in (False, True):
            sent = _instance(cls, turn, full=full)
            body = codec.encode(sent)
            got = codec.decode(cls, body)
            if got != sent:
                yield f"{cls.__module__}.{cls.__name__}, turn {turn}: {sent} came back as {got}"
            elif codec.encode(got) != body:
                yield f"{cls.__module__}.{cls.__name__}, turn {turn}: encodes differently again"


def _round_trip() -> dict[str, object]:
    names = dir(messages)
    modules = [import_module(f"futukit.messages.{name}") for name in names]
    classes = [
        cls
        for module in modules
        for cls in vars(module).values()
        if isinstance(cls, type)
        and issubclass(cls, msgspec.Struct)
        and cls.__module__ == module.__name__
    ]
    faces = [
        sorted(name for name in vars(cls) if not name.startswith("_"))
        for face in ("aio", "sync")
        for group in ("System", "Quote", "Trade")
        for cls in [getattr(import_module(f"futukit.{face}._{group.lower()}"), f"{group}Methods")]
    ]
    registry = import_module("futukit.messages.registry")
    for row in registry.rows():
        if row.response is not None:
            registry.response_class(row.proto_id)
        if row.request is not None:
            registry.request_class(row.proto_id)
    return {
        "package": str(Path(futukit.__file__).parent),
        "modules": names,
        "messages": sorted(plan_of(cls).full_name for cls in classes),
        "methods": faces,
        "faults": [fault for cls in classes for fault in _faults(cls)][:20],
    }


def _one(command: str, module: str, cls_name: str, text: str) -> dict[str, object]:
    cls = getattr(import_module(f"futukit.messages.{module}"), cls_name)
    try:
        if command == "encode":
            return {"body": codec.encode(cls(**json.loads(text))).hex()}
        return {"message": msgspec.structs.asdict(codec.decode(cls, bytes.fromhex(text)))}
    except FutukitError as error:
        return {"error": type(error).__name__, "text": str(error)}


def _main(arguments: list[str]) -> None:
    answer = _round_trip() if arguments == ["round_trip"] else _one(*arguments)
    print(json.dumps(answer))


if __name__ == "__main__":
    _main(sys.argv[1:])
