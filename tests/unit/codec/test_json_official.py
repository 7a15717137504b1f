"""JSON answers as a server writes them, read by the official Python SDK's own converter."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from futukit import codec
from tests.fuzz import oracle
from tests.support import upstream
from tests.unit.codec.test_plain import sample

# Runs in the SDK's environment: lines {file, message, json} in, what was understood out.
READER = """
import importlib, json, sys
from futu.common.pbjson import json2pb
for line in sys.stdin:
    asked = json.loads(line)
    found = importlib.import_module(f"futu.common.pb.{asked['file']}_pb2")
    for name in asked["message"].split("."):
        found = getattr(found, name)
    try:
        read = json2pb(found, asked["json"]).SerializeToString().hex()
    except Exception as error:
        read = f"{type(error).__name__}: {error}"
    print("READ " + json.dumps(read))
"""


def _kinds(cls: type[Any]) -> Iterator[str]:
    for row in codec.plan_of(cls).fields:
        yield row[4]
        if row[4] == "message" and row[6] is not None:
            yield from _kinds(row[6])


def _finite(message: Any) -> Any:
    """The message with an ordinary number for each that is not finite."""
    values: dict[str, Any] = {}
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if isinstance(value, tuple):
            values[name] = tuple(_finite_value(item) for item in value)
        else:
            values[name] = _finite_value(value)
    return type(message)(**values)


def _finite_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else 1.5
    return _finite(value) if hasattr(value, "__struct_fields__") else value


def _ask(messages: dict[str, Any]) -> list[str]:
    lines = [
        json.dumps(
            {
                "file": name.split(".")[0],
                "message": name.split(".", 1)[1],
                "json": codec.encode_json(message, server=True).decode(),
            }
        )
        for name, message in messages.items()
    ]
    ran = subprocess.run(
        [str(upstream.official_python()), "-P", "-c", READER],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    marked = [line for line in ran.stdout.splitlines() if line.startswith("READ ")]
    return [json.loads(line.removeprefix("READ ")) for line in marked]


@pytest.mark.parametrize("filled", [True, False])
def test_the_official_sdk_reads_every_answer_without_bytes(filled: bool) -> None:
    answers = {
        name: _finite(sample(cls, filled, turn))
        for turn, (name, cls) in enumerate(oracle.our_classes().items())
        if name.endswith((".Response", "UnusualRsp"))
        and not name.startswith("InitWebSocket.")
        and "bytes" not in _kinds(cls)
    }
    assert len(answers) > 150
    read = _ask(answers)
    expected = [codec.encode(message).hex() for message in answers.values()]
    wrong = [row for row in zip(answers, read, expected, strict=True) if row[1] != row[2]]
    assert wrong == []


def test_the_official_sdk_cannot_read_bytes() -> None:
    """A limit of the SDK, not of ours: its converter hands texts to fields of bytes."""
    cls = oracle.our_classes()["Qot_RequestHistoryKL.Response"]
    (read,) = _ask({"Qot_RequestHistoryKL.Response": sample(cls, True)})
    assert read.startswith("TypeError")
