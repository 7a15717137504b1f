"""A protocol update from end to end, on two real releases and on a synthetic pair."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from codegen import render, service
from codegen import schema as schemas
from codegen.model import Project
from tests.support import upstream
from tests.unit.codegen.regenerate_tree import PROTOS, ROOT, TABLES, child, codegen, overlay

REAL_BREAKS = [
    "breaks wire             TestCmd.S2C.resultStr: label required -> optional",
    "breaks JSON and source  TestCmd.C2S.paramStr: renamed from params (number 2)",
    "breaks JSON and source  TestCmd.S2C.resultStr: renamed from result (number 2)",
    "breaks JSON and source  UsedQuota.S2C.usedKLineQuota: "
    "renamed from used_kline_quota (number 2)",
    "breaks JSON and source  UsedQuota.S2C.usedSubQuota: renamed from used_sub_quota (number 1)",
]


@pytest.fixture(scope="module")
def old_release() -> Path:
    return upstream.python_sdk_archive(upstream.OLD_PYTHON_SDK)


@pytest.fixture(scope="module")
def new_release() -> Path:
    return upstream.python_sdk_archive()


def message_names(protos: Path) -> list[str]:
    files = [*schemas.load(protos).files]
    if (grpc := service.load(protos)) is not None:
        files.append(grpc.file)
    return sorted(m.full_name for file in files for m in file.walk_messages())


def assert_whole(out: Path, protos: Path) -> dict[str, object]:
    """Everything generated below ``out`` imports and round-trips."""
    answer = child(out, "round_trip")
    assert answer["package"] == str(out / "futukit")
    assert answer["faults"] == []
    assert answer["messages"] == message_names(protos)
    aio, sync = answer["methods"][:3], answer["methods"][3:]
    assert aio == sync
    return answer


def test_diff_of_the_real_releases_names_four_renames_and_one_label(
    old_release: Path, new_release: Path
) -> None:
    done = codegen("diff", old_release, new_release)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("breaks")] == REAL_BREAKS
    assert lines[-1] == "317 changes: 1 breaks wire, 4 breaks JSON and source, 312 compatible"
    assert not any("removed" in line for line in lines)


def test_an_update_regenerates_everything(
    tmp_path: Path, old_release: Path, new_release: Path
) -> None:
    """The older schema first, then the newer one over it: the end is what is committed."""
    protos, out = tmp_path / "protos", tmp_path / "out"
    protos.mkdir()
    # InitWebSocket comes from the other SDK; the lock says so. The gRPC service is written by hand.
    for name in (*TABLES, "InitWebSocket.proto", "lock.toml", schemas.SERVICE_FILE):
        shutil.copy(PROTOS / name, protos / name)
    overlay(out)

    synced = codegen("sync", old_release, "--protos", protos)
    assert synced.returncode == 0, synced.stderr
    assert len(list(protos.glob("*.proto"))) == 79

    refused = codegen("generate", "--protos", protos, "--out", out)
    assert refused.returncode == 2
    assert "proto_ids.toml" in refused.stderr
    assert not (out / "futukit" / "messages").exists()

    generated = codegen("generate", "--older", "--protos", protos, "--out", out)
    assert generated.returncode == 0, generated.stderr
    assert_whole(out, protos)

    diffed = codegen("diff", protos, PROTOS)
    assert [line for line in diffed.stdout.splitlines() if "breaks" in line][:-1] == REAL_BREAKS

    synced = codegen("sync", new_release, "--protos", protos)
    assert synced.returncode == 0, synced.stderr
    assert "kept     InitWebSocket.proto" in synced.stdout
    for path in sorted(PROTOS.glob("*.proto")):
        if path.name != schemas.SERVICE_FILE:
            assert (protos / path.name).read_bytes() == path.read_bytes(), path.name
    assert (protos / "lock.toml").read_text() == (PROTOS / "lock.toml").read_text()

    stale = codegen("check", "--protos", protos, "--out", out)
    assert stale.returncode == 1
    assert "missing: futukit/messages/qot_option_screen.py" in stale.stdout

    generated = codegen("generate", "--protos", protos, "--out", out)
    assert generated.returncode == 0, generated.stderr
    checked = codegen("check", "--protos", protos, "--out", out)
    assert (checked.returncode, checked.stdout) == (0, "")
    for relative in render.outputs(Project.load(PROTOS)):
        assert (out / relative).read_bytes() == (ROOT / relative).read_bytes(), relative
    assert_whole(out, protos)


BASE = """
syntax = "proto2";
package Demo;
message C2S {
  required int32 count = 1;
  optional string name = 2;
  optional int32 size = 3;
}
message S2C { optional int32 total = 1; }
message Request { required C2S c2s = 1; }
message Response {
  required int32 retType = 1 [default = -400];
  optional S2C s2c = 2;
}
"""
IDS = """
[4999]
kind = "request"
access = "none"
summary = "A protocol that exists for one test."
official_name = "Demo"
proto_file = "Demo.proto"
request = "Request"
response = "Response"
"""
ENUMS = "[rule]\n[bind]\n[unbound]\n[unused]\n"


class Release:
    """A synthetic schema with its tables and the package generated from it."""

    def __init__(self, folder: Path, proto: str) -> None:
        self.protos = folder / "protos"
        self.out = folder / "out"
        self.protos.mkdir(parents=True)
        (self.protos / "Demo.proto").write_text(proto)
        (self.protos / "proto_ids.toml").write_text(IDS)
        (self.protos / "enums.toml").write_text(ENUMS)
        overlay(self.out)
        done = codegen("generate", "--protos", self.protos, "--out", self.out)
        assert done.returncode == 0, done.stderr

    def encode(self, text: str) -> str:
        """The body of a C2S with these values, in hex."""
        body = child(self.out, "encode", "demo", "C2S", text)["body"]
        assert isinstance(body, str)
        return body

    def decode(self, body: str) -> dict[str, object]:
        return child(self.out, "decode", "demo", "C2S", body)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return Release(tmp_path_factory.mktemp("base"), BASE)


def changed(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new)


@pytest.mark.parametrize(
    ("proto", "mark", "outcome"),
    [
        pytest.param(
            changed("optional int32 size = 3;", "required int32 size = 3;"),
            "breaks wire             Demo.C2S.size: label optional -> required",
            {"error": "DecodeError"},
            id="optional became required: old bytes are refused",
        ),
        pytest.param(
            changed("optional string name = 2;", "optional int32 name = 2;"),
            "breaks wire             Demo.C2S.name: type string -> int32: another wire family",
            {"message": {"count": 7, "name": None, "size": None}},
            id="another wire family: the value is lost",
        ),
        pytest.param(
            changed("required int32 count = 1;", "required int32 count = 4;").replace(
                "int32 size = 3;", "int32 size = 1;"
            ),
            "breaks wire             Demo.C2S.size: number 1 reused: "
            "required int32 count = 1 -> optional int32 size = 1",
            {"error": "DecodeError"},
            id="number reused: the required field is missing",
        ),
        pytest.param(
            changed("string name = 2;", "string title = 2;"),
            "breaks JSON and source  Demo.C2S.title: renamed from name (number 2)",
            {"message": {"count": 7, "title": "seven", "size": None}},
            id="renamed: the wire does not care",
        ),
        pytest.param(
            changed("optional int32 size = 3;", "optional int32 size = 3; optional bool all = 9;"),
            "compatible              Demo.C2S.all: added: optional bool all = 9",
            {"message": {"count": 7, "name": "seven", "size": None, "all": None}},
            id="optional added: nothing happens",
        ),
    ],
)
def test_what_the_diff_says_is_what_the_bytes_do(
    tmp_path: Path, base: Release, proto: str, mark: str, outcome: dict[str, object]
) -> None:
    update = Release(tmp_path, proto)
    done = codegen("diff", base.protos, update.protos)
    assert mark in done.stdout.splitlines()
    assert done.returncode == (0 if mark.startswith("compatible") else 1)
    answer = update.decode(base.encode('{"count": 7, "name": "seven"}'))
    answer.pop("text", None)
    assert answer == outcome


def test_diff_of_something_unreadable_is_a_failure(tmp_path: Path) -> None:
    done = codegen("diff", tmp_path / "nothing", PROTOS)
    assert done.returncode == 2
    assert "nothing" in done.stderr
    assert done.stdout == ""
