"""The table of proto ids: its facts, and every way in which it can be wrong."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from codegen import ids, schema
from codegen.errors import TableError
from codegen.ids import ProtoId
from codegen.schema import File, Message, Schema

PROTOS = Path(__file__).parents[3] / "protos"
FACTS = Path(__file__).parent / "data" / "proto_ids.csv"


@pytest.fixture(scope="module")
def real() -> Schema:
    return schema.load(PROTOS)


@pytest.fixture(scope="module")
def rows(real: Schema) -> dict[int, ProtoId]:
    return {row.proto_id: row for row in ids.load(PROTOS / "proto_ids.toml", real)}


def test_the_table_has_every_id_with_its_facts(rows: dict[int, ProtoId]) -> None:
    with FACTS.open(newline="") as stream:
        facts = list(csv.DictReader(stream))
    assert [row.proto_id for row in rows.values()] == [int(fact["proto_id"]) for fact in facts]
    assert len(facts) == 187
    for fact in facts:
        row = rows[int(fact["proto_id"])]
        for name, value in fact.items():
            assert str(getattr(row, name) or "") == value, (row.proto_id, name)


def test_the_skill_messages_follow_no_convention(rows: dict[int, ProtoId]) -> None:
    assert (rows[3802].request, rows[3802].response) == (
        "FinancialUnusualReq",
        "FinancialUnusualRsp",
    )
    assert rows[3802].name == "SkillWrap_FinancialUnusual"


def test_five_ids_carry_raw_bytes_only(rows: dict[int, ProtoId]) -> None:
    assert [n for n, row in rows.items() if row.raw_only] == [1009, 3000, 3016, 3017, 3200]


def test_conflicts_are_marked_and_explained(rows: dict[int, ProtoId]) -> None:
    conflicts = {n: row.conflict for n, row in rows.items() if row.conflict}
    assert conflicts.keys() == {1006, 1009, 3000}
    assert rows[1006].aliases == ("GET_DELAY_STATISTICS",)
    assert "1007" in (conflicts[1006] or "")


def test_names_fall_back_to_the_schema_and_then_to_the_seed(rows: dict[int, ProtoId]) -> None:
    assert rows[3001].name == "Qot_Sub"
    assert rows[3001].aliases == ("QOT_SUB",)
    assert rows[2237].name == "Trd_ReconfirmOrder"
    assert rows[3200].name == "QOT_GET_TRADE_DATE"
    assert rows[3200].aliases == ()


def words(text: str) -> set[str]:
    return {w.lower() for w in re.findall(r"[A-Za-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text))}


def test_every_summary_is_one_sentence_that_says_more_than_the_name(
    rows: dict[int, ProtoId],
) -> None:
    summaries = [row.summary for row in rows.values()]
    assert len(set(summaries)) == len(summaries)
    for row in rows.values():
        assert row.summary.isascii(), row.proto_id
        assert row.summary.endswith("."), row.proto_id
        assert 20 <= len(row.summary) <= 140, row.proto_id
        assert len(words(row.summary) - words(row.name)) >= 4, row.proto_id


def small_schema() -> Schema:
    def file(name: str, *messages: str) -> File:
        return File(
            f"{name}.proto", name, (), tuple(Message(m, f"{name}.{m}", ()) for m in messages), ()
        )

    files = (
        file("Ask", "C2S", "Request", "Response"),
        file("InitWebSocket", "Request", "Response"),
        file("Tell", "Response"),
        file("Wrap", "AReq", "ARsp"),
    )
    return Schema(files)


GOOD = """
[1]
official_name = "Ask"
seed_name = "ASK"
kind = "request"
proto_file = "Ask.proto"
request = "Request"
response = "Response"
access = "none"
summary = "Asks."
[2]
official_name = "Tell"
kind = "push"
proto_file = "Tell.proto"
response = "Response"
access = "qot:read"
summary = "Tells."
[3]
seed_name = "RAW"
kind = "request"
access = "admin"
summary = "Raw."
[4]
official_name = "Wrap_A"
kind = "request"
proto_file = "Wrap.proto"
request = "AReq"
response = "ARsp"
access = "trade"
summary = "Wraps."
"""


def load(folder: Path, text: str, *, strict: bool = True) -> tuple[ProtoId, ...]:
    path = folder / "proto_ids.toml"
    path.write_text(text, "utf-8")
    return ids.load(path, small_schema(), strict=strict)


def test_a_good_table_loads_sorted(tmp_path: Path) -> None:
    first, rest = GOOD.split("[2]", 1)
    rows = load(tmp_path, "[2]" + rest + first)
    assert [row.proto_id for row in rows] == [1, 2, 3, 4]
    assert rows[3].messages(small_schema()) == ("Wrap.AReq", "Wrap.ARsp")
    assert rows[1].messages(small_schema()) == ("Tell.Response",)
    assert rows[2].messages(small_schema()) == ()


#: name → (what is replaced, by what, the faults)
BAD: dict[str, tuple[str, str, list[str]]] = {
    "missing": ("[4]", "[5]\nx = 1\n[4]", ["5: unknown key 'x'", "5: kind is missing",
        "5: access is missing", "5: summary is missing"]),
    "an id twice": ("[2]", "[1]", ["Cannot declare ('1',) twice (at line 11, column 3)"]),
    "no id": ("[3]", "[x3]", ["x3: not a proto id"]),
    "zero": ("[3]", "[0]", ["0: not a proto id"]),
    "padded": ("[3]", "[03]", ["03: not a proto id"]),
    "too large": ("[3]", "[4294967296]", ["4294967296: not a proto id"]),
    "no table": ("\n[1]", "\n9 = 1\n[1]", ["9: not a table"]),
    "no text": ('"Raw."', "3", ["3: summary is not a line of text"]),
    "empty text": ('"Raw."', '" "', ["3: summary is not a line of text"]),
    "syntax": ('"Raw."', "", ["Invalid value (at line 22, column 11)"]),
    "kind": ('"push"', '"shout"', ["2: kind 'shout' is none of request, push"]),
    "access": ('"admin"', '"root"', ["3: access 'root' is none of none, qot:read, qot:write, "
        "acc:read, trade, trade:unlock, admin"]),
    "no name": ('seed_name = "RAW"\n', "", ["3: has neither an official nor a seed name"]),
    "dangling file": ('"Tell.proto"', '"Gone.proto"', ["2: file Gone.proto does not exist"]),
    "dangling message": ('"ARsp"', '"BRsp"', ["4: message Wrap.BRsp does not exist in Wrap.proto"]),
    "request without request": ('request = "AReq"\n', "",
        ["4: is a request with a proto_file, but names no request message"]),
    "schema without response": ('response = "ARsp"\n', "",
        ["4: has a proto_file, but names no response"]),
    "push with request": ('kind = "push"', 'kind = "push"\nrequest = "Response"',
        ["2: is a push, but names a request message"]),
    "messages without schema": ('proto_file = "Tell.proto"\n', "",
        ["2: names messages, but no proto_file"]),
    "a schema that no id names": ('proto_file = "Tell.proto"\nresponse = "Response"\n', "",
        ["no id names the message Tell.Response of Tell.proto"]),
    "a message that two ids name": ('"Tell.proto"', '"Ask.proto"',
        ["2: message Ask.Response already belongs to 1",
         "no id names the message Tell.Response of Tell.proto"]),
    "a name twice": ('"Tell"', '"Ask"', ["2: the name Ask already belongs to 1",
        ]),
    "an alias that is a name": ('"RAW"', '"Tell"', ["3: the name Tell already belongs to 2"]),
    "an alias that reads like a name": ('"RAW"', '"TE_LL"',
        ["3: the name TE_LL reads like a name of 2"]),
    "a conflict without a seed name": ('official_name = "Tell"',
        'official_name = "Tell"\nconflict = "why"', ["2: a conflict needs a seed name"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_table_names_every_fault(tmp_path: Path, case: str) -> None:
    before, after, faults = BAD[case]
    assert GOOD.count(before) == 1
    with pytest.raises(TableError) as caught:
        load(tmp_path, GOOD.replace(before, after))
    assert list(caught.value.faults) == faults
    assert str(caught.value).startswith("proto_ids.toml: ")


def test_a_noted_conflict_allows_a_seed_name_that_reads_like_another(tmp_path: Path) -> None:
    text = GOOD.replace('"RAW"', '"TE_LL"\nconflict = "means something else"')
    assert load(tmp_path, text)[2].aliases == ()
    assert load(tmp_path, text)[2].name == "TE_LL"


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="No such file"):
        ids.load(tmp_path / "proto_ids.toml", small_schema())


def test_for_an_older_schema_the_ids_it_lacks_become_raw(tmp_path: Path) -> None:
    newer = "[5]\nofficial_name = 'Newer'\nkind = 'push'\nproto_file = 'Newer.proto'\n"
    newer += "response = 'Response'\naccess = 'none'\nsummary = 'New.'\n"
    with pytest.raises(TableError, match=r"5: file Newer\.proto does not exist"):
        load(tmp_path, GOOD + newer)
    row = load(tmp_path, GOOD + newer, strict=False)[4]
    assert row.raw_only
    assert (row.name, row.messages(small_schema())) == ("Newer", ())
    wrong = GOOD.replace('"ARsp"', '"BRsp"')
    with pytest.raises(TableError, match=r"4: message Wrap\.BRsp does not exist"):
        load(tmp_path, wrong, strict=False)


def test_the_table_serves_the_old_release(old_upstream_protos: Path, real: Schema) -> None:
    old = schema.load(old_upstream_protos)
    path = PROTOS / "proto_ids.toml"
    rows = ids.load(path, old, strict=False)
    assert [r.proto_id for r in rows] == [r.proto_id for r in ids.load(path, real)]
    assert {r.proto_file for r in rows if r.proto_file} <= {f.name for f in old.files}
    assert next(r for r in rows if r.proto_id == 3801).raw_only
    with pytest.raises(TableError, match="3801: file SkillWrapAPI"):
        ids.load(path, old)
