"""What only shows after a while: leaks, references, both ways to fill a Struct, the stubs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NATIVE = ("futukit._native.cipher", "futukit._native.frame", "futukit._native.wire")

PRELUDE = """
import gc, sys
from futukit import codec
from futukit._native import wire
from futukit._native.frame import FrameReader, build_frame
from futukit.errors import DecodeError, EncodeError, FrameError
from futukit.messages import common, qot_common, qot_get_kl

security = qot_common.Security(market=qot_common.QotMarket(1), code="00700")
def bars(count):
    return tuple(
        qot_common.KLine(
            time=f"2024-01-{i % 28 + 1:02d} 0{i % 10}:00:00", is_blank=False,
            high_price=i * 1.25, low_price=-1.0 * i, volume=10**9 + i, turnover=i / 7,
        )
        for i in range(count)
    )
answer = qot_get_kl.Response(
    ret_type=common.RetType(0),
    s2c=qot_get_kl.S2C(security=security, name="\\u817e\\u8baf", kl_list=bars(200)),
)
body = codec.encode(answer)
"""

GROWTH = (
    PRELUDE
    + """
def work():
    for _ in range(40):
        message = codec.decode(qot_get_kl.Response, body)
        assert codec.encode(message) == body
        message = None
        twice = codec.decode(qot_get_kl.Response, body + body)
        assert len(twice.s2c.kl_list) == 400
        for cut in range(1, len(body), 611):
            try:
                codec.decode(qot_get_kl.Response, body[:cut])
            except DecodeError:
                pass
        try:
            codec.encode(qot_get_kl.S2C(security=security, kl_list=bars(3) + (5,)))
        except EncodeError:
            pass
        reader = FrameReader()
        for envelope in reader:
            pass
        reader.feed(codec.encode_frame(answer, 3006, 1) * 3)
        assert [envelope.body for envelope in reader] == [body] * 3
        reader.feed(build_frame(1, 1, b"x")[:-1] + b"y")
        try:
            list(reader)
        except FrameError:
            pass
    gc.collect()
    return sys.getallocatedblocks()

# Caches and free lists fill at first; from then on not a block may stay.
for _ in range(3):
    before = work()
after = [work() for _ in range(4)]
assert max(after) - before < 200, (before, after)
"""
)

REFERENCES = (
    PRELUDE
    + """
plan = wire.plan_of(qot_get_kl.Response)
shared = [None, True, False, (), qot_common.QotMarket(1), qot_get_kl.Response, qot_common.KLine]
kept = [codec.decode(qot_get_kl.Response, body)]
before = [sys.getrefcount(value) for value in shared]
for _ in range(50):
    message = codec.decode(qot_get_kl.Response, body)
    codec.encode(message)
    for broken in (body[:-1], body + body[:-3], b"\\x22\\x00"):
        try:
            codec.decode(qot_get_kl.Response, broken)
        except DecodeError as error:
            error = None
message = None
gc.collect()
after = [sys.getrefcount(value) for value in shared]
assert all(abs(b - a) < 20 for a, b in zip(before, after)), list(zip(before, after))

first = codec.decode(qot_get_kl.Response, body)
row = first.s2c.kl_list[5]
count = sys.getrefcount(row)
codec.encode(first)
assert sys.getrefcount(row) == count
first = None
assert sys.getrefcount(row) == count - 1
assert row == bars(6)[5]
"""
)

FALLBACK = (
    """
from futukit._native import wire
assert wire._trust_slots(False) is False
"""
    + PRELUDE
    + """
plan = wire.plan_of(qot_get_kl.Response)
assert plan.direct is False
assert codec.decode(qot_get_kl.Response, body) == answer
assert codec.encode(codec.decode(qot_get_kl.Response, body)) == body
twice = codec.decode(qot_get_kl.Response, body + body)
assert twice.s2c.kl_list == answer.s2c.kl_list * 2
assert type(twice.s2c.kl_list) is tuple
try:
    codec.decode(qot_get_kl.Response, b"\\x22\\x00")
except DecodeError as error:
    assert error.path == "Qot_GetKL.Response.s2c.security"
else:
    raise AssertionError
try:
    codec.encode(qot_get_kl.S2C(security=security, kl_list=bars(3) + (5,)))
except EncodeError as error:
    assert error.path == "Qot_GetKL.S2C.klList[3]"
else:
    raise AssertionError
"""
)


def run(program: str, **environment: str) -> None:
    """Run a program in an interpreter of its own; its failure is ours."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "program", [GROWTH, REFERENCES, FALLBACK], ids=["growth", "references", "fallback"]
)
@pytest.mark.parametrize("allocator", ["pymalloc", "debug"])
def test_in_a_process_of_its_own(program: str, allocator: str) -> None:
    # The debug allocator fills memory with a pattern and checks its borders on release.
    run(program, PYTHONMALLOC=allocator)


def test_slots_are_used_on_this_interpreter() -> None:
    run(PRELUDE + "assert wire.plan_of(qot_get_kl.Response).direct is True")


def test_a_class_with_code_on_init_is_called_instead_of_filled() -> None:
    run(
        """
from msgspec import Struct
from futukit import codec
made = []
class Noted(Struct, kw_only=True, frozen=True):
    value: int
    def __post_init__(self):
        made.append(self.value)
plan = codec.define(
    Noted, "Test.Noted", ((1, "value", "value", "value", "int32", "required", None, None),)
)
assert plan.direct is False
assert codec.decode(Noted, b"\\x08\\x05") == Noted(value=5)
assert made == [5, 5]
"""
    )


def test_stubs_agree_with_the_compiled_modules() -> None:
    pytest.importorskip("mypy")
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "--mypy-config-file", "pyproject.toml", *NATIVE],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
