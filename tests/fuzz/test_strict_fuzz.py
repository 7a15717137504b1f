"""A strict parse takes what protobuf finds whole and without unknown fields, and nothing else."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError as UpbDecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given, settings
from hypothesis import strategies as st

from futukit.codec.strict import decode_strict
from futukit.errors import DecodeError
from tests.fuzz import oracle

PROTOS = Path(__file__).resolve().parents[2] / "protos"
NAMES = (
    *(name for name in sorted(oracle.our_classes()) if name.endswith((".Request", ".C2S", "Req"))),
    "Qot_GetBasicQot.Response",
    "Trd_GetFunds.Response",
    "Common.PacketID",
)
_SETTINGS = settings(max_examples=300, deadline=None, database=None, derandomize=True)


@cache
def theirs(name: str) -> Any:
    return oracle.upb_class(pool(), name)


@cache
def pool() -> Any:
    return oracle.compile_pool(PROTOS)


def is_strict_to_protobuf(name: str, data: bytes) -> bool:
    message = theirs(name)()
    try:
        message.MergeFromString(data)
    except UpbDecodeError:
        return False
    # The documented difference: text that is no UTF-8 is a fault to us.
    whole = message.IsInitialized() and not oracle.has_broken_text(message)
    return whole and not has_unknown(message)


def has_unknown(message: Any) -> bool:
    enums = {
        field.number
        for field in message.DESCRIPTOR.fields
        if field.type == FieldDescriptor.TYPE_ENUM
    }
    for field in UnknownFieldSet(message):  # type: ignore[attr-defined]
        # The documented difference: a number without a name in an enum is a value to us.
        if field.field_number not in enums or field.wire_type != 0:
            return True
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            parts = value if descriptor.is_repeated else [value]
            if any(has_unknown(part) for part in parts):
                return True
    return False


def is_strict_to_us(name: str, data: bytes) -> bool:
    try:
        decode_strict(oracle.our_classes()[name], data)
    except DecodeError:
        return False
    return True


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A message's bytes: whole, of another message, with foreign records, or spoiled."""
    name = draw(st.sampled_from(NAMES))
    source = theirs(draw(st.sampled_from((name, name, draw(st.sampled_from(NAMES))))))
    message = oracle.fill(source(), draw(oracle.contents(source.DESCRIPTOR)))
    data: bytes = message.SerializePartialToString()
    if draw(st.booleans()):
        data = draw(oracle.mutations(source.DESCRIPTOR, data))
    return name, data


@_SETTINGS
@given(bodies())
def test_both_agree_on_what_is_strict(body: tuple[str, bytes]) -> None:
    name, data = body
    assert is_strict_to_us(name, data) is is_strict_to_protobuf(name, data)


@_SETTINGS
@given(st.sampled_from(NAMES), st.binary(max_size=60))
def test_both_agree_on_any_bytes(name: str, data: bytes) -> None:
    assert is_strict_to_us(name, data) is is_strict_to_protobuf(name, data)
