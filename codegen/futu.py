"""The drop-in face: ``protos/futu/*.toml`` → the generated modules of ``futukit/futu``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import futu_enums
from .errors import CodegenError
from .futu_methods import Face
from .model import Project

_WIDTH = 100
_NOT_METHODS = frozenset({"enums.toml", "names.toml", "left_out.toml"})
_CONTEXTS = {"base": "BaseMethods", "quote": "QuoteMethods", "trade": "TradeMethods"}
_IMPORTS = "# imports\n"
_HELPERS = {
    "futukit.futu.conversions": "LACKING MISSING lacking",
    "futukit.futu.frames": "Columns frame reals records with_attrs",
    "futukit.futu.handlers": "RspHandlerBase",
    "futukit.futu.outcome": "RET_OK REPEATED Outcome answering",
}

Render = Callable[..., str]


def outputs(project: Project, protos: Path, render: Render) -> dict[str, str]:
    """The generated modules of the face, by path; nothing where there are no tables."""
    folder = protos / "futu"
    if not folder.is_dir():
        return {}
    face = Face(project, _merged(folder))
    rendered = {
        f"futukit/futu/_{context}.py": render(
            "futu_methods.py.j2",
            class_name=class_name,
            context=context,
            methods=face.methods(context),
        )
        for context, class_name in _CONTEXTS.items()
    }
    rendered["futukit/futu/_objects.py"] = render("futu_objects.py.j2", objects=face.objects())
    rendered["futukit/futu/_handlers.py"] = render("futu_handlers.py.j2", handlers=face.handlers())
    face.tables.use_all()
    views = sorted(face.tables.views.values(), key=lambda view: view.name)
    rendered["futukit/futu/_tables.py"] = render("futu_tables.py.j2", tables=views)
    rendered["futukit/futu/_star.py"] = render("futu_star.py.j2", modules=_star(folder))
    homes = _homes(folder, face)
    return {path: _with_imports(path, text, homes) for path, text in rendered.items()}


def _star(folder: Path) -> list[tuple[str, list[str]]]:
    """(module, names) of everything that the star import gives."""
    classes = futu_enums.load(folder / "enums.toml")
    modules: dict[str, list[str]] = {"_enums": [], "_screening": []}
    for constants in classes:
        home = "_screening" if constants.kind == "integers" else "_enums"
        modules[home].append(constants.name)
    for module, names in _read(folder / "names.toml")["public"].items():
        modules.setdefault(module, []).extend(names)
    return sorted((module, sorted(names)) for module, names in modules.items())


def _merged(folder: Path) -> dict[str, Any]:
    """All tables as one; a name that stands in two files is a CodegenError."""
    merged: dict[str, Any] = {"method": [], "handler": [], "table": {}, "object": {}}
    for path in sorted(folder.glob("*.toml")):
        if path.name in _NOT_METHODS:
            continue
        for key, value in _read(path).items():
            if key not in merged:
                raise CodegenError(f"{path.name}: unknown key {key!r}")
            if isinstance(value, list):
                merged[key] += value
                continue
            for name, entry in value.items():
                if name in merged[key]:
                    raise CodegenError(f"{path.name}: {key} {name!r} stands in another file too")
                merged[key][name] = entry
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CodegenError(f"{path.name}: {error}") from error


def _homes(folder: Path, face: Face) -> dict[str, str]:
    """Name → the module that a generated module imports it from."""
    words = _read(folder / "enums.toml")
    unknown = (face.enums | face.tables.enums) - set(words)
    if unknown:
        raise CodegenError(f"there is no enum {min(unknown)!r} in enums.toml")
    homes = {name: module for module, names in _HELPERS.items() for name in names.split()}
    homes |= dict.fromkeys(face.tables.conversions, "futukit.futu.conversions")
    homes |= dict.fromkeys(face.uses, "futukit.futu.arguments")
    return homes | dict.fromkeys(words, "futukit.futu._enums")


def _with_imports(path: str, text: str, homes: dict[str, str]) -> str:
    """The text with the imports of what it uses, in place of the line that stands for them."""
    used: dict[str, set[str]] = {}
    for name in _names(text):
        if name in homes:
            used.setdefault(homes[name], set()).add(name)
    for name in ("_objects", "_tables"):
        if f"{name}." in text and f"/{name}.py" not in path:
            used.setdefault("futukit.futu", set()).add(name)
    if "Sequence[" in text:
        used["collections.abc"] = {"Sequence"}
    if "Any" in _names(text):
        used["typing"] = {"Any"}
    lines = []
    for module in sorted(used, key=lambda module: (module.startswith("futukit"), module)):
        names = sorted(used[module])
        line = f"from {module} import {', '.join(names)}\n"
        if len(line) > _WIDTH:
            line = f"from {module} import (\n" + "".join(f"    {n},\n" for n in names) + ")\n"
        lines.append(line)
    return text.replace(_IMPORTS, "".join(lines), 1)


def _names(text: str) -> set[str]:
    """The identifiers that stand alone in a text, not behind a dot and not in a docstring."""
    code = re.sub(r'"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"', '""', text)
    return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", code))
