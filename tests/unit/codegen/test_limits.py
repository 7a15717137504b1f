"""The table of limits: its facts, and every way in which it can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen import enums, ids, limits, model, render
from codegen.enums import Bindings
from codegen.ids import ProtoId
from codegen.limits import LimitsError
from codegen.model import Project
from codegen.schema import Schema
from codegen.schema import load as load_schema

PROTOS = Path(__file__).resolve().parents[3] / "protos"
SMALL = """
syntax = "proto2";
package Small;
enum Kind { Kind_Unknown = 0; Kind_Free = 3; }
message Header { optional uint64 accID = 1; }
message Bare { optional int32 number = 1; }
message C2S {
  required Header header = 1;
  optional bool refreshCache = 2;
  optional bytes nextKey = 3;
  optional int32 kind = 4;
  repeated string names = 5;
  optional double price = 6;
}
message Request { required C2S c2s = 1; }
message Response { required int32 retType = 1 [default = -400]; }
"""
OTHER = """
syntax = "proto2";
package Other;
message Header { optional int32 number = 1; }
message C2S { optional Header header = 1; }
message Request { required C2S c2s = 1; }
message Response { required int32 retType = 1 [default = -400]; }
"""
FLAT = """
syntax = "proto2";
package Flat;
message Request { optional int32 number = 1; }
message Response { required int32 retType = 1 [default = -400]; }
"""
PUSH = """
syntax = "proto2";
package Push;
message Response { required int32 retType = 1 [default = -400]; }
"""
LIMITED = """
[1]
max_requests = 15
per_seconds = 30
min_spacing_ms = 20
max_items = 400
scope = "account"
limiter = "both"
counted_if = "refreshCache"
page_field = "nextKey"
free = { kind = "Kind_Free" }
source = "a.html"
"""
BOUND = '[rule]\n[bind]\n"Small.C2S.kind" = "Small.Kind"\n[unbound]\n[unused]\n'


def plain(key: str, *lines: str) -> str:
    """A row with the least that a limited id needs, and more."""
    rows = ("max_requests = 1", "per_seconds = 30", 'scope = "all"', 'source = "b.html"', *lines)
    names = [row.split(" = ")[0] for row in lines]
    kept = [row for row in rows if row in lines or row.split(" = ")[0] not in names]
    return "\n".join((f"[{key}]", *kept, ""))


def row(proto_id: int, name: str, kind: str = "request") -> ProtoId:
    return ProtoId(
        proto_id=proto_id,
        kind=kind,
        access="none",
        summary="For one test.",
        official_name=name,
        proto_file=f"{name}.proto",
        request="Request" if kind == "request" else None,
        response="Response",
    )


IDS = (
    row(1, "Small"),
    row(2, "Other"),
    row(3, "Flat"),
    row(4, "Push", "push"),
    ProtoId(proto_id=5, kind="request", access="none", summary="Raw.", seed_name="RAW"),
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Schema, Bindings]:
    folder = tmp_path_factory.mktemp("small")
    for name, text in (("Small", SMALL), ("Other", OTHER), ("Flat", FLAT), ("Push", PUSH)):
        (folder / f"{name}.proto").write_text(text)
    (folder / "enums.toml").write_text(BOUND)
    schema = load_schema(folder)
    return schema, enums.load(folder / "enums.toml", schema)


def load(
    folder: Path, small: tuple[Schema, Bindings], text: str, *, strict: bool = True
) -> tuple[limits.Limit, ...]:
    path = folder / "limits.toml"
    path.write_text(text, "utf-8")
    return limits.load(path, small[0], IDS, small[1], strict=strict)


def test_a_row_says_what_the_table_says(tmp_path: Path, small: tuple[Schema, Bindings]) -> None:
    second, first = plain("2", "max_items = 7"), LIMITED
    assert load(tmp_path, small, second + first) == (
        limits.Limit(
            proto_id=1,
            source="a.html",
            max_requests=15,
            per_seconds=30,
            min_spacing_ms=20,
            max_items=400,
            scope="account",
            limiter="both",
            counted_if="refreshCache",
            page_field="nextKey",
            free=("kind", 3),
        ),
        limits.Limit(
            proto_id=2, source="b.html", max_requests=1, per_seconds=30, max_items=7, scope="all"
        ),
    )


def test_a_missing_table_limits_nothing(tmp_path: Path, small: tuple[Schema, Bindings]) -> None:
    assert limits.load(tmp_path / "limits.toml", small[0], IDS, small[1]) == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[1", "not TOML: "),
        (plain("x"), "x: not a proto id"),
        (plain("01"), "01: not a proto id"),
        ("1 = 2\n", "1: not a table"),
        (plain("1", "max_requests = 0"), "1: max_requests is not a whole number above 0"),
        (plain("1", "per_seconds = 1.5"), "1: per_seconds is not a whole number above 0"),
        (plain("1", "max_items = true"), "1: max_items is not a whole number above 0"),
        (plain("1", "limiter = 5"), "1: limiter is not a text"),
        (plain("1", 'page_field = ""'), "1: page_field is not a text"),
        (plain("1", 'colour = "red"'), "1: unknown key 'colour'"),
        (plain("1", 'free = "kind"'), "1: free is not one field with one value's name"),
        (plain("1", "free = { kind = 3 }"), "1: free is not one field with one value's name"),
        (plain("1", 'scope = "city"'), "1: scope 'city' is none of account, user, all"),
        ('[1]\nmax_requests = 1\nscope = "all"\nsource = "x"\n', "1: per_seconds is missing"),
        ('[1]\nmax_requests = 1\nper_seconds = 1\nsource = "x"\n', "1: scope is missing"),
        ('[1]\nper_seconds = 1\nsource = "x"\n', "1: max_requests is missing"),
        ("[1]\nmax_items = 1\n", "1: source is missing"),
        ('[1]\nsource = "x"\n', "1: says nothing"),
        (
            '[1]\nmax_items = 1\nscope = "all"\nsource = "x"\n',
            "1: scope without max_requests",
        ),
        (plain("9"), "9: no request with a C2S has this id"),
        (plain("3"), "3: no request with a C2S has this id"),
        (plain("4"), "4: no request with a C2S has this id"),
        (plain("5"), "5: no request with a C2S has this id"),
        (plain("1", 'counted_if = "gone"'), "1: C2S has no bool field 'gone'"),
        (plain("1", 'counted_if = "kind"'), "1: C2S has no bool field 'kind'"),
        (plain("1", 'page_field = "gone"'), "1: C2S has no text or number field 'gone'"),
        (plain("1", 'page_field = "names"'), "1: C2S has no text or number field 'names'"),
        (plain("1", 'page_field = "price"'), "1: C2S has no text or number field 'price'"),
        (
            plain("1", 'free = { kind = "Kind_Gone" }'),
            "1: C2S has no field 'kind' with an enum that has 'Kind_Gone'",
        ),
        (
            plain("1", 'free = { nextKey = "Kind_Free" }'),
            "1: C2S has no field 'nextKey' with an enum that has 'Kind_Free'",
        ),
        (
            plain("2", 'scope = "account"'),
            "2: counts per account, but its header has no accID",
        ),
        (
            LIMITED + plain("2", 'limiter = "both"'),
            "2: limiter 'both' has other numbers in 1",
        ),
    ],
)
def test_a_wrong_table_is_refused_by_file_and_id(
    tmp_path: Path, small: tuple[Schema, Bindings], text: str, fault: str
) -> None:
    with pytest.raises(LimitsError) as caught:
        load(tmp_path, small, text)
    assert [found.startswith(fault) for found in caught.value.faults] == [True]
    assert str(caught.value).startswith(f"limits.toml: {fault}")


def test_an_account_needs_a_header(tmp_path: Path) -> None:
    (tmp_path / "Small.proto").write_text(SMALL.replace("required Header header = 1;", ""))
    schema = load_schema(tmp_path)
    (tmp_path / "limits.toml").write_text(plain("1", 'scope = "account"'))
    with pytest.raises(LimitsError, match="but its C2S has no header"):
        limits.load(tmp_path / "limits.toml", schema, IDS[:1], Bindings({}, {}, {}, {}))


def test_all_faults_are_told_at_once(tmp_path: Path, small: tuple[Schema, Bindings]) -> None:
    text = plain("1", 'page_field = "gone"', 'counted_if = "gone"') + plain("9")
    with pytest.raises(LimitsError) as caught:
        load(tmp_path, small, text)
    assert len(caught.value.faults) == 3


def test_an_unreadable_table_is_a_fault(tmp_path: Path, small: tuple[Schema, Bindings]) -> None:
    (tmp_path / "limits.toml").write_bytes(b"\xff")
    with pytest.raises(LimitsError, match="cannot be read"):
        limits.load(tmp_path / "limits.toml", small[0], IDS, small[1])


def test_an_older_schema_counts_every_request_where_a_field_is_missing(
    tmp_path: Path, small: tuple[Schema, Bindings]
) -> None:
    gone = ('counted_if = "gone"', 'page_field = "gone"', 'free = { kind = "Kind_Gone" }')
    text = plain("1", *gone) + plain("9")
    [found] = load(tmp_path, small, text, strict=False)
    assert (found.proto_id, found.max_requests) == (1, 1)
    assert (found.counted_if, found.page_field, found.free) == (None, None, None)


def test_the_generated_rows_have_attributes_and_seconds() -> None:
    rows = model.limit_rows(Project.load(PROTOS))
    assert '2101, 10, 30, scope="account", counted_if="refresh_cache"' in rows
    assert '2202, 15, 30, min_spacing=0.02, scope="account", limiter="place_order"' in rows
    assert '3206, 10, 30, free=("reference_type", 1)' in rows
    assert "3006, max_items=1000" in rows


def test_without_a_table_the_module_is_there_and_empty() -> None:
    project = Project.load(PROTOS)
    bare = Project(project.schema, project.ids, project.bindings, project.docs, project.naming)
    text = render.outputs(bare)["futukit/core/_limits.py"]
    namespace: dict[str, object] = {"__name__": "limits_of_nothing"}
    exec(compile(text, "limits_of_nothing", "exec"), namespace)
    assert namespace["LIMITS"] == {}


def test_the_table_names_requests_of_the_id_table_only() -> None:
    project = Project.load(PROTOS)
    known = {found.proto_id for found in ids.load(PROTOS / "proto_ids.toml", project.schema)}
    assert {found.proto_id for found in project.limits} <= known
    assert len(project.limits) == 125
