"""The gRPC service file: what is read of it, and which requests a bare body leaves open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from codegen import schema, service
from codegen.errors import SchemaError
from codegen.service_bodies import may_be_whole
from futukit.codec import plan_of
from futukit.messages import futu_service
from tests.unit.codegen.regenerate_tree import PROTOS

CARRIED = """
syntax = "proto3";
package p.q;
message Ask {
  // Which one.
  uint32 id = 1;
}
message Say {}
service S { rpc Do(Ask) returns (Say); }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str], Path]:
    def make(text: str) -> Path:
        (tmp_path / schema.SERVICE_FILE).write_text(text, encoding="utf-8")
        return tmp_path

    return make


def test_a_folder_without_a_service_has_none(tmp_path: Path) -> None:
    assert service.load(tmp_path) is None


def test_calls_fields_and_comments_are_read(folder: Callable[[str], Path]) -> None:
    found = service.load(folder(CARRIED))
    assert found is not None
    assert found.full_name == "p.q.S"
    assert found.calls == (service.Call("Do", "/p.q.S/Do"),)
    assert [message.name for message in found.file.messages] == ["Ask", "Say"]
    assert found.docs.field("p.q.Ask", "id") == "Which one."


@pytest.mark.parametrize(
    ("changed", "to", "reason"),
    [
        ("service S", "service T {} service S", "one service"),
        ("message Say {}", "message Say { Ask again = 1; }", "flat messages"),
        ("message Say {}", "message Say { map<string, string> m = 1; }", "maps are not carried"),
        ("message Say {}", "message Say { enum E { A = 0; } }", "flat messages"),
        ("message Say {}", "enum E { A = 0; } message Say {}", "one service"),
        ("returns (Say)", "returns (Nothing)", "not defined"),
    ],
)
def test_what_is_not_carried_is_named(
    folder: Callable[[str], Path], changed: str, to: str, reason: str
) -> None:
    with pytest.raises(SchemaError, match=reason):
        service.load(folder(CARRIED.replace(changed, to)))


def test_the_messages_have_the_numbers_of_the_reference() -> None:
    numbers = {
        cls.__name__: {row[2]: (row[0], row[4]) for row in plan_of(cls).fields}
        for cls in (
            futu_service.FutuRequest,
            futu_service.FutuResponse,
            futu_service.SubscribePushRequest,
            futu_service.PushEvent,
        )
    }
    assert numbers == {
        "FutuRequest": {"proto_id": (1, "uint32"), "body": (2, "bytes")},
        "FutuResponse": {
            "ret_type": (1, "int32"),
            "ret_msg": (2, "string"),
            "proto_id": (3, "uint32"),
            "body": (4, "bytes"),
        },
        "SubscribePushRequest": {},
        "PushEvent": {
            "proto_id": (1, "uint32"),
            "sec_key": (2, "string"),
            "sub_type": (3, "int32"),
            "body": (4, "bytes"),
            "event_type": (5, "string"),
            "acc_id": (6, "uint64"),
        },
    }
    assert futu_service.REQUEST == "/futu.service.FutuOpenD/Request"
    assert futu_service.SUBSCRIBE_PUSH == "/futu.service.FutuOpenD/SubscribePush"


@pytest.mark.parametrize(
    ("c2s", "open_question"),
    [
        ("optional string a = 1;", True),
        ("optional bytes a = 1; repeated int32 b = 2;", True),
        ("optional string a = 1; optional C2S b = 2;", True),
        ("required string a = 1;", False),
        ("repeated int32 a = 1;", False),
        ("optional Part a = 1; message Part {}", False),
        ("optional int32 a = 1;", False),
        ("optional string a = 2;", False),
        ("optional string a = 1; required int32 b = 2;", False),
        (
            "optional string a = 1; optional Part b = 2; message Part { required int32 c = 1; }",
            False,
        ),
        ("", False),
    ],
)
def test_which_bare_body_can_be_a_whole_one(tmp_path: Path, c2s: str, open_question: bool) -> None:
    c2s = c2s.replace("Part", "C2S.Part").replace("message C2S.Part", "message Part")
    text = 'syntax = "proto2"; package M; message Request { required C2S c2s = 1; } '
    (tmp_path / "M.proto").write_text(f"{text} message C2S {{ {c2s} }}", encoding="utf-8")
    assert may_be_whole(schema.load(tmp_path), "M.Request") is open_question


def test_those_found_are_the_four_of_the_reference() -> None:
    assert set(futu_service.WHOLE_ONLY) == {3259, 3434, 3435, 3436}
    assert not may_be_whole(schema.load(PROTOS), "SkillWrapAPI.TechnicalUnusualReq")
