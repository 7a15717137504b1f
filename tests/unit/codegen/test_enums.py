"""The table of int32 enums: its facts, its validation and its check."""

from __future__ import annotations

import io
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from codegen import schema as schemas
from codegen.enums import Bindings, EnumBindingError, check, load, report, run
from codegen.errors import CodegenError
from codegen.schema import Enum, EnumValue, Field, File, Message, Schema

PROTOS = Path(__file__).parents[3] / "protos"
TABLE = PROTOS / "enums.toml"


@pytest.fixture(scope="module")
def real() -> Schema:
    return schemas.load(PROTOS)


@pytest.fixture(scope="module")
def bindings(real: Schema) -> Bindings:
    return load(TABLE, real)


def int32(name: str, number: int = 1, kind: str = "int32", type_name: str | None = None) -> Field:
    return Field(name, name, number, "optional", kind, type_name)


def enum(full_name: str) -> Enum:
    name = full_name.rpartition(".")[2]
    return Enum(name, full_name, (EnumValue(f"{name}_Unknown", 0),))


def small_schema() -> Schema:
    """``A`` uses a message of ``B``; an int32 of ``B`` may carry an enum of ``A``."""
    row = Message("Row", "B.Row", (int32("side"), int32("count", 2), int32("kind", 3, "int64")))
    fields = (
        int32("retType"),
        int32("row", 2, "message", "B.Row"),
        int32("sideList", 3),
        int32("typed", 4, "enum", "A.Used"),
        int32("note", 5, "string"),
    )
    a = File(
        "A.proto", "A", ("B.proto",), (Message("C2S", "A.C2S", fields),),
        (enum("A.Side"), enum("A.RetType"), enum("A.Used")),
    )  # fmt: skip
    return Schema((a, File("B.proto", "B", (), (row,), (enum("B.Side"),))))


def read(folder: Path, text: str, *, strict: bool = True) -> Bindings:
    path = folder / "enums.toml"
    path.write_text(text, "utf-8")
    return load(path, small_schema(), strict=strict)


COMPLETE = """
[rule]
retType = "A.RetType"
[bind]
"A.C2S.sideList" = "A.Side"
"B.Row.side" = "B.Side"
[unbound]
"B.Row.kind" = "an int64 with a code of its own"
"""


def test_nothing_in_the_schema_is_left_unexplained(real: Schema, bindings: Bindings) -> None:
    found = report(real, bindings)
    assert found.unexplained == ()
    assert found.unused == ()
    assert check(real, bindings, io.StringIO()) == 0


def test_counts(real: Schema, bindings: Bindings) -> None:
    assert len(bindings.bound) == 418
    assert len(bindings.by_rule) == 183
    assert len(bindings.unbound) == 83
    assert len(bindings.unused) == 8
    assert bindings.skipped == ()
    carried = Counter(bindings.bound.values())
    assert len(carried) == 186
    assert carried.most_common(3) == [
        ("Qot_Common.QotRight", 46),
        ("Qot_Common.QotMarket", 26),
        ("Qot_Common.QotMarketState", 12),
    ]
    assert sum(1 for file in real.files for _ in file.walk_enums()) == 219


def test_every_enum_is_carried_or_listed_as_unused(real: Schema, bindings: Bindings) -> None:
    typed = {
        item.type_name
        for file in real.files
        for message in file.walk_messages()
        for item in message.fields
        if item.kind == "enum"
    }
    carried = typed | {*bindings.bound.values(), *bindings.by_rule.values()}
    every = {item.full_name for file in real.files for item in file.walk_enums()}
    assert every - carried == set(bindings.unused)


def test_every_ret_type_is_covered_by_the_rule(real: Schema, bindings: Bindings) -> None:
    for file in real.files:
        for message in file.walk_messages():
            if any(item.name == "retType" for item in message.fields):
                assert bindings.enum_of(f"{message.full_name}.retType") == "Common.RetType"


def test_a_bare_enum_name_means_the_packages_own_enum(real: Schema, bindings: Bindings) -> None:
    for name, full_enum in bindings.bound.items():
        own = f"{name.partition('.')[0]}.{full_enum.rpartition('.')[2]}"
        assert full_enum == own or not real.has_enum(own), name


