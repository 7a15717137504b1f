"""All Python names that the generator gives, held against ``golden/names.txt``.

``python -m tests.unit.codegen.test_regenerate_names`` writes the table anew; its diff shows a
reviewer what a user's program will have to change. A field or enum value name that leads to the
same Python name everywhere takes one line; where that differs, each full name takes its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from codegen import methods, model
from codegen.model import Project

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(__file__).with_name("golden") / "names.txt"
_HEADER = (
    "# proto name -> Python name; written by python -m tests.unit.codegen.test_regenerate_names"
)


def names(project: Project) -> str:
    """The table of everything that a user may spell."""
    sections = {
        "modules": _modules(project),
        "classes": _merged(_classes(project)),
        "methods": _methods(project),
        "attributes": _merged(_attributes(project)),
        "members": _merged(_members(project)),
    }
    lines = [_HEADER]
    for title, rows in sections.items():
        lines += ["", f"[{title}]", *sorted(rows)]
    return "\n".join(lines) + "\n"


def _merged(rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """(scope, proto name, Python name) → one line for each pair that holds everywhere."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for scope, name, python_name in rows:
        found[name][f"{scope}.{name}"] = python_name
    for name, places in found.items():
        if len(set(places.values())) == 1:
            yield f"{name} {next(iter(places.values()))}"
        else:
            yield from (f"{place} {python_name}" for place, python_name in places.items())


def _modules(project: Project) -> Iterator[str]:
    for file in project.schema.files:
        yield f"{file.name} {project.module(file)}"


def _classes(project: Project) -> Iterator[tuple[str, str, str]]:
    """Nested messages are written with their outer one: that is where their class name is from."""
    for file in project.schema.files:
        for message in file.walk_messages():
            name = message.full_name.removeprefix(f"{file.package}.")
            yield file.package, name, model.class_name(message, file)


def _methods(project: Project) -> Iterator[str]:
    for group in methods.groups(project):
        for method in group.methods:
            yield f"{method.proto_id} {group.name}.{method.name}"


def _attributes(project: Project) -> Iterator[tuple[str, str, str]]:
    """As the generated classes have them: attribute and proto name of every plan row."""
    for module in model.modules(project):
        for view in module.classes:
            for row in view.plan_rows:
                _, attribute, proto_name, *_ = (part.strip(' "') for part in row.split(","))
                yield view.full_name, proto_name, attribute


def _members(project: Project) -> Iterator[tuple[str, str, str]]:
    schema = project.schema
    for module in model.modules(project):
        for view in module.enums:
            values = schema.enum(view.full_name).values
            for value, (member, number) in zip(values, view.members, strict=True):
                assert value.number == number
                yield view.full_name, value.name, member


def test_every_python_name_is_the_one_on_record() -> None:
    assert names(Project.load(ROOT / "protos")).splitlines() == GOLDEN.read_text().splitlines()


def test_the_record_holds_every_field_and_every_enum_value() -> None:
    schema = Project.load(ROOT / "protos").schema
    fields = {f.name for file in schema.files for m in file.walk_messages() for f in m.fields}
    values = {v.name for file in schema.files for e in file.walk_enums() for v in e.values}
    recorded = {line.split()[0] for line in GOLDEN.read_text().splitlines() if " " in line}
    bare = {name.rpartition(".")[2] for name in recorded}
    assert fields | values <= recorded | bare


if __name__ == "__main__":
    GOLDEN.write_text(names(Project.load(ROOT / "protos")), encoding="utf-8", newline="\n")
