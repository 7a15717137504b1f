"""What the pages say about names, options and files is what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from futukit.cli.app import app
from futukit.core.pushes import Policy
from futukit.endpoint import ENCRYPTIONS, SCHEMES
from futukit.messages import registry
from futukit.options import Options
from futukit.sim.commands import Command
from futukit.sim.faults import Corruption, FaultKind
from tests.docs.snippets import PAGES, ROOT
from tests.support.combinations import written

LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table below a line that begins with ``heading``."""
    lines = text.split(heading, 1)[1].split("\n")
    table = []
    for line in lines[1:]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table:
            break
    return [row for row in table if set(row[0]) != {"-"}]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files(path: Path) -> None:
    links = LINK.findall(path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_table_of_options_is_that_of_the_class() -> None:
    listed = {
        name.strip("`"): default.strip("`")
        for name, default, _ in rows(page("docs/clients.md"), "| option | default |")
    }
    assert listed == {field.name: repr(field.default) for field in fields(Options)}


def test_the_table_of_policies_is_complete() -> None:
    listed = [name.strip("`") for name, _ in rows(page("docs/clients.md"), "| policy |")]
    assert sorted(listed) == sorted(get_args(Policy))


def test_the_table_of_faults_is_complete() -> None:
    text = page("docs/simulator.md")
    listed = {name.strip("`"): what for name, what in rows(text, "| kind |")}
    assert sorted(listed) == sorted(get_args(FaultKind))
    assert [word for word in get_args(Corruption) if word not in listed["corrupt"]] == []


def test_the_table_of_commands_is_complete() -> None:
    listed = {
        re.sub(r"\W.*", "", name.strip("`"))
        for name, _ in rows(page("docs/simulator.md"), "| command |")
    }
    tags = {str(command.__struct_config__.tag) for command in get_args(Command)}
    assert listed == tags - {"stop"}  # only another process stops one


def test_the_readme_tells_the_numbers_of_the_registry() -> None:
    readme = page("README.md")
    assert f"every one of OpenD's {len(registry.rows())} proto ids" in readme
    without = sorted(row.proto_id for row in registry.rows() if row.module is None)
    listed = ", ".join(str(number) for number in without[:-1]) + f" and {without[-1]}"
    assert f"{listed} have none" in " ".join(readme.split())


def test_the_readme_tells_the_schemes_that_there_are() -> None:
    assert ", ".join(f"`{name}://`" for name in SCHEMES) in page("README.md")


def test_the_table_of_combinations_is_made_of_what_the_clients_check_by() -> None:
    assert written(page("docs/transports.md")) == page("docs/transports.md")


def test_the_table_of_encryptions_is_complete() -> None:
    listed = [name.strip('`"') for name, _ in rows(page("docs/transports.md"), "| `encryption` |")]
    assert sorted(listed) == sorted([*ENCRYPTIONS, "required"])


def test_every_command_stands_in_the_readme() -> None:
    names = [
        command.name or getattr(command.callback, "__name__", "")
        for command in app.registered_commands
    ]
    assert sorted(names) == ["call", "codegen", "decode", "demo", "gateway", "sim", "watch"]
    assert [name for name in names if f"`{name}`" not in page("README.md")] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_names_of_modules_in_the_text_exist(path: Path) -> None:
    names = set(re.findall(r"`(futukit(?:\.[a-z_]+)+(?:\.[A-Z]\w+)?)`", path.read_text("utf-8")))
    for name in names - {"futukit.codegen"}:
        head, _, last = name.rpartition(".")
        if last[0].isupper():
            assert hasattr(import_module(head), last), name
        else:
            import_module(name)
