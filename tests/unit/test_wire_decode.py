"""The decoder's rules on hand-made messages; the oracle test holds it against upb at large."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct, defstruct
from msgspec.structs import asdict

from futukit._native import wire
from futukit.codec import decode, encode
from futukit.codec.plan import define, plan_of
from futukit.errors import DecodeError, UsageError
from futukit.types import OpenEnum


class Side(OpenEnum):
    UNKNOWN = 0
    BUY = 1
    SELL = 2
    FAR = 100_000


class Leaf(Struct, kw_only=True, frozen=True, gc=False):
    time: str
    price: float | None = None
    tags: tuple[str, ...] = ()


class Node(Struct, kw_only=True, frozen=True, gc=False):
    zeta: int | None = None
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    numbers: tuple[int, ...] = ()
    reals: tuple[float, ...] = ()
    side: Side | None = None
    flag: bool | None = None
    big: int | None = None
    signed: int | None = None
    unsigned: int | None = None
    short: float | None = None
    raw: bytes | None = None
    sides: tuple[Side, ...] = ()


class Answer(Struct, kw_only=True, frozen=True, gc=False):
    ret_type: Side
    node: Node | None = None
    far: int | None = None


class Nothing(Struct, kw_only=True, frozen=True, gc=False):
    pass


define(
    Leaf,
    "Test.Leaf",
    (
        (1, "time", "time", "time", "string", "required", None, None),
        (2, "price", "price", "price", "double", "optional", None, None),
        (3, "tags", "tags", "tags", "string", "repeated", None, None),
    ),
)
define(
    Node,
    "Test.Node",
    (
        (1, "zeta", "zeta", "zeta", "int32", "optional", None, None),
        (2, "leaf", "leaf", "leaf", "message", "optional", Leaf, None),
        (3, "leaves", "leafList", "leafList", "message", "repeated", Leaf, None),
        (4, "numbers", "numbers", "numbers", "int64", "repeated", None, None),
        (5, "reals", "reals", "reals", "double", "repeated", None, None),
        (6, "side", "side", "side", "enum", "optional", Side, None),
        (7, "flag", "flag", "flag", "bool", "optional", None, None),
        (8, "big", "big", "big", "uint64", "optional", None, None),
        (9, "signed", "signed", "signed", "int64", "optional", None, None),
        (10, "unsigned", "unsigned", "unsigned", "uint32", "optional", None, None),
        (11, "short", "short", "short", "float", "optional", None, None),
        (12, "raw", "raw", "raw", "bytes", "optional", None, None),
        (13, "sides", "sides", "sides", "int32", "repeated", Side, None),
    ),
)
define(
    Answer,
    "Test.Answer",
    (
        (1, "ret_type", "retType", "retType", "int32", "required", Side, -400),
        (4, "node", "node", "node", "message", "optional", Node, None),
        (5000, "far", "far", "far", "int32", "optional", None, None),
    ),
)
define(Nothing, "Test.Nothing", ())


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value % 2**64)


def blob(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def real(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def leaf(time: str | None, *more: bytes) -> bytes:
    return (b"" if time is None else blob(1, time.encode())) + b"".join(more)


def test_absent_fields_read_their_defaults() -> None:
    answer = decode(Answer, b"")
    assert answer == Answer(ret_type=Side(-400))
    assert answer.ret_type.listed is False
    node = decode(Node, b"")
    assert node == Node()
    assert id(node.leaves) == id(node.numbers)
    assert decode(Nothing, b"") == Nothing()


def test_integers_are_cut_to_their_width() -> None:
    assert decode(Node, number(1, 2**32 + 5)).zeta == 5
    assert decode(Node, number(1, -1)).zeta == -1
    assert decode(Node, number(1, 2**31)).zeta == -(2**31)
    assert decode(Node, number(8, 2**64 - 1)).big == 2**64 - 1
    assert decode(Node, number(9, -(2**63))).signed == -(2**63)
    assert decode(Node, number(10, 2**32 + 7)).unsigned == 7
    assert decode(Node, number(7, 2**40)).flag is True
    assert decode(Node, number(7, 0)).flag is False


def test_extra_bits_of_the_tenth_varint_byte_are_dropped() -> None:
    assert decode(Node, b"\x40" + b"\xff" * 9 + b"\x7f").big == 2**64 - 1


def test_enums_are_members_and_unknown_numbers_survive() -> None:
    node = decode(Node, number(6, 2) + number(13, 1) + number(13, 77) + number(13, 100_000))
    assert node.side is Side.SELL
    assert node.sides == (Side.BUY, 77, Side.FAR)
    assert node.sides[1] is Side(77)
    assert node.sides[2] is Side.FAR
    assert encode(node) == number(6, 2) + number(13, 1) + number(13, 77) + number(13, 100_000)


def test_strings_of_every_length_and_kind() -> None:
    for text in ["", "é", "腾讯控股", "a\0b", "\U0001f600" * 9, *("x" * n for n in range(1, 70))]:
        for _ in range(2):  # the second comes from the cache
            assert decode(Leaf, leaf(text)).time == text
    one, two = "ab", "aba"
    assert decode(Leaf, leaf(one)).time == one
    assert decode(Leaf, leaf(two)).time == two


@pytest.mark.parametrize("broken", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"a" * 30 + b"\xe9"])
def test_text_that_is_not_utf8_is_an_error_at_its_path(broken: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(Answer, blob(4, blob(3, leaf("t")) + blob(3, blob(1, broken))))
    assert caught.value.reason == "not UTF-8"
    assert caught.value.path == "Test.Answer.node.leafList[1].time"


def test_last_of_duplicate_scalars_wins() -> None:
    data = number(1, 1) + blob(12, b"a") + number(1, 2) + blob(12, b"b")
    assert decode(Node, data) == Node(zeta=2, raw=b"b")


def test_duplicate_messages_merge() -> None:
    first = blob(2, leaf("early", real(2, 1.0), blob(3, b"a"), blob(3, b"b")))
    second = blob(2, leaf("late", blob(3, b"c")))
    merged = decode(Node, first + number(1, 9) + second)
    assert merged == Node(zeta=9, leaf=Leaf(time="late", price=1.0, tags=("a", "b", "c")))
    assert type(merged.leaf and merged.leaf.tags) is tuple


def test_merging_can_supply_what_is_required() -> None:
    halves = blob(2, real(2, 1.0)) + blob(2, leaf("t"))
    assert decode(Node, halves).leaf == Leaf(time="t", price=1.0)


def test_interrupted_runs_are_one_field() -> None:
    data = number(4, 1) + number(4, 2) + number(1, 0) + number(4, 3) + blob(4, b"\x04\x05")
    assert decode(Node, data).numbers == (1, 2, 3, 4, 5)
    rows = blob(3, leaf("a")) + number(1, 0) + blob(3, leaf("b")) + blob(3, leaf("c"))
    node = decode(Node, rows)
    assert type(node.leaves) is tuple
    assert [row.time for row in node.leaves] == ["a", "b", "c"]


def test_packed_and_unpacked_are_both_read() -> None:
    packed = blob(4, b"\x01\xac\x02") + blob(5, struct.pack("<2d", 0.5, -0.0)) + blob(13, b"\x01")
    node = decode(Node, packed + blob(4, b""))
    assert node.numbers == (1, 300)
    assert str(node.reals) == "(0.5, -0.0)"
    assert node.sides == (Side.BUY,)
    assert encode(node) == number(4, 1) + number(4, 300) + real(5, 0.5) + real(5, -0.0) + number(
        13, 1
    )


def test_unknown_and_mistyped_fields_are_skipped() -> None:
    noise = number(99, 5) + real(77, 1.0) + blob(50, b"x") + b"\xd5\x06abcd"
    mistyped = blob(1, b"\x05") + number(2, 1) + real(4, 1.0) + blob(6, b"\x01")
    assert decode(Node, noise + number(1, 3) + mistyped) == Node(zeta=3)


def test_groups_are_skipped_up_to_a_depth() -> None:
    start, end = varint(77 << 3 | 3), varint(77 << 3 | 4)
    assert decode(Node, start + number(1, 1) + real(5, 1) + end + number(1, 3)) == Node(zeta=3)
    assert decode(Node, start * 100 + end * 100) == Node()
    for data in (start * 101 + end * 101, start, end, start + varint(78 << 3 | 4), start * 10**6):
        with pytest.raises(DecodeError):
            decode(Node, data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01",  # field number 0
        b"\xf8\xff\xff\xff\x1f\x01",  # a tag over 32 bits
        b"\x88\x80\x80\x80\x80\x00\x01",  # a tag of six bytes
        b"\x80",
        b"\x08",
        b"\x08" + b"\xff" * 10 + b"\x01",
        b"\x2d",
        b"\x5d\x00\x00",
        b"\x12\x05\x0a",
        b"\x12\xff\xff\xff\xff\x0f",
        b"\x12\x80\x80\x80\x80\x80\x00",
        b"\x22\x01\x80",
        b"\x2a\x07" + bytes(7),
        b"\x0e",
        b"\x0f",
    ],
)
def test_malformed_bytes_are_an_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(Node, data)


def test_errors_name_the_place() -> None:
    rows = b"".join(blob(3, leaf("t")) for _ in range(3)) + blob(3, leaf(None, real(2, 1)))
    with pytest.raises(DecodeError) as caught:
        decode(Answer, number(1, 0) + blob(4, rows))
    assert caught.value.path == "Test.Answer.node.leafList[3].time"
    assert caught.value.reason == "required field is missing"
    with pytest.raises(DecodeError) as caught:
        decode(Answer, blob(4, blob(3, leaf("t")) + blob(3, b"\x0a\x05x")))
    assert caught.value.path == "Test.Answer.node.leafList[1].time"
    assert caught.value.reason == "malformed length"


def test_missing_fields_of_earlier_rows_are_named_first() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(Node, blob(3, b"") + blob(2, b""))
    assert caught.value.path == "Test.Node.leaf.time"


def test_any_bytes_like_object_is_decoded() -> None:
    data = number(1, 5)
    for form in (bytearray(data), memoryview(data), memoryview(b"__" + data)[2:]):
        assert decode(Node, form) == Node(zeta=5)
    with pytest.raises(BufferError):
        decode(Node, memoryview(data * 2)[::2])
    with pytest.raises(TypeError):
        decode(Node, "text")  # type: ignore[arg-type]


@pytest.fixture
def few_cells() -> Iterator[None]:
    before = wire._limit_cells(1000)
    yield
    wire._limit_cells(before)


@pytest.mark.usefixtures("few_cells")
def test_a_small_body_cannot_claim_more_cells_than_allowed() -> None:
    assert len(decode(Node, blob(4, bytes(900))).numbers) == 900
    assert len(decode(Node, blob(3, leaf("t")) * 150).leaves) == 150
    for hostile in (
        blob(4, bytes(1001)),
        number(4, 1) * 1001,
        blob(3, leaf("t")) * 200,
        (number(4, 1) + number(1, 1)) * 1001,
    ):
        with pytest.raises(DecodeError, match="too many values"):
            decode(Node, hostile)


def test_hostile_repetition_takes_linear_time() -> None:
    # Quadratic or exponential work would take minutes here.
    many = 20_000
    merged = decode(Node, blob(2, leaf("t", blob(3, b"a"))) * many)
    assert merged.leaf is not None
    assert len(merged.leaf.tags) == many
    split = decode(Node, (number(4, 1) + number(1, 1)) * many)
    assert len(split.numbers) == many
    assert decode(Answer, blob(4, blob(2, leaf("t"))) * many).node == Node(leaf=Leaf(time="t"))


def test_long_tables_share_equal_floats_and_stay_right() -> None:
    prices = [float(i % 7) for i in range(500)]
    rows = b"".join(blob(3, leaf("t", real(2, price))) for price in prices)
    # A duplicate in a row frees a float that was lent to nobody yet; the next rows must not see it.
    rows += blob(3, leaf("t", real(2, 99.5), real(2, 98.5)))
    rows += b"".join(blob(3, leaf("t", real(2, price))) for price in [99.5, *prices])
    node = decode(Node, rows)
    assert [row.price for row in node.leaves] == [*prices, 98.5, 99.5, *prices]


@pytest.fixture(params=[True, False], ids=["kept", "made anew"])
def reals_kept(request: pytest.FixtureRequest) -> Iterator[bool]:
    assert wire._keep_reals(request.param) is request.param
    yield request.param
    assert wire._keep_reals(True) is True


@pytest.mark.usefixtures("reals_kept")
def test_a_float_that_is_still_used_never_changes() -> None:
    def decoded(seed: int) -> tuple[float, ...]:
        reals = decode(Node, b"".join(real(5, seed + i / 8) for i in range(100))).reals
        assert reals == tuple(seed + i / 8 for i in range(100))
        return reals

    used = [decoded(seed)[seed % 90 : seed % 90 + 3] for seed in range(300)]
    alone = [decode(Leaf, leaf("t", real(2, seed + 0.5))).price for seed in range(300)]
    assert used == [
        tuple(seed + i / 8 for i in range(seed % 90, seed % 90 + 3)) for seed in range(300)
    ]
    assert alone == [seed + 0.5 for seed in range(300)]


@pytest.mark.usefixtures("reals_kept")
def test_a_float_of_a_broken_message_serves_again() -> None:
    for seed in range(200):
        with pytest.raises(DecodeError):
            decode(Leaf, leaf("t", real(2, float(seed)), real(2, -1.0)) + b"\x00")
        assert decode(Leaf, leaf("t", real(2, seed + 0.25))).price == seed + 0.25


def test_a_message_of_many_fields_reads_all_that_are_absent() -> None:
    names = [f"field_{number}" for number in range(1, 151)]
    wide_class: Any = defstruct("Wide", [(name, int | None, None) for name in names], kw_only=True)
    define(
        wide_class,
        "Test.Wide",
        tuple(
            (i, name, name, name, "int32", "optional", None, i if i % 3 == 0 else None)
            for i, name in enumerate(names, 1)
        ),
    )
    defaults = {name: i if i % 3 == 0 else None for i, name in enumerate(names, 1)}
    for present in ([], [1], [63, 64, 65, 66], [150], [2, 31, 64, 128, 149], range(1, 151)):
        expected = defaults | {f"field_{i}": i + 1000 for i in present}
        wide = decode(wide_class, b"".join(number(i, i + 1000) for i in present))
        assert asdict(wide) == expected
        backwards = decode(wide_class, b"".join(number(i, i + 1000) for i in reversed(present)))
        assert asdict(backwards) == expected


def test_a_class_without_a_plan_is_a_usage_error() -> None:
    class Stranger(Struct):
        pass

    for call in (plan_of, lambda cls: decode(cls, b""), lambda cls: encode(cls())):
        with pytest.raises(UsageError):
            call(Stranger)
    with pytest.raises(UsageError):
        define(Leaf, "Test.Again", ())


ROW: tuple[Any, ...] = (1, "value", "value", "value", "int32", "optional", None, None)


@pytest.mark.parametrize(
    "rows",
    [
        (),
        (ROW[:7],),
        ((0, *ROW[1:]),),
        ((2**29, *ROW[1:]),),
        (ROW, ROW),
        ((*ROW[:4], "group", *ROW[5:]),),
        ((*ROW[:5], "maybe", *ROW[6:]),),
        ((*ROW[:4], "enum", *ROW[5:]),),
        ((*ROW[:4], "string", "optional", Side, None),),
        ((*ROW[:4], "enum", "optional", int, None),),
        ((*ROW[:4], "message", "optional", int, None),),
        ((1, "other", *ROW[2:]),),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_when_used(rows: tuple[Any, ...]) -> None:
    class Odd(Struct, kw_only=True, frozen=True):
        value: int | None = None

    define(Odd, "Test.Odd", rows)
    for _ in range(2):
        with pytest.raises(UsageError):
            decode(Odd, b"")


def test_plan_tells_its_message() -> None:
    plan = plan_of(Leaf)
    assert (plan.cls, plan.full_name, plan.fields[0][2]) == (Leaf, "Test.Leaf", "time")
    assert repr(plan) == "<Plan of Test.Leaf>"
    assert wire.decode(plan, leaf("t")) == Leaf(time="t")
    with pytest.raises(UsageError):
        plan.__init__(Leaf, "Test.Leaf", ())
    with pytest.raises(UsageError):
        wire.Plan(int, "Test.Int", ())  # type: ignore[arg-type]


def test_messages_may_contain_themselves() -> None:
    class Tree(Struct, kw_only=True, frozen=True):
        child: Any = None

    define(Tree, "Test.Tree", ((1, "child", "child", "child", "message", "optional", Tree, None),))

    def nested(depth: int) -> bytes:
        data = b""
        for _ in range(depth):
            data = blob(1, data)
        return data

    tree = decode(Tree, nested(99))
    assert encode(tree) == nested(99)
    with pytest.raises(DecodeError, match="nested too deep"):
        decode(Tree, nested(100))
