"""The generator's decisions: order, annotations, docstrings, and schemas it must refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen import model, render
from codegen.docs import Docs, DocsError, missing_lines, validate
from codegen.errors import CodegenError
from codegen.model import Project, docstring
from codegen.schema import load as load_schema

PROTOS = Path(__file__).resolve().parents[3] / "protos"


@pytest.fixture(scope="module")
def project() -> Project:
    return Project.load(PROTOS)


def small_project(tmp_path: Path, body: str, name: str = "Qot_Small") -> Project:
    """A project of one schema file and empty tables."""
    (tmp_path / f"{name}.proto").write_text(f'syntax = "proto2";\npackage {name};\n{body}')
    (tmp_path / "proto_ids.toml").write_text("")
    (tmp_path / "enums.toml").write_text("")
    return Project.load(tmp_path)


def test_every_request_id_with_a_schema_becomes_one_method(project: Project) -> None:
    rendered = render.outputs(project)
    wanted = {
        row.proto_id
        for row in project.ids
        if row.kind == "request" and row.proto_file and row.proto_id not in (1001, 1004)
    }
    for face in ("aio", "sync"):
        text = "".join(
            rendered[f"futukit/{face}/_{name}.py"] for name in ("system", "quote", "trade")
        )
        called = {n for n in wanted if f"self._client.call({n}, request" in text}
        assert called == wanted


def test_the_two_faces_differ_only_in_async_and_await(project: Project) -> None:
    rendered = render.outputs(project)
    for group in ("system", "quote", "trade"):
        asyncio_face = rendered[f"futukit/aio/_{group}.py"]
        plain = asyncio_face.replace("async def", "def").replace("await self", "self")
        assert plain == rendered[f"futukit/sync/_{group}.py"]


def test_enums_of_files_that_need_each_other_stand_in_modules_of_their_own(
    project: Project,
) -> None:
    assert project.circular == {"Qot_Common.proto", "Trd_Common.proto"}
    rendered = render.outputs(project)
    enums = rendered["futukit/messages/_trd_common_enums.py"]
    assert "from futukit.messages import" not in enums
    assert "class SecurityFirm(OpenEnum)" in enums


def test_a_message_stands_after_the_messages_it_contains(tmp_path: Path) -> None:
    project = small_project(
        tmp_path, "message A { optional B b = 1; }\nmessage B { optional int32 x = 1; }\n"
    )
    (module,) = model.modules(project)
    assert [view.name for view in module.classes] == ["B", "A"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (
            "message A { optional int32 orderID = 1; optional int32 order_Id = 2; }",
            "Qot_Small.A: 'orderID' and 'order_Id' both become 'order_id'",
        ),
        ("message A { optional int32 int = 1; }", r"Qot_Small.A.int: .* would hide a type"),
        ("message A { optional A a = 1; }", r"contain each other: Qot_Small.A -> Qot_Small.A"),
        (
            "enum E { E_1Day = 0; E_N_1Day = 1; }",
            "Qot_Small.E: 'E_1Day' and 'E_N_1Day' both become 'N_1DAY'",
        ),
    ],
)
def test_a_schema_that_cannot_be_named_is_refused(
    tmp_path: Path, body: str, complaint: str
) -> None:
    with pytest.raises(CodegenError, match=complaint):
        render.outputs(small_project(tmp_path, body))


def test_docstrings_wrap_and_escape() -> None:
    assert docstring("Short.", 4) == '"""Short."""'
    text = docstring("A word \\d. " * 20, 4, [("Fields", ["x: What it is."])])
    assert "\\\\d" in text
    assert text.endswith('    Fields:\n        x: What it is.\n    """')
    assert max(len(line) for line in text.splitlines()) <= 100


def test_docs_that_name_what_is_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "Qot_Small.proto").write_text(
        'syntax = "proto2";\npackage Qot_Small;\nmessage A { optional double price = 1; }\n'
    )
    (tmp_path / "docs.toml").write_text(
        '[units]\nprice = "in currency"\n'
        '[method.7]\ndoc = "What?"\n'
        '[message."Qot_Small.A".fields]\nprice = "Last price [prise]"\nprize = "Nothing"\n'
        '[enum."Qot_Small.E"]\ndoc = "Nothing"\n'
    )
    schema = load_schema(tmp_path)
    with pytest.raises(DocsError) as caught:
        validate(Docs.load(tmp_path / "docs.toml"), schema, {1})
    for complaint in ("method 7", "enum Qot_Small.E", r"unit [prise]", "Qot_Small.A.prize"):
        assert complaint in str(caught.value)


def test_docs_that_leave_out_a_field_or_a_unit_are_found(tmp_path: Path) -> None:
    (tmp_path / "Qot_Small.proto").write_text(
        'syntax = "proto2";\npackage Qot_Small;\n'
        "message A { optional double price = 1; optional B b = 2; }\n"
        "message B { optional int64 volume = 1; optional string name = 2; }\n"
    )
    (tmp_path / "docs.toml").write_text(
        '[message."Qot_Small.A".fields]\nprice = "Last price"\nb = "The rest"\n'
        '[message."Qot_Small.B".fields]\nname = "Name"\n'
    )
    gaps = missing_lines(Docs.load(tmp_path / "docs.toml"), load_schema(tmp_path), ["Qot_Small.A"])
    assert gaps == ["Qot_Small.A.price: no unit", "Qot_Small.B.volume: no line"]


def test_units_and_lines_are_complete_for_the_documented_ids(project: Project) -> None:
    roots = [name for row in project.ids if row.seed_name for name in row.messages(project.schema)]
    assert len(roots) > 100
    assert missing_lines(project.docs, project.schema, roots) == []