def test_list_fields_carry_enums_too(bindings: Bindings) -> None:
    assert bindings.enum_of("Qot_Sub.C2S.subTypeList") == "Qot_Common.SubType"
    assert bindings.enum_of("Trd_Common.TrdAcc.trdMarketAuthList") == "Trd_Common.TrdMarket"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Qot_Common.Security.market", "Qot_Common.QotMarket"),
        ("Qot_Common.Ticker.type", "Qot_Common.TickerType"),
        ("Qot_GetOptionEvent.EventItem.tickerType", "Qot_GetOptionEvent.TickerType"),
        ("Qot_GetOptionEventAlert.EventAlertItem.sideTypeList", "Qot_GetOptionEvent.TickerType"),
        ("Qot_GetOptionEvent.EventItem.orderTypeList", "Qot_GetOptionEvent.OptionOrderType"),
        ("Qot_GetPeriodChangeRank.C2S.periodType", "Qot_GetPeriodChangeRank.PeriodType"),
        ("Qot_GetCapitalFlow.C2S.periodType", "Qot_Common.PeriodType"),
        ("Qot_StockFilter.BaseFilter.sortDir", "Qot_StockFilter.SortDir"),
        ("Qot_RequestHistoryKL.C2S.session", "Common.Session"),
        ("Trd_PlaceOrder.C2S.timeInForce", "Trd_Common.TimeInForce"),
        ("InitConnect.C2S.pushProtoFmt", "Common.ProtoFmt"),
        ("GetUserInfo.C2S.flag", None),
        ("Qot_WarrantScreen.WarrantItem.status", None),
        ("Qot_GetKL.C2S.reqNum", None),
        ("Qot_GetKL.Response.errCode", None),
        ("No.Such.field", None),
    ],
)
def test_enum_of_a_field(bindings: Bindings, name: str, expected: str | None) -> None:
    assert bindings.enum_of(name) == expected


def test_files_of_enums_are_found_where_the_schema_does_not_import_them(
    real: Schema, bindings: Bindings
) -> None:
    file = real.file("GetUserInfo.proto")
    assert "Qot_Common.proto" not in file.imports
    assert bindings.used_files(real, file) == ("Common.proto", "Qot_Common.proto")


def test_the_two_common_files_need_each_other(real: Schema, bindings: Bindings) -> None:
    assert bindings.circular_files(real) == ("Qot_Common.proto", "Trd_Common.proto")


def test_the_table_is_sorted() -> None:
    for name, table in tomllib.loads(TABLE.read_text("utf-8")).items():
        assert list(table) == sorted(table), name


def test_the_table_holds_no_text_of_upstream() -> None:
    assert re.search(r"[\u3000-\u9fff\uff00-\uffef]", TABLE.read_text("utf-8")) is None


def test_an_older_schema_skips_what_it_does_not_have(tmp_path: Path) -> None:
    text = COMPLETE + '"A.C2S.later" = "came later"\n[unused]\n"A.Later" = "came later"\n'
    found = read(tmp_path, text, strict=False)
    assert found.skipped == ("A.C2S.later", "A.Later")
    assert found.enum_of("A.C2S.sideList") == "A.Side"


def test_a_complete_table_passes_the_check(tmp_path: Path) -> None:
    found = read(tmp_path, COMPLETE)
    out = io.StringIO()
    assert check(small_schema(), found, out, verbose=True) == 0
    assert "bound: 2 one by one, 1 by rule\n  A.C2S.sideList: A.Side\n" in out.getvalue()
    assert "B.Row.kind: an int64 with a code of its own" in out.getvalue()
    assert out.getvalue().endswith("unexplained: 0\n")


def test_a_suspect_without_an_explanation_fails_the_check(tmp_path: Path) -> None:
    found = read(tmp_path, COMPLETE.replace('"B.Row.side" = "B.Side"', ""))
    out = io.StringIO()
    assert check(small_schema(), found, out) == 1
    assert report(small_schema(), found).ambiguous == {"B.Row.side": ("B.Side", "A.Side")}
    assert "  B.Row.side: perhaps B.Side or A.Side\n  B.Side: an enum" in out.getvalue()


