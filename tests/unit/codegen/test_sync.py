"""Sync: an SDK release becomes ``protos/``, all of it or nothing, and always the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen import lock, schema
from codegen.errors import CodegenError, SchemaError, SourceError, TableError
from codegen.schema import SERVICE_FILE
from codegen.sync import NPM_FILE, run, sync

from .conftest import ECHO, Write, proto

ROOT = Path(__file__).parents[3]
PROTOS = ROOT / "protos"
Build = Callable[..., Path]
Snapshot = dict[str, tuple[bytes, int]]


def snapshot(folder: Path) -> Snapshot:
    """Every file with its bytes and its modification time."""
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in folder.rglob("*")
        if p.is_file()
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {name: data for name, (data, _) in snapshot(folder).items()}


@pytest.fixture
def protos(write: Write) -> Path:
    """A folder that holds an older sync and files of our own."""
    return write(
        "protos",
        {
            "Echo.proto": proto("message C2S {}", "Echo"),
            "proto_ids.toml": "# ours\n",
            "enums.toml": "# ours\n",
            "docs.toml": "# ours\n",
            SERVICE_FILE: 'syntax = "proto3"; package futu.service;',
            "notes/readme.txt": "ours",
        },
    )


def test_files_and_lock_are_written(python_sdk: Build, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "protos"
    outcome = sync([str(python_sdk({"Echo.proto": ECHO}))], folder)
    assert outcome.written == ("Echo.proto",)
    assert contents(folder).keys() == {"Echo.proto", "lock.toml"}
    text = (folder / "Echo.proto").read_bytes()
    assert b"\r" not in text
    assert b"comment" not in text
    found = lock.read(folder)
    assert found is not None
    assert (found.sdk, found.version) == ("futu-api", "1.2.3")
    assert found.files["Echo.proto"] == lock.Entry("futu-api 1.2.3", lock.digest(text.decode()))
    assert lock.verify(folder) == ()


def test_our_own_files_are_never_touched(protos: Path, python_sdk: Build) -> None:
    before = snapshot(protos)
    sync([str(python_sdk({"Echo.proto": ECHO}))], protos)
    after = snapshot(protos)
    assert before.keys() | {"lock.toml"} == after.keys()
    assert {n for n in before if before[n] != after[n]} == {"Echo.proto"}


def test_a_second_sync_changes_nothing_at_all(protos: Path, python_sdk: Build) -> None:
    source = str(python_sdk({"Echo.proto": ECHO}))
    sync([source], protos)
    before = snapshot(protos)
    outcome = sync([source], protos)
    assert (outcome.written, outcome.unchanged) == ((), ("Echo.proto",))
    assert snapshot(protos) == before


def test_the_real_releases_give_exactly_the_protos_of_this_repository(
    upstream_protos: Path, javascript_protos: Path, tmp_path: Path
) -> None:
    outcome = sync([str(upstream_protos), str(javascript_protos)], tmp_path)
    assert len(outcome.written) == 185
    ours = {p.name: p.read_bytes() for p in PROTOS.glob("*.proto") if p.name != SERVICE_FILE}
    ours["lock.toml"] = (PROTOS / "lock.toml").read_bytes()
    assert contents(tmp_path) == ours


def test_the_lock_of_this_repository_holds() -> None:
    assert lock.verify(PROTOS) == ()


def test_any_hash_seed_gives_the_same_bytes(python_sdk: Build, tmp_path: Path) -> None:
    files = {f"{n}.proto": ECHO.replace("Echo", n) for n in ("Zulu", "Alpha", "Mike", "Kilo")}
    source, results = str(python_sdk(files)), []
    for seed in ("0", "1", "4242"):
        command = f"from codegen.sync import sync; sync([{source!r}], {seed!r})"
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", command], cwd=tmp_path, env=env, check=True)
        results.append(contents(tmp_path / seed))
    assert results[0] == results[1] == results[2]


def test_npm_adds_init_web_socket_only(python_sdk: Build, npm_sdk: Build, tmp_path: Path) -> None:
    folder = tmp_path / "protos"
    python = python_sdk({"Echo.proto": ECHO, "Gone.proto": proto("", "Gone")})
    files = {
        NPM_FILE: proto("message C2S {}", "InitWebSocket"),
        "Echo.proto": ECHO.replace("required string text = 1", "optional string text = 1"),
        "More.proto": proto("", "More"),
    }
    outcome = sync([str(python), str(npm_sdk(files))], folder)
    assert outcome.written == ("Echo.proto", "Gone.proto", NPM_FILE)
    assert "required string text = 1" in (folder / "Echo.proto").read_text()
    assert outcome.differences == (
        "futu-api (npm) 1.2.3: Echo.C2S.text: label required -> optional",
        "futu-api (npm) 1.2.3: Gone.proto: file removed",
        "futu-api (npm) 1.2.3: More.proto: file added",
    )
    found = lock.read(folder)
    assert found is not None
    assert (found.sdk, found.version) == ("futu-api", "1.2.3")
    assert found.files[NPM_FILE].release == "futu-api (npm) 1.2.3"


def test_npm_alone_adds_init_web_socket_to_what_is_there(
    python_sdk: Build, npm_sdk: Build, tmp_path: Path
) -> None:
    folder = tmp_path / "protos"
    sync([str(python_sdk({"Echo.proto": ECHO}))], folder)
    before = contents(folder)
    npm = npm_sdk({NPM_FILE: proto("", "InitWebSocket")}, version="9.9.9")
    outcome = sync([str(npm)], folder)
    assert (outcome.written, outcome.kept) == ((NPM_FILE,), ("Echo.proto",))
    assert contents(folder)["Echo.proto"] == before["Echo.proto"]
    found = lock.read(folder)
    assert found is not None
    assert (found.version, found.files["Echo.proto"].release) == ("1.2.3", "futu-api 1.2.3")


def test_a_file_that_the_source_lacks_stays(python_sdk: Build, tmp_path: Path) -> None:
    folder = tmp_path / "protos"
    both = {"Echo.proto": ECHO, "Old.proto": proto("message M {}", "Old")}
    sync([str(python_sdk(both))], folder)
    outcome = sync([str(python_sdk({"Echo.proto": ECHO}, version="2.0.0"))], folder)
    assert (outcome.unchanged, outcome.kept) == (("Echo.proto",), ("Old.proto",))
    found = lock.read(folder)
    assert found is not None
    assert found.files["Old.proto"].release == "futu-api 1.2.3"
    assert found.files["Echo.proto"].release == "futu-api 2.0.0"
    assert lock.verify(folder) == ()


def test_of_two_python_releases_the_first_is_the_base(python_sdk: Build, tmp_path: Path) -> None:
    first = python_sdk({"Echo.proto": ECHO})
    second = python_sdk({"Echo.proto": ECHO.replace("text", "words")}, package="moomoo")
    outcome = sync([str(first), str(second)], tmp_path / "protos")
    assert outcome.differences == (
        "moomoo-api 1.2.3: Echo.C2S.words: renamed from text (number 1)",
    )
    assert "words" not in (tmp_path / "protos" / "Echo.proto").read_text()


def test_the_report_tells_all_of_it(
    python_sdk: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = python_sdk({"Echo.proto": ECHO})
    second = python_sdk({"Echo.proto": ECHO.replace("text", "words")}, package="moomoo")
    assert run([str(first), str(second)], tmp_path / "protos") == 0
    assert capsys.readouterr().out.splitlines() == [
        "futu-api 1.2.3, moomoo-api 1.2.3: 1 written, 0 unchanged, 0 kept",
        "  written  Echo.proto",
        "not merged, from here to there (1):",
        "  differs  moomoo-api 1.2.3: Echo.C2S.words: renamed from text (number 1)",
    ]


#: name → (files of the release, part of the error)
BAD_RELEASES = {
    "syntax error": (
        {"Echo.proto": ECHO, "Bad.proto": proto("message M {\n  int32 a\n}")},
        r"^Bad\.proto:4:3: Expected",
    ),
    "unknown type": (
        {"Bad.proto": proto("message M {\n  optional Nope a = 1;\n}")},
        r'^Bad\.proto:4:12: "Nope" is not defined',
    ),
    "name collision": (
        {"Bad.proto": proto("message M {}\nenum M { A = 1; }")},
        r'^Bad\.proto:4:6: "M" is already defined',
    ),
    "number twice": (
        {"Bad.proto": proto("message M { optional int32 a = 1;\n optional int32 b = 1; }")},
        r"^Bad\.proto:4:21: Field number 1 has already been used",
    ),
    "missing import": (
        {"Bad.proto": proto('import "Nowhere.proto";')},
        r"^Bad\.proto:3:1: .*Nowhere\.proto",
    ),
    "a construct that is not carried": (
        {"Bad.proto": proto("message M { oneof x { int32 a = 1; } }")},
        r"^Bad\.proto: T\.M\.x: oneofs",
    ),
    "bytes that are no text": (
        {"Bad.proto": b"\xff\xfe\x00\x01"},
        r"^Bad\.proto:1:1: ",
    ),
    "a file that stays and no longer fits": (
        {"Other.proto": proto("message C2S {}", "Echo")},
        r'^Other\.proto:.*"Echo\.C2S" is already defined in file "Echo\.proto"',
    ),
    "no files at all": ({}, r"holds no \.proto files"),
}


@pytest.mark.parametrize("case", BAD_RELEASES)
def test_a_bad_release_is_named_and_leaves_protos_as_they_were(
    protos: Path, python_sdk: Build, case: str
) -> None:
    files, message = BAD_RELEASES[case]
    before = snapshot(protos)
    with pytest.raises(CodegenError, match=message) as caught:
        sync([str(python_sdk(files))], protos)
    assert isinstance(caught.value, SchemaError | SourceError)
    assert snapshot(protos) == before


def test_a_hostile_archive_leaves_protos_as_they_were(protos: Path, archive: Build) -> None:
    before = snapshot(protos)
    path = archive("x.tar.gz", {"p/futu/common/pb/Echo.proto": ECHO, "p/../../Evil.proto": ECHO})
    with pytest.raises(SourceError, match=r"Evil\.proto: points out of the archive"):
        sync([str(path)], protos)
    assert snapshot(protos) == before


def test_a_bad_second_source_leaves_protos_as_they_were(
    protos: Path, python_sdk: Build, npm_sdk: Build
) -> None:
    before = snapshot(protos)
    with pytest.raises(SchemaError):
        sync([str(python_sdk({"Echo.proto": ECHO})), str(npm_sdk({NPM_FILE: "nonsense"}))], protos)
    assert snapshot(protos) == before


def test_a_broken_lock_is_an_error_and_nothing_is_written(protos: Path, python_sdk: Build) -> None:
    (protos / "lock.toml").write_text("[files]\n")
    before = snapshot(protos)
    with pytest.raises(TableError, match=r"lock\.toml"):
        sync([str(python_sdk({"Echo.proto": ECHO}))], protos)
    assert snapshot(protos) == before


@pytest.mark.parametrize("failing", range(4))
def test_a_disk_that_fails_midway_leaves_protos_as_they_were(
    protos: Path, python_sdk: Build, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Three files and the lock are swapped in; the failing swap may be any of them."""
    source = python_sdk({f"{n}.proto": ECHO.replace("Echo", n) for n in ("Alpha", "Echo", "Zulu")})
    before = contents(protos)
    swaps = 0
    replace = Path.replace

    def fail_once(path: Path, target: Path) -> Path:
        nonlocal swaps
        if path.parent.name == "new":
            swaps += 1
            if swaps == failing + 1:
                raise OSError(28, "No space left on device", str(target))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail_once)
    with pytest.raises(CodegenError, match="No space left"):
        sync([str(source)], protos)
    assert swaps == failing + 1
    assert contents(protos) == before


