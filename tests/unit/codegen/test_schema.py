"""The schema model: what protoc reads, and how its complaints reach the user."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from codegen import schema
from codegen.errors import CodegenError, SchemaError
from codegen.schema import Enum, EnumValue, Field, Schema

from .conftest import Write, proto

PROTOS = Path(__file__).parents[3] / "protos"


@pytest.fixture(scope="module")
def real() -> Schema:
    return schema.load(PROTOS)


def test_the_schema_has_the_185_files_and_1000_messages_of_the_release(real: Schema) -> None:
    messages = [message for file in real.files for message in file.walk_messages()]
    assert len(real.files) == 185
    assert len(messages) == 996 + 4
    assert sum(len(m.fields) for m in messages) == 4407 + 6 + 2 + 1 + 4
    assert [f.name for f in real.files] == sorted(f.name for f in real.files)


def test_a_field_has_all_its_facts(real: Schema) -> None:
    response = real.message("Qot_GetKL.Response")
    assert response.fields == (
        Field("retType", "retType", 1, "required", "int32", None, -400),
        Field("retMsg", "retMsg", 2, "optional", "string"),
        Field("errCode", "errCode", 3, "optional", "int32"),
        Field("s2c", "s2c", 4, "optional", "message", "Qot_GetKL.S2C"),
    )
    fields = {f.name: f for f in real.message("Trd_Common.Position").fields}
    assert fields["td_plVal"].json_name == "tdPlVal"


def test_deprecated_is_kept_on_fields_and_on_enum_values(real: Schema) -> None:
    fields = [
        f.name for f in real.message("Qot_OptionScreen.OptionScreenItem").fields if f.deprecated
    ]
    assert fields == ["buyBreakEvenPoint"]
    values = real.enum("Qot_OptionScreen.UnderlyingIndicatorType").values
    assert [v.name for v in values if v.deprecated] == ["UnderlyingIndicatorType_Plate"]


def test_the_one_enum_with_aliases_is_known(real: Schema) -> None:
    enums = [e for f in real.files for e in f.walk_enums() if e.allow_alias]
    assert [e.full_name for e in enums] == ["Qot_Common.QotMarketState"]


def test_look_ups_by_full_name_and_by_file(real: Schema) -> None:
    assert real.home("Qot_Common.Security").name == "Qot_Common.proto"
    assert real.has_file("Qot_Sub.proto")
    assert not real.has_file("Qot_Nothing.proto")
    with pytest.raises(KeyError):
        real.message("Qot_Common.Nothing")


def test_used_files_leaves_out_imports_that_serve_nothing(real: Schema) -> None:
    file = real.file("KeepAlive.proto")
    assert file.imports == ("Common.proto",)
    assert real.used_files(file) == ()
    assert real.used_files(real.file("Qot_Sub.proto")) == ("Qot_Common.proto",)


def test_nested_types_defaults_and_order_survive(write: Write) -> None:
    text = """
    message Outer {
      enum Kind { option allow_alias = true; Kind_B = 2; Kind_A = 1; Kind_C = 1; }
      message Inner { repeated bytes z = 9; optional Kind kind = 1 [default = Kind_A]; }
      optional double low = 3 [default = -inf];
      optional bytes raw = 2 [default = "\\001\\377x"];
      optional bool on = 1 [default = true];
      optional string word = 4 [default = "a\\"b"];
      optional uint64 big = 5 [default = 18446744073709551615];
    }"""
    outer = schema.load(write("protos", {"T.proto": proto(text)})).message("T.Outer")
    assert outer.enums == (
        Enum(
            "Kind",
            "T.Outer.Kind",
            (EnumValue("Kind_B", 2), EnumValue("Kind_A", 1), EnumValue("Kind_C", 1)),
            allow_alias=True,
        ),
    )
    assert [f.name for f in outer.fields] == ["low", "raw", "on", "word", "big"]
    assert [f.default for f in outer.fields] == [
        float("-inf"),
        b"\x01\xffx",
        True,
        'a"b',
        2**64 - 1,
    ]
    inner = outer.messages[0]
    assert inner.full_name == "T.Outer.Inner"
    assert [f.name for f in inner.fields] == ["z", "kind"]
    assert inner.fields[1].type_name == "T.Outer.Kind"
    assert inner.fields[1].default == "Kind_A"


def test_the_grpc_service_file_is_not_part_of_the_schema(write: Write) -> None:
    service = 'syntax = "proto3"; service S {} '
    folder = write("protos", {"T.proto": proto("message M {}"), schema.SERVICE_FILE: service})
    assert [f.name for f in schema.load(folder).files] == ["T.proto"]


def test_a_folder_name_may_hold_colons_and_spaces(write: Write) -> None:
    folder = write("a b:c", {"T.proto": proto("message M {}")})
    assert schema.load(folder).has_message("T.M")


def test_a_module_in_the_folder_is_not_imported(write: Write) -> None:
    folder = write("protos", {"T.proto": proto("message M {}"), "grpc_tools/__init__.py": "1/0"})
    assert schema.load(folder).has_message("T.M")


#: name → (files, file at fault, line or None, field or None, part of the reason)
BAD: dict[str, tuple[dict[str, str], str, int | None, str | None, str]] = {
    "syntax error": (
        {"T.proto": proto("message M {\n  required int32 a = 1\n}")},
        "T.proto", 5, None, 'Expected ";"',
    ),
    "unknown type": (
        {"T.proto": proto("message M {\n  required Foo a = 1;\n}")},
        "T.proto", 4, None, '"Foo" is not defined',
    ),
    "message name twice": (
        {"T.proto": proto("message M {}\nmessage M {}")},
        "T.proto", 4, None, '"M" is already defined',
    ),
    "name of another file": (
        {"A.proto": proto("message M {}"), "B.proto": proto('import "A.proto"; message M {}')},
        "B.proto", 3, None, '"T.M" is already defined in file "A.proto"',
    ),
    "field name twice": (
        {"T.proto": proto("message M { optional int32 a = 1;\noptional int32 a = 2; }")},
        "T.proto", 4, None, '"a" is already defined in "T.M"',
    ),
    "number twice": (
        {"T.proto": proto("message M { optional int32 a = 1;\noptional int32 b = 1; }")},
        "T.proto", 4, None, 'Field number 1 has already been used in "T.M" by field "a"',
    ),
    "number out of range": (
        {"T.proto": proto("message M { optional int32 a = 536870912; }")},
        "T.proto", 3, None, "536870911",
    ),
    "alias without allow_alias": (
        {"T.proto": proto("enum E { A = 1;\nB = 1; }")},
        "T.proto", 4, None, "same enum value",
    ),
    "missing import": (
        {"T.proto": proto('import "Gone.proto";')},
        "T.proto", 3, None, "Gone.proto",
    ),
    "import circle": (
        {"A.proto": proto('import "B.proto";'), "B.proto": proto('import "A.proto";', "U")},
        "A.proto", 3, None, "recursively imports itself",
    ),
    "proto3": (
        {"T.proto": 'syntax = "proto3"; message M {}'},
        "T.proto", None, None, "only proto2",
    ),
    "oneof": (
        {"T.proto": proto("message M { oneof one { int32 a = 1; } }")},
        "T.proto", None, "T.M.one", "oneofs",
    ),
    "map": (
        {"T.proto": proto("message M { map<string, int32> m = 1; }")},
        "T.proto", None, "T.M.MEntry", "maps",
    ),
    "group": (
        {"T.proto": proto("message M { optional group G = 1 {} }")},
        "T.proto", None, "T.M.g", "groups",
    ),
    "extension": (
        {"T.proto": proto("message M { extensions 100 to 200; }")},
        "T.proto", None, "T.M", "extensions",
    ),
    "service": (
        {"T.proto": proto("message M {} service S { rpc F(M) returns (M); }")},
        "T.proto", None, "S", "services",
    ),
    "type from elsewhere": (
        {
            "T.proto": proto(
                'import "google/protobuf/empty.proto";'
                "message M { optional google.protobuf.Empty e = 1; }"
            )
        },
        "T.proto", None, "T.M.e", "declared outside this folder",
    ),
    "JSON names that meet": (
        {"T.proto": proto("message M { optional int32 a_b = 1; optional int32 aB = 2; }")},
        "T.proto", None, "T.M.aB", "'aB' also belongs to field a_b",
    ),
    "odd file name": (
        {"-I.proto": proto("message M {}")},
        "-I.proto", None, None, "only letters, digits and _",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_schema_names_file_and_line_or_field(write: Write, case: str) -> None:
    files, file, line, field, reason = BAD[case]
    with pytest.raises(SchemaError) as caught:
        schema.load(write("protos", files))
    error = caught.value
    assert (error.file, error.line, error.field) == (file, line, field)
    assert reason in error.reason
    assert str(error).startswith(file if line is None else f"{file}:{line}:")


def test_all_complaints_of_one_run_are_told(write: Write) -> None:
    folder = write("protos", {"T.proto": proto("message M {}\nmessage M {}\nmessage M {}")})
    with pytest.raises(SchemaError) as caught:
        schema.load(folder)
    assert len(caught.value.others) == 1
    assert str(caught.value).count("already defined") == 2


def test_a_folder_without_protos_is_an_error(write: Write) -> None:
    with pytest.raises(SchemaError, match=r"no \.proto files"):
        schema.load(write("empty", {}))


def test_a_missing_compiler_is_named(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CodegenError, match=r"futukit\[codegen\]"):
        schema.load(write("protos", {"T.proto": proto("message M {}")}))
