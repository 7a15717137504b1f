"""Normalised text: one style, the same facts, none of upstream's words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from codegen import normal, schema

from .conftest import Write, proto

PROTOS = Path(__file__).parents[3] / "protos"
CASE = Path(__file__).parent / "data" / "normal"


def compiled(folder: Path) -> dict[str, Any]:
    names = sorted(p.name for p in folder.glob("*.proto"))
    return {file.name: file for file in schema.compile_folder(folder, names).file}


@pytest.mark.parametrize("name", ["Base.proto", "Shapes.proto"])
def test_every_construct_is_written_in_the_one_style(name: str) -> None:
    files = schema.compile_folder(CASE / "upstream", ["Base.proto", "Shapes.proto"])
    assert normal.proto_texts(files)[name] == (CASE / "expected" / name).read_text("utf-8")


def test_normalised_text_says_the_same_and_is_stable() -> None:
    upstream, again = compiled(CASE / "upstream"), compiled(CASE / "expected")
    for name, file in upstream.items():
        assert normal.facts(file) == normal.facts(again[name])
    texts = normal.proto_texts(
        schema.compile_folder(CASE / "expected", ["Base.proto", "Shapes.proto"])
    )
    for name, text in texts.items():
        assert text == (CASE / "expected" / name).read_text("utf-8")


def test_our_protos_equal_upstreams_field_by_field(upstream_protos: Path) -> None:
    theirs, ours = compiled(upstream_protos), compiled(PROTOS)
    assert len(theirs) == 184
    assert ours.keys() - theirs.keys() == {"InitWebSocket.proto", schema.SERVICE_FILE}
    for name, file in theirs.items():
        assert normal.facts(ours[name]) == normal.facts(file), name
    assert schema.load(upstream_protos).files == tuple(
        f for f in schema.load(PROTOS).files if f.name in theirs
    )


def test_init_web_socket_equals_the_javascript_sdks(javascript_protos: Path) -> None:
    name = "InitWebSocket.proto"
    file = schema.compile_folder(javascript_protos, [name]).file[0]
    assert normal.facts(file) == normal.facts(compiled(PROTOS)[name])


#: Ours, and written by hand: comments stand in it.
SYNCED = sorted(set(PROTOS.glob("*.proto")) - {PROTOS / schema.SERVICE_FILE})


@pytest.mark.parametrize("path", SYNCED, ids=lambda path: path.stem)
def test_our_protos_hold_no_foreign_word_and_one_line_end(path: Path) -> None:
    data = path.read_bytes()
    text = data.decode("ascii")
    assert text.startswith(normal.HEADER)
    assert "//" not in text.removeprefix(normal.HEADER)
    assert "/*" not in text
    assert not re.search(r"[\r\t]|[ ]\n|\n\n\n", text)
    assert text.endswith("}\n")


#: Reference spellings: scope's package and body → how field ``f`` must name its type.
SPELLINGS = {
    "own package": ("A", "message M { optional .A.X f = 1; } message X {}", "X"),
    "other package": ("A", "message M { optional .B.X f = 1; }", "B.X"),
    "nested": ("A", "message M { message X {} optional .A.M.X f = 1; }", "M.X"),
    "nested hides outer": (
        "A", "message X {} message M { message X {} optional .A.X f = 1; }", "A.X",
    ),
    "message hides package": (
        "A", "message M { message B {} optional .B.X f = 1; }", ".B.X",
    ),
    "inner message with the package's name": (
        "A", "message X {} message M { message X {} message A {} optional .A.X f = 1; }", ".A.X",
    ),
    "no package": ("", "message M { optional .X f = 1; } message X {}", "X"),
    "package within package": ("A.B", "message M { optional .B.X f = 1; }", ".B.X"),
}  # fmt: skip


@pytest.mark.parametrize("case", SPELLINGS)
def test_a_type_is_named_as_short_as_protoc_understands_it(write: Write, case: str) -> None:
    package, body, spelling = SPELLINGS[case]
    head = f"package {package};" if package else ""
    files = {
        "B.proto": proto("message X {}", "B"),
        "A.proto": f'syntax = "proto2"; {head} import "B.proto"; {body}',
    }
    upstream = schema.compile_folder(write("up", files), ["A.proto", "B.proto"])
    texts = normal.proto_texts(upstream)
    assert f"optional {spelling} f = 1;" in texts["A.proto"]
    ours = schema.compile_folder(write("ours", texts), ["A.proto", "B.proto"])
    for theirs, mine in zip(upstream.file, ours.file, strict=True):
        assert normal.facts(theirs) == normal.facts(mine)