def test_a_folder_that_cannot_be_made_is_an_error(python_sdk: Build, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CodegenError, match="file"):
        sync([str(python_sdk({"Echo.proto": ECHO}))], tmp_path / "file" / "protos")


def test_npm_without_init_web_socket_has_nothing_to_add(npm_sdk: Build, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no InitWebSocket\.proto"):
        sync([str(npm_sdk({"Echo.proto": ECHO}))], tmp_path / "protos")


def test_no_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CodegenError, match="at least one"):
        sync([], tmp_path)


def test_verify_names_edited_and_missing_files(python_sdk: Build, tmp_path: Path) -> None:
    folder = tmp_path / "protos"
    assert lock.verify(tmp_path) == ("lock.toml: missing",)
    sync([str(python_sdk({"Echo.proto": ECHO, "Old.proto": proto("", "Old")}))], folder)
    (folder / "Echo.proto").write_text((folder / "Echo.proto").read_text() + "\n")
    (folder / "Old.proto").unlink()
    assert lock.verify(folder) == (
        "Echo.proto: edited by hand since sync wrote it",
        "Old.proto: named in lock.toml, missing on disk",
    )


def test_an_old_release_syncs_and_loads(old_upstream_protos: Path, tmp_path: Path) -> None:
    outcome = sync([str(old_upstream_protos)], tmp_path)
    assert len(outcome.written) == 77
    fields = [
        f for file in schema.load(tmp_path).files for m in file.walk_messages() for f in m.fields
    ]
    assert len(fields) == 1587
