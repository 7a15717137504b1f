"""Docstrings: everything public has one, none only repeats the name, the seed's have units."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from codegen import docs, ids
from codegen.schema import load

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("futukit", "codegen", "benchmarks")
NATIVE = ("futukit._native.frame", "futukit._native.wire")
SEED_IDS = 78

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

# What asyncio calls on a protocol: its documentation is asyncio's.
CALLBACKS = {
    "buffer_updated",
    "connection_lost",
    "connection_made",
    "data_received",
    "eof_received",
    "get_buffer",
    "pause_writing",
    "resume_writing",
}
# Words that say nothing by themselves.
EMPTY = frozenset(
    """
    a an and as at by class does for from function get gets give gives has have helper i in into
    is it its make makes method module object of on or return returns set sets that the this to
    value values with
    """.split()  # noqa: SIM905 - forty quoted words would be no clearer
)


def is_public(name: str) -> bool:
    return not name.startswith("_")


def is_documented_elsewhere(node: Definition) -> bool:
    """Overloads, setters, and what asyncio calls."""
    marks = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return node.name in CALLBACKS or bool(marks & {"overload", "setter"})


def public_nodes(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Public classes and functions with their names, methods as ``Class.method``."""
    for node in body:
        if isinstance(node, Definition) and is_public(node.name):
            yield f"{prefix}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public_nodes(node.body, f"{prefix}{node.name}.")


def words(text: str) -> set[str]:
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return {word.lower().rstrip("s") for word in re.findall(r"[A-Za-z]+|\d+", split)}


def repeats_the_name(name: str, docstring: str) -> bool:
    said = words(docstring) - {word.rstrip("s") for word in EMPTY}
    return not said - words(name)


def complaint(name: str, docstring: str | None) -> str | None:
    if docstring is None or not docstring.strip():
        return f"{name}: no docstring"
    if repeats_the_name(name, docstring):
        return f"{name}: the docstring only repeats the name: {docstring!r}"
    return None


def complaints_of(path: Path) -> Iterator[str | None]:
    tree = ast.parse(path.read_text("utf-8"))
    place = path.relative_to(ROOT).as_posix()
    stem = path.parent.name if path.name == "__init__.py" else path.stem
    module = complaint(stem, ast.get_docstring(tree))
    yield module and f"{place}: {module}"
    for name, node in public_nodes(tree.body):
        if is_documented_elsewhere(node):
            continue
        found = complaint(name, ast.get_docstring(node))
        yield found and f"{place}: {found}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_thing_has_a_docstring_that_says_something(package: str) -> None:
    found = [
        text
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in complaints_of(path)
        if text
    ]
    assert found == []


@pytest.mark.parametrize("module", NATIVE)
def test_every_compiled_thing_has_a_docstring_that_says_something(module: str) -> None:
    compiled = import_module(module)
    members = [(module, compiled)]
    members += [(name, getattr(compiled, name)) for name in compiled.__all__]
    for name, member in tuple(members[1:]):
        if inspect.isclass(member):
            members += [
                (f"{name}.{inner}", value)
                for inner, value in vars(member).items()
                if is_public(inner) and callable(value)
            ]
    found = [
        complaint(name, inspect.getdoc(member))
        for name, member in members
        if not isinstance(member, int | str)
    ]
    assert [text for text in found if text] == []


def test_units_are_stated_for_every_price_ratio_quantity_and_time_of_the_seed() -> None:
    schema = load(ROOT / "protos")
    table = docs.Docs.load(ROOT / "protos" / "docs.toml")
    rows = ids.load(ROOT / "protos" / "proto_ids.toml", schema)
    seed = [row for row in rows if row.seed_name is not None]
    assert len(seed) == SEED_IDS
    roots = [name for row in seed for name in row.messages(schema)]
    assert docs.missing_lines(table, schema, roots) == []


def test_every_method_of_the_seed_is_described() -> None:
    schema = load(ROOT / "protos")
    table = docs.Docs.load(ROOT / "protos" / "docs.toml")
    rows = ids.load(ROOT / "protos" / "proto_ids.toml", schema)
    seed = [row.proto_id for row in rows if row.seed_name and not row.raw_only]
    assert [proto_id for proto_id in seed if not table.methods.get(proto_id)] == []


@pytest.mark.parametrize(
    ("name", "docstring", "empty"),
    [
        ("get_user_info", "Get the user info.", True),
        ("UserInfo", "A user info object.", True),
        ("Client.close", "Close the client.", True),
        ("Client.close", "Close the connection in order.", False),
        ("body_format", "Body format of what is packed (Common.ProtoFmt).", False),
    ],
)
def test_the_lint_tells_words_from_the_name(name: str, docstring: str, empty: bool) -> None:
    assert repeats_the_name(name, docstring) is empty
