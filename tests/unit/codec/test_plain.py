"""Messages as plain values: the oracle is google.protobuf's JSON mapping of the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from msgspec import Struct

import futukit.messages
from codegen.schema import compile_folder
from futukit import codec
from futukit.codec.plain import from_plain, to_plain
from futukit.errors import EncodeError, UsageError
from futukit.messages import (
    common,
    qot_common,
    qot_get_kl,
    qot_request_history_kl,
    qot_sub,
    test_cmd,
)

PROTOS = Path(__file__).resolve().parents[3] / "protos"
KL: dict[Any, Any] = {"rehabType": 1, "klType": 1, "security": "HK.00700", "reqNum": 1}
SCALARS: dict[str, list[Any]] = {
    "int32": [-(2**31), 2**31 - 1],
    "int64": [-(2**63), 2**53 + 1],
    "uint32": [0, 2**32 - 1],
    "uint64": [1, 2**64 - 1],
    "double": [0.1, float("inf")],
    "float": [0.5, -2.25],
    "bool": [True, False],
    "string": ["腾讯 \x00", ""],
    "bytes": [b"\x00\xff\xfe?>", b""],
}


def message_classes() -> Iterator[type[Struct]]:
    # In the gRPC service's file, which is proto3, 0 and "" are no values.
    for name in sorted({*dir(futukit.messages)} - {"futu_service"}):
        module = import_module(f"futukit.messages.{name}")
        for export in getattr(module, "__all__", ()):
            cls = getattr(module, export)
            if isinstance(cls, type) and issubclass(cls, Struct) and cls.__module__.endswith(name):
                yield cls


def sample(cls: type[Any], filled: bool, turn: int = 0) -> Any:
    """A message with every field set, or only the required ones."""
    arguments: dict[str, Any] = {}
    fields: tuple[tuple[Any, ...], ...] = codec.plan_of(cls).fields
    for _, attribute, _, _, kind, label, target, _ in fields:
        if label != "required" and not filled:
            continue
        if kind == "message":
            values = [sample(target, filled, turn), sample(target, False, turn + 1)]
        elif target is not None:
            # True enums are written by name in the oracle: only listed members can be compared.
            listed = list(target)
            values = [listed[turn % len(listed)], listed[-1]]
        else:
            values = SCALARS[kind][turn % 2 :] + SCALARS[kind][: turn % 2]
        arguments[attribute] = tuple(values) if label == "repeated" else values[0]
    return cls(**arguments)


CLASSES = {codec.plan_of(cls).full_name: cls for cls in message_classes()}


@pytest.fixture(scope="module")
def pool() -> descriptor_pool.DescriptorPool:
    names = sorted(path.name for path in PROTOS.glob("*.proto"))
    found = descriptor_pool.DescriptorPool()
    descriptors = {file.name: file for file in compile_folder(PROTOS, names).file}

    def add(name: str) -> None:
        file = descriptors.pop(name, None)
        if file is not None:
            for dependency in file.dependency:
                add(dependency)
            found.Add(file)  # type: ignore[no-untyped-call, unused-ignore]

    for name in names:
        add(name)
    return found


def test_every_message_class_is_here() -> None:
    assert len(CLASSES) >= 1000


@pytest.mark.parametrize("filled", [True, False])
def test_plain_values_survive_json_and_come_back_equal(filled: bool) -> None:
    for turn, cls in enumerate(CLASSES.values()):
        message = sample(cls, filled, turn)
        text = json.dumps(to_plain(message), allow_nan=False)
        assert from_plain(cls, json.loads(text)) == message


@pytest.mark.parametrize("proto_names", [True, False])
def test_the_official_json_mapping_of_the_same_bytes_reads_equal(
    pool: descriptor_pool.DescriptorPool, proto_names: bool
) -> None:
    for turn, (full_name, cls) in enumerate(CLASSES.items()):
        message = sample(cls, True, turn)
        oracle = message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))()
        oracle.ParseFromString(codec.encode(message))
        plain = json_format.MessageToDict(oracle, preserving_proto_field_name=proto_names)
        assert from_plain(cls, plain) == message, full_name


def test_plain_values_are_what_the_official_json_mapping_parses(
    pool: descriptor_pool.DescriptorPool,
) -> None:
    for turn, (full_name, cls) in enumerate(CLASSES.items()):
        message = sample(cls, True, turn)
        oracle = message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))()
        json_format.ParseDict(to_plain(message), oracle)
        assert codec.decode(cls, oracle.SerializeToString()) == message, full_name


def test_proto_json_and_attribute_names_are_read() -> None:
    wanted = qot_get_kl.C2S(
        rehab_type=qot_common.RehabType.FORWARD,
        kl_type=qot_common.KLType.K_1MIN,
        security=qot_common.Security(market=qot_common.QotMarket.HK_SECURITY, code="00700"),
        req_num=10,
    )
    spelled = {"rehabType": 1, "kl_type": 1, "security": "HK.00700", "reqNum": 10}
    assert from_plain(qot_get_kl.C2S, spelled) == wanted


@pytest.mark.parametrize(
    "name", ["K_1MIN", "KLType_1Min", "k_1min", "1Min", "1", 1, 1.0, "KLType_1MIN"]
)
def test_an_enum_is_read_by_number_or_any_of_its_names(name: object) -> None:
    plain = {"rehabType": "None", "klType": name, "security": "US.AAPL", "reqNum": 1}
    c2s = from_plain(qot_get_kl.C2S, plain)
    assert c2s.kl_type is qot_common.KLType.K_1MIN
    assert c2s.rehab_type is qot_common.RehabType.NONE


def test_an_unlisted_enum_number_survives() -> None:
    plain = {"market": 977, "code": "X"}
    assert to_plain(from_plain(qot_common.Security, plain)) == plain


def test_a_null_counts_as_absent() -> None:
    assert from_plain(qot_get_kl.C2S, {**KL, "header": None}).header is None


def test_an_absent_ret_type_reads_as_the_schema_says() -> None:
    assert from_plain(qot_get_kl.Response, {}).ret_type is common.RetType(-400)


def test_bytes_are_base64_in_both_alphabets() -> None:
    for text in ("+/8=", "-_8="):
        plain = {"cmd": "x", "paramBytes": text}
        assert from_plain(test_cmd.C2S, plain).param_bytes == b"\xfb\xff"
    assert to_plain(test_cmd.C2S(cmd="x", param_bytes=b"\xfb\xff"))["paramBytes"] == "+/8="


def test_numbers_that_json_has_no_digits_for_are_words() -> None:
    line = qot_common.KLine(time="", is_blank=False, high_price=float("nan"), pe=float("-inf"))
    plain = to_plain(line)
    assert (plain["highPrice"], plain["pe"]) == ("NaN", "-Infinity")
    assert from_plain(qot_common.KLine, plain).pe == float("-inf")


@pytest.mark.parametrize(
    ("cls", "plain", "path", "reason"),
    [
        (qot_get_kl.C2S, [], "Qot_GetKL.C2S", "an object"),
        (qot_get_kl.C2S, {**KL, "rehab": 1}, "Qot_GetKL.C2S", "did you mean rehabType"),
        (qot_get_kl.C2S, {**KL, 7: 1}, "Qot_GetKL.C2S", "no such field: 7"),
        (qot_get_kl.C2S, {**KL, "rehab_type": 1}, "Qot_GetKL.C2S.rehabType", "twice"),
        (qot_get_kl.C2S, {**KL, "security": None}, "Qot_GetKL.C2S.security", "required"),
        (qot_get_kl.C2S, {**KL, "security": {}}, "Qot_GetKL.C2S.security.market", "required"),
        (qot_get_kl.C2S, {**KL, "security": "XX.1"}, "Qot_GetKL.C2S.security", "unknown market"),
        (qot_get_kl.C2S, {**KL, "security": "00700"}, "Qot_GetKL.C2S.security", "MARKET.CODE"),
        (qot_get_kl.C2S, {**KL, "klType": "K_1MIM"}, "Qot_GetKL.C2S.klType", "K_1MIN"),
        (qot_get_kl.C2S, {**KL, "klType": True}, "Qot_GetKL.C2S.klType", "whole number"),
        (qot_get_kl.C2S, {**KL, "reqNum": "ten"}, "Qot_GetKL.C2S.reqNum", "whole number"),
        (qot_get_kl.C2S, {**KL, "reqNum": 1.5}, "Qot_GetKL.C2S.reqNum", "whole number"),
        (qot_get_kl.C2S, {**KL, "reqNum": 2**31}, "Qot_GetKL.C2S.reqNum", "does not fit int32"),
        (qot_get_kl.C2S, {**KL, "reqNum": 10**5000}, "Qot_GetKL.C2S.reqNum", "does not fit"),
        (qot_sub.C2S, {"subTypeList": 1}, "Qot_Sub.C2S.subTypeList", "a list"),
        (qot_sub.C2S, {"subTypeList": [1, []]}, "Qot_Sub.C2S.subTypeList[1]", "whole number"),
        (qot_sub.C2S, {"isFirstPush": 1}, "Qot_Sub.C2S.isFirstPush", "true or false"),
        (
            qot_request_history_kl.C2S,
            {"beginTime": 1},
            "Qot_RequestHistoryKL.C2S.beginTime",
            "a text",
        ),
        (test_cmd.C2S, {"cmd": "x", "paramBytes": "?"}, "TestCmd.C2S.paramBytes", "base64"),
        (qot_common.KLine, {"pe": "12,5"}, "Qot_Common.KLine.pe", "a number"),
        (qot_common.KLine, {"pe": 10**400}, "Qot_Common.KLine.pe", "does not fit"),
    ],
)
def test_what_a_field_cannot_carry_is_an_error_with_its_path(
    cls: type[Any], plain: object, path: str, reason: str
) -> None:
    whole = plain
    if isinstance(plain, dict) and cls is not qot_get_kl.C2S:
        # Only the named field is wrong: give the required ones.
        whole = {**to_plain(sample(cls, False)), **plain}
    with pytest.raises(EncodeError, match=reason) as caught:
        from_plain(cls, whole)
    assert caught.value.path == path


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(EncodeError) as caught:
        from_plain(qot_get_kl.C2S, {**KL, "reqNum": "9" * 10_000})
    assert len(str(caught.value)) < 200


def test_a_struct_that_is_no_message_is_refused() -> None:
    class Own(Struct):
        number: int

    with pytest.raises(UsageError):
        to_plain(Own(number=1))
