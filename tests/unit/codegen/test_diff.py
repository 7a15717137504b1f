"""Diff: what changed, and what each change breaks; the wire claims are proven with protobuf."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from codegen import diff
from codegen.__main__ import main
from codegen.diff import Change, Effect
from codegen.errors import CodegenError
from codegen.schema import Enum, EnumValue, Field, File, Message, Schema

from .conftest import Write, proto

Build = Callable[..., Path]

WIRE, JSON, SOURCE, NONE = "breaks wire", "breaks JSON and source", "breaks source", "compatible"

#: name → (old body, new body, the lines of the report but for the summary)
CASES: dict[str, tuple[str, str, list[str]]] = {
    "nothing": ("message M { optional int32 a = 1; }", "message M { optional int32 a = 1; }", []),
    "order of fields and messages": (
        "message M { optional int32 a = 1; optional int32 b = 2; } message N {}",
        "message N {} message M { optional int32 b = 2; optional int32 a = 1; }",
        [],
    ),
    "another wire family": (
        "message M { optional int32 a = 1; }", "message M { optional string a = 1; }",
        [f"{WIRE}: T.M.a: type int32 -> string: another wire family"],
    ),
    "zigzag": (
        "message M { optional int32 a = 1; }", "message M { optional sint32 a = 1; }",
        [f"{WIRE}: T.M.a: type int32 -> sint32: another wire family"],
    ),
    "fixed against varint": (
        "message M { optional uint64 a = 1; }", "message M { optional fixed64 a = 1; }",
        [f"{WIRE}: T.M.a: type uint64 -> fixed64: another wire family"],
    ),
    "float against fixed32": (
        "message M { optional float a = 1; }", "message M { optional fixed32 a = 1; }",
        [f"{WIRE}: T.M.a: type float -> fixed32: another wire family"],
    ),
    "double to float": (
        "message M { optional double a = 1; }", "message M { optional float a = 1; }",
        [f"{WIRE}: T.M.a: type double -> float: another wire family"],
    ),
    "widened": (
        "message M { optional int32 a = 1; }", "message M { optional int64 a = 1; }",
        [
            f"{JSON}: T.M.a: type int32 -> int64: the same wire family, "
            "but values over 32 bits are cut by the narrower side"
        ],
    ),
    "sign": (
        "message M { optional int32 a = 1; }", "message M { optional uint32 a = 1; }",
        [
            f"{JSON}: T.M.a: type int32 -> uint32: the same wire family, "
            "but negative values read as large ones"
        ],
    ),
    "integer becomes enum": (
        "enum E { A = 0; } message M { optional int32 a = 1; }",
        "enum E { A = 0; } message M { optional E a = 1; }",
        [
            f"{JSON}: T.M.a: type int32 -> T.E: the same wire family, "
            "but another spelling in JSON"
        ],
    ),
    "text to bytes": (
        "message M { optional string a = 1; }", "message M { optional bytes a = 1; }",
        [f"{JSON}: T.M.a: type string -> bytes: the same bytes, base64 in JSON"],
    ),
    "bytes to text": (
        "message M { optional bytes a = 1; }", "message M { optional string a = 1; }",
        [f"{WIRE}: T.M.a: type bytes -> string: bytes need not be UTF-8"],
    ),
    "message to bytes": (
        "message N {} message M { optional N a = 1; }",
        "message N {} message M { optional bytes a = 1; }",
        [f"{WIRE}: T.M.a: type T.N -> bytes: another wire family"],
    ),
    "another message": (
        "message N {} message O {} message M { optional N a = 1; }",
        "message N {} message O {} message M { optional O a = 1; }",
        [f"{WIRE}: T.M.a: type T.N -> T.O: another message"],
    ),
    "another enum": (
        "enum E { A = 0; } enum F { B = 0; } message M { optional E a = 1; }",
        "enum E { A = 0; } enum F { B = 0; } message M { optional F a = 1; }",
        [f"{JSON}: T.M.a: type T.E -> T.F: the same bytes, other names"],
    ),
    "required to optional": (
        "message M { required int32 a = 1; }", "message M { optional int32 a = 1; }",
        [f"{WIRE}: T.M.a: label required -> optional"],
    ),
    "optional to required": (
        "message M { optional int32 a = 1; }", "message M { required int32 a = 1; }",
        [f"{WIRE}: T.M.a: label optional -> required"],
    ),
    "singular to repeated": (
        "message M { optional int32 a = 1; }", "message M { repeated int32 a = 1; }",
        [f"{WIRE}: T.M.a: label optional -> repeated"],
    ),
    "repeated to singular": (
        "message M { repeated int32 a = 1; }", "message M { optional int32 a = 1; }",
        [f"{WIRE}: T.M.a: label repeated -> optional"],
    ),
    "required removed": (
        "message M { required int32 a = 1; }", "message M {}",
        [f"{WIRE}: T.M.a: removed: required int32 a = 1"],
    ),
    "required added": (
        "message M {}", "message M { required int32 a = 1; }",
        [f"{WIRE}: T.M.a: added: required int32 a = 1"],
    ),
    "optional removed": (
        "message M { optional int32 a = 1; }", "message M {}",
        [f"{JSON}: T.M.a: removed: optional int32 a = 1"],
    ),
    "repeated removed": (
        "message M { repeated int32 a = 1; }", "message M {}",
        [f"{JSON}: T.M.a: removed: repeated int32 a = 1"],
    ),
    "optional added": (
        "message M {}", "message M { optional int32 a = 1; repeated M b = 2; }",
        [
            f"{NONE}: T.M.a: added: optional int32 a = 1",
            f"{NONE}: T.M.b: added: repeated T.M b = 2",
        ],
    ),
    "renamed": (
        "message M { optional int32 a = 1; }", "message M { optional int32 b = 1; }",
        [f"{JSON}: T.M.b: renamed from a (number 1)"],
    ),
    "renamed and relabelled": (
        "message M { required int32 a = 1; }", "message M { optional int32 b = 1; }",
        [
            f"{WIRE}: T.M.b: label required -> optional",
            f"{JSON}: T.M.b: renamed from a (number 1)",
        ],
    ),
    "renamed and widened": (
        "message M { optional uint32 a = 1; }", "message M { optional uint64 b = 1; }",
        [
            f"{JSON}: T.M.b: renamed from a (number 1)",
            f"{JSON}: T.M.b: type uint32 -> uint64: the same wire family, "
            "but values over 32 bits are cut by the narrower side",
        ],
    ),
    "number reused for another type": (
        "message M { optional int32 a = 1; }", "message M { optional string b = 1; }",
        [f"{WIRE}: T.M.b: number 1 reused: optional int32 a = 1 -> optional string b = 1"],
    ),
    "number changed": (
        "message M { optional int32 a = 1; }", "message M { optional int32 a = 2; }",
        [f"{WIRE}: T.M.a: number 1 -> 2"],
    ),
    "number changed and its old one reused": (
        "message M { optional int32 a = 1; }",
        "message M { optional int32 a = 2; optional int32 b = 1; }",
        [
            f"{WIRE}: T.M.a: number 1 -> 2",
            f"{WIRE}: T.M.b: number 1 reused: optional int32 a = 1 -> optional int32 b = 1",
        ],
    ),
    "default": (
        "message M { optional int32 a = 1; optional int32 b = 2 [default = 7]; }",
        "message M { optional int32 a = 1 [default = -1]; optional int32 b = 2; }",
        [
            f"{SOURCE}: T.M.a: default (none) -> -1: an absent field reads differently",
            f"{SOURCE}: T.M.b: default 7 -> (none): an absent field reads differently",
        ],
    ),
    "JSON name": (
        "message M { optional int32 a = 1; }",
        'message M { optional int32 a = 1 [json_name = "x"]; }',
        [f"{JSON}: T.M.a: JSON name a -> x"],
    ),
    "deprecated": (
        "message M { optional int32 a = 1; } enum E { A = 0 [deprecated = true]; }",
        "message M { option deprecated = true; optional int32 a = 1 [deprecated = true]; }"
        "enum E { option deprecated = true; A = 0; }",
        [
            f"{NONE}: T.E: deprecated",
            f"{NONE}: T.E.A: no longer deprecated",
            f"{NONE}: T.M: deprecated",
            f"{NONE}: T.M.a: deprecated",
        ],
    ),
    "messages and enums come and go": (
        "message A {} enum E { E_X = 0; } message Keep { message In {} }",
        "message B {} enum F { F_X = 0; } message Keep { enum In { I = 0; } }",
        [
            f"{JSON}: T.A: message removed",
            f"{JSON}: T.E: enum removed",
            f"{JSON}: T.Keep.In: message removed",
            f"{NONE}: T.B: message added",
            f"{NONE}: T.F: enum added",
            f"{NONE}: T.Keep.In: enum added",
        ],
    ),
    "nested message": (
        "message A { message B { optional int32 x = 1; } }",
        "message A { message B { optional int32 y = 1; } }",
        [f"{JSON}: T.A.B.y: renamed from x (number 1)"],
    ),
    "enum value added": (
        "enum E { A = 0; }", "enum E { A = 0; B = 1; }", [f"{NONE}: T.E.B: value added (1)"],
    ),
    "enum value removed": (
        "enum E { A = 0; B = 1; }", "enum E { A = 0; }", [f"{JSON}: T.E.B: value removed (1)"],
    ),
    "enum value renamed": (
        "enum E { A = 0; B = 1; }", "enum E { A = 0; C = 1; }",
        [f"{JSON}: T.E.C: renamed from B (value 1)"],
    ),
    "enum value renumbered": (
        "enum E { A = 0; B = 1; }", "enum E { A = 0; B = 2; }", [f"{WIRE}: T.E.B: number 1 -> 2"],
    ),
    "enum number reused": (
        "enum E { A = 0; B = 1; }", "enum E { A = 0; B = 2; C = 1; }",
        [f"{WIRE}: T.E.B: number 1 -> 2", f"{WIRE}: T.E.C: value 1 reused, before B"],
    ),
    "alias added": (
        "enum E { A = 0; }", "enum E { option allow_alias = true; A = 0; B = 0; }",
        [f"{NONE}: T.E: allow_alias false -> true", f"{NONE}: T.E.B: alias added (0)"],
    ),
    "alias removed": (
        "enum E { option allow_alias = true; A = 0; B = 0; }", "enum E { A = 0; }",
        [f"{JSON}: T.E.B: value removed (0)", f"{NONE}: T.E: allow_alias true -> false"],
    ),
    "aliases change places": (
        "enum E { option allow_alias = true; A = 0; B = 0; }",
        "enum E { option allow_alias = true; B = 0; A = 0; }",
        [f"{SOURCE}: T.E.B: the first name of value 0, before A"],
    ),
}  # fmt: skip


def line(change: Change) -> str:
    return f"{change.effect.title}: {change.path}: {change.what}"


@pytest.mark.parametrize("case", CASES)
def test_each_change_is_told_with_what_it_breaks(
    write: Write, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    old, new, expected = CASES[case]
    folders = [write(n, {"T.proto": proto(body)}) for n, body in (("old", old), ("new", new))]
    changes = diff.compare(*(diff.load_source(str(folder)) for folder in folders))
    assert [line(change) for change in changes] == expected
    breaks = any(not text.startswith(NONE) for text in expected)
    assert main(["diff", *map(str, folders)]) == (1 if breaks else 0)
    out = capsys.readouterr().out.splitlines()
    assert len(out) == len(expected) + 1
    assert out[-1].startswith(f"{len(expected)} change")


def test_files_and_packages_come_and_go(write: Write) -> None:
    old = write("old", {"A.proto": proto("", "A"), "P.proto": proto("message M {}", "P")})
    new = write("new", {"B.proto": proto("", "B"), "P.proto": proto("message M {}", "Q")})
    changes = diff.compare(diff.load_source(str(old)), diff.load_source(str(new)))
    assert [line(c) for c in changes] == [
        f"{JSON}: A.proto: file removed",
        f"{SOURCE}: P.proto: package P -> Q",
        f"{NONE}: B.proto: file added",
    ]


def test_the_report_is_sorted_and_summed_up(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    old = "message M { optional int32 a = 1; required int32 b = 2; optional int32 c = 3; }"
    new = "message M { optional int32 z = 1; optional int32 b = 2; optional int32 d = 4; }"
    folders = [write(n, {"T.proto": proto(body)}) for n, body in (("old", old), ("new", new))]
    assert diff.run(*map(str, folders)) == 1
    assert capsys.readouterr().out.splitlines() == [
        "breaks wire             T.M.b: label required -> optional",
        "breaks JSON and source  T.M.c: removed: optional int32 c = 3",
        "breaks JSON and source  T.M.z: renamed from a (number 1)",
        "compatible              T.M.d: added: optional int32 d = 4",
        "4 changes: 1 breaks wire, 2 breaks JSON and source, 1 compatible",
    ]


def test_between_the_two_real_releases_four_renames_and_one_label_break(
    old_upstream_protos: Path, upstream_protos: Path
) -> None:
    old, new = (diff.load_source(str(p)) for p in (old_upstream_protos, upstream_protos))
    changes = diff.compare(old, new)
    assert [line(c) for c in changes if c.effect > Effect.COMPATIBLE] == [
        f"{WIRE}: TestCmd.S2C.resultStr: label required -> optional",
        f"{JSON}: TestCmd.C2S.paramStr: renamed from params (number 2)",
        f"{JSON}: TestCmd.S2C.resultStr: renamed from result (number 2)",
        f"{JSON}: UsedQuota.S2C.usedKLineQuota: renamed from used_kline_quota (number 2)",
        f"{JSON}: UsedQuota.S2C.usedSubQuota: renamed from used_sub_quota (number 1)",
    ]
    added = [c for c in changes if c.what == "file added"]
    assert len(added) == len(new.files) - len(old.files) == 184 - 77
    back = diff.compare(new, old)
    assert len(back) == len(changes)
    assert sum(c.what == "file removed" for c in back) == len(added)


def test_an_archive_and_its_normalised_folder_say_the_same(
    upstream_protos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protos = Path(__file__).parents[3] / "protos"
    assert main(["diff", str(upstream_protos), str(protos)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "compatible              InitWebSocket.proto: file added",
        "1 change: 1 compatible",
    ]


@pytest.mark.parametrize("content", ["nonsense", proto("message M { optional Nope a = 1; }")])
def test_a_schema_that_cannot_be_read_is_a_failure(
    write: Write, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    good = write("good", {"T.proto": proto("message M {}")})
    bad = write("bad", {"T.proto": content})
    assert main(["diff", str(good), str(bad)]) == 2
    assert main(["diff", str(bad), str(good)]) == 2
    assert main(["diff", str(good), str(good.parent / "nowhere")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "T.proto:" in captured.err
    with pytest.raises(CodegenError):
        diff.run(str(good), str(bad))


#: A value of every kind that has the same meaning in all of them, and one that only some carry.
KINDS: dict[str, tuple[object, object]] = {
    **{f"{u}int{bits}": (1, 2**30) for u in ("", "u") for bits in (32, 64)},
    "sint32": (1, -3),
    "sint64": (1, -3),
    "fixed32": (1, 2**30),
    "sfixed32": (1, 2**30),
    "fixed64": (1, 2**30),
    "sfixed64": (1, 2**30),
    "bool": (True, True),
    "enum": (1, 1),
    "float": (1.0, -2.5),
    "double": (1.0, -2.5),
    "string": ("1", "é"),
    "bytes": (b"1", b"\xff"),
}


def _pool() -> dict[str, Any]:
    """One message class for each kind, with an optional field ``f = 1`` of that kind."""
    file = descriptor_pb2.FileDescriptorProto(name="kinds.proto", package="K", syntax="proto2")
    enum = file.enum_type.add(name="E")
    enum.value.add(name="Zero", number=0)
    enum.value.add(name="One", number=1)
    for kind in KINDS:
        field = file.message_type.add(name=f"M_{kind}").field.add(name="f", number=1, label=1)
        field.type = descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
        if kind == "enum":
            field.type_name = ".K.E"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call, unused-ignore]
    found = {k: pool.FindMessageTypeByName(f"K.M_{k}") for k in KINDS}
    return {k: message_factory.GetMessageClass(d) for k, d in found.items()}


CLASSES = _pool()


def _survives(old: str, new: str) -> bool:
    """Whether protobuf reads the sample values of ``old`` with the same meaning as ``new``."""
    # bool and enum hold 0 and 1 only: a larger value is beyond them, not beyond the wire.
    samples = KINDS[old][:1] if {old, new} & {"bool", "enum"} else KINDS[old]
    return all(_reads_alike(old, new, value) for value in samples)


def _reads_alike(old: str, new: str, value: object) -> bool:
    try:
        message = CLASSES[new].FromString(CLASSES[old](f=value).SerializeToString())
        read = message.f.decode() if old == "string" and new == "bytes" else message.f
    except Exception:  # noqa: BLE001  # the runtimes differ in what they raise
        return False
    return bool(message.HasField("f") and read == value)


def _type_effect(old: str, new: str) -> Effect:
    schemas = []
    for kind in (old, new):
        target = "K.E" if kind == "enum" else None
        message = Message("M", "K.M", (Field("f", "f", 1, "optional", kind, target),))
        enum = Enum("E", "K.E", (EnumValue("Zero", 0), EnumValue("One", 1)))
        schemas.append(Schema((File("K.proto", "K", (), (message,), (enum,)),)))
    (change,) = diff.compare(*schemas)
    return change.effect


@pytest.mark.parametrize(("old", "new"), list(permutations(KINDS, 2)))
def test_protobuf_agrees_on_which_changes_of_type_break_the_wire(old: str, new: str) -> None:
    # Zigzag writes 1 as 2, and every number but 0 reads as true: right by accident.
    survives = _survives(old, new) and not (old in ("sint32", "sint64") and new == "bool")
    assert (_type_effect(old, new) < Effect.WIRE) == survives