def test_an_explained_suspect_passes_the_check(tmp_path: Path) -> None:
    text = COMPLETE.replace('"B.Row.side" = "B.Side"', "") + (
        '"B.Row.side" = "a side of the table"\n[unused]\n"B.Side" = "of no use"\n'
    )
    assert check(small_schema(), read(tmp_path, text), io.StringIO()) == 0


def test_a_count_is_no_suspect(tmp_path: Path) -> None:
    assert "B.Row.count" not in report(small_schema(), read(tmp_path, COMPLETE)).suspects


def test_an_enum_carried_by_a_file_that_its_own_file_uses_is_circular(tmp_path: Path) -> None:
    assert read(tmp_path, COMPLETE).circular_files(small_schema()) == ()
    turned = read(tmp_path, COMPLETE.replace('"B.Side"', '"A.Side"'))
    assert turned.circular_files(small_schema()) == ("A.proto",)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('[bind]\n"A.C2S.nothing" = "A.Side"', "A.C2S.nothing: no such field"),
        ('[bind]\n"A.C2S.sideList" = "A.Sides"', "A.C2S.sideList: no enum A.Sides"),
        ('[bind]\n"A.C2S.note" = "A.Side"', "A.C2S.note: is string, only int32 can be bound"),
        ('[bind]\n"B.Row.kind" = "A.Side"', "B.Row.kind: is int64, only int32 can be bound"),
        ('[bind]\n"A.C2S.typed" = "A.Used"', "A.C2S.typed: is enum, only int32 can be bound"),
        (
            '[bind]\n"A.C2S.sideList" = "A.Side"\n"A.C2S.sideList" = "B.Side"',
            "A.C2S.sideList: stands twice in [bind]",
        ),
        (
            '[bind]\n"A.C2S.sideList" = "A.Side"\n[unbound]\n"A.C2S.sideList" = "no"',
            "A.C2S.sideList: is bound too",
        ),
        (
            '[bind]\n"A.C2S.retType" = "A.Side"\n[rule]\nretType = "A.RetType"',
            "A.C2S.retType: the rule for retType covers it already",
        ),
        ('[rule]\nretTypes = "A.RetType"', "retTypes: no field has this name"),
        ('[rule]\nretType = "A.Ret"', "retType: no enum A.Ret"),
        ('[rule]\nnote = "A.Side"', "A.C2S.note: is string, the rule for note fails"),
        ('[unbound]\n"A.C2S.nothing" = "gone"', "A.C2S.nothing: no such field"),
        ('[unbound]\n"A.C2S.note" = "a text"', "A.C2S.note: is string, not an integer"),
        ('[unused]\n"A.Gone" = "gone"', "A.Gone: no enum A.Gone"),
        ('[unused]\n"A.Used" = "idle"', "A.Used: is carried by a field"),
        ('[bind]\n"A.C2S.sideList" = 3', "A.C2S.sideList: needs a text in [bind]"),
        ('[unbound]\n"B.Row.kind" = ""', "B.Row.kind: needs a text in [unbound]"),
        ('[bound]\n"A.C2S.sideList" = "A.Side"', "bound: not one of the tables"),
        ("rule = 3", "rule: not a table"),
        ("[bind", "not TOML:"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, line: str, fault: str) -> None:
    with pytest.raises(EnumBindingError, match=re.escape(f"enums.toml: {fault}")):
        read(tmp_path, line)


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(EnumBindingError) as caught:
        read(tmp_path, '[bind]\n"A.C2S.x" = "A.Side"\n[unused]\n"A.Y" = "gone"')
    assert caught.value.faults == ("A.C2S.x: no such field", "A.Y: no enum A.Y")
    assert isinstance(caught.value, CodegenError)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnumBindingError, match=r"enums\.toml: cannot be read"):
        load(tmp_path / "enums.toml", small_schema())


def test_run_checks_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proto = 'syntax = "proto2"; package P; enum Side { Side_No = 0; }'
    (tmp_path / "P.proto").write_text(proto + " message M { optional int32 side = 1; }", "utf-8")
    table = tmp_path / "enums.toml"
    table.write_text("", "utf-8")
    assert run(tmp_path) == 1
    assert "P.M.side: perhaps P.Side" in capsys.readouterr().out
    table.write_text('[bind]\n"P.M.side" = "P.Side"\n', "utf-8")
    assert run(tmp_path) == 0
