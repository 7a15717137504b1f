"""Who imports whom: only downwards, in no circle, and nothing of the world in the core."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LAYERS: list[set[str]] = [
    {"errors", "endpoint", "options", "types"},
    {"_native"},
    {"codec"},
    {"messages", "enums"},
    {"core"},
    {"trace"},
    {"channels"},
    {"aio", "sync"},
    {"sim", "gateway", "futu"},
    {"moomoo"},
    {"cli", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

# The sim is a server: it takes none of the faces, and aio and sync never take each other.
STRANGERS = [("aio", "sync"), ("sync", "aio"), ("sim", "gateway"), ("gateway", "sim")]

WORLD = {
    "asyncio",
    "concurrent",
    "datetime",
    "multiprocessing",
    "queue",
    "random",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
}


def modules(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


ALL = dict(modules("futukit"))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(path: Path, name: str, *, lazy: bool = True) -> Iterator[str]:
    """The modules that a module imports; ``lazy`` includes those within functions."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    pending: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while pending:
        node = pending.pop()
        if is_type_checking(node):
            continue
        if not lazy and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        pending += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: 1 - node.level or None], base]).rstrip(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in ALL else base


def layer(name: str) -> str:
    return [*name.split("."), ""][1]


@pytest.mark.parametrize("name", ALL)
def test_a_module_imports_only_downwards(name: str) -> None:
    if name == "futukit":
        return  # the top gives everything, lazily
    own = layer(name)
    for target in imports(ALL[name], name):
        if target.split(".")[0] != "futukit" or target == "futukit":
            continue
        other = layer(target)
        assert other in RANK, f"{target} is in no layer"
        assert RANK[other] <= RANK[own], f"{name} imports {target}"
        assert (own, other) not in STRANGERS, f"{name} imports {target}"


def test_every_module_has_its_layer() -> None:
    assert {layer(name) for name in ALL} - {""} <= set(RANK)


def test_there_is_no_circle() -> None:
    graph = {
        name: {target for target in imports(path, name, lazy=False) if target in ALL} - {name}
        for name, path in ALL.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


@pytest.mark.parametrize("name", [name for name in ALL if layer(name) == "core"])
def test_the_core_knows_nothing_of_the_world(name: str) -> None:
    found = {target.split(".")[0] for target in imports(ALL[name], name)}
    assert found & WORLD == set()


def test_codegen_imports_nothing_of_futukit() -> None:
    for name, path in modules("codegen"):
        assert not [target for target in imports(path, name) if target.split(".")[0] == "futukit"]


@pytest.mark.parametrize("package", ["futukit", "codegen", "benchmarks", "tests"])
def test_no_hand_written_file_is_longer_than_500_lines(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        lines = path.read_text("utf-8").splitlines()
        generated = bool(lines) and lines[0].startswith("# generated")
        assert generated or len(lines) <= 500, path


# What an import does, looked at in a process of its own.


def run(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


HEAVY = (
    "asyncio",
    "ssl",
    "msgspec",
    "socket",
    "logging",
    "threading",
    "inspect",
    "futukit._native",
)


def test_importing_futukit_loads_next_to_nothing() -> None:
    code = "import sys; before = set(sys.modules); import futukit; "
    code += "print('\\n'.join(set(sys.modules) - before))"
    loaded = run(code).split()
    assert not [name for name in HEAVY if name in loaded]
    assert {name for name in loaded if name.startswith("futukit")} == {"futukit"}


def test_a_face_loads_few_message_modules() -> None:
    code = "import sys; from futukit import {}; "
    code += "print(sum(name.startswith('futukit.messages.') for name in sys.modules))"
    for face in ("aio", "sync"):
        assert int(run(code.format(face))) < 25


def test_names_of_the_package_load_when_touched() -> None:
    code = "import futukit, types; print(all(isinstance(getattr(futukit, name), types.ModuleType) "
    code += "for name in futukit.__all__ if name != '__version__'), 'aio' in dir(futukit))"
    assert run(code) == "True True\n"


SIDE_EFFECTS = """
import gc, logging, os, signal, sys, threading, warnings
def facts():
    return (
        [signal.getsignal(number) for number in signal.valid_signals()],
        threading.enumerate(),
        [list(logging.getLogger(name).handlers) for name in ("", "futukit")],
        [logging.getLogger(name).level for name in ("", "futukit")],
        sys.path[:], dict(os.environ), sys.excepthook, threading.excepthook, warnings.filters[:],
        sorted(os.listdir(".")), os.getcwd(), gc.isenabled(), sys.getswitchinterval(),
        sys.stdout, sys.stderr,
    )
import asyncio, dataclasses, msgspec, random, selectors, socket, zoneinfo
before = facts()
descriptors = os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else []
import futukit, futukit.aio, futukit.sync, futukit.messages.registry
after = os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else []
print(facts() == before, len(after) - len(descriptors))
"""


def test_importing_has_no_side_effect() -> None:
    assert run(SIDE_EFFECTS) == "True 0\n"
