"""Arguments as cases write them, made into what a face takes.

Enumerations are written as the words they are. A table with one of these keys stands for more:

    {none = true}                                     None
    {bytes = "text"}                                  bytes
    {tuple = […]}, {dict = {…}}                       a tuple, a dict
    {from = "case", path = [1, 0]}                    what an earlier case of the group returned
    {from = "case", path = [1], column = "c", row = 0, where = {…}}    … a cell of its table
    {make = "Class", args = […], kwargs = {…}, set = {…}, calls = [["method", […], {…}]]}

``make`` calls the face's class, sets attributes, calls methods. Runs in both environments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Builder:
    """Makes arguments for one face; keeps what its cases returned."""

    def __init__(self, face: Any) -> None:
        self._face = face
        self.returned: dict[str, Any] = {}
        self._makers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "none": lambda _: None,
            "bytes": lambda spec: spec["bytes"].encode(),
            "tuple": lambda spec: tuple(map(self.built, spec["tuple"])),
            "dict": lambda spec: {key: self.built(item) for key, item in spec["dict"].items()},
            "from": self._earlier,
            "make": self._made,
        }

    def built(self, spec: Any) -> Any:
        """What ``spec`` stands for."""
        if isinstance(spec, list):
            return [self.built(item) for item in spec]
        if isinstance(spec, dict):
            for key, maker in self._makers.items():
                if key in spec:
                    return maker(spec)
            raise ValueError(f"no such kind of argument: {spec}")
        return spec

    def _earlier(self, spec: Mapping[str, Any]) -> Any:
        found = self.returned[spec["from"]]
        for step in spec.get("path", []):
            found = found[step]
        if "column" not in spec:
            return found
        for column, wanted in spec.get("where", {}).items():
            found = found[found[column] == wanted]
        cell = found[spec["column"]].iloc[spec.get("row", 0)]
        return cell.item() if hasattr(cell, "item") else cell

    def _made(self, spec: Mapping[str, Any]) -> Any:
        positional = map(self.built, spec.get("args", []))
        keyword = {name: self.built(item) for name, item in spec.get("kwargs", {}).items()}
        made = getattr(self._face, spec["make"])(*positional, **keyword)
        for name, item in spec.get("set", {}).items():
            setattr(made, name, self.built(item))
        for method, arguments, options in spec.get("calls", []):
            keyword = {name: self.built(item) for name, item in options.items()}
            getattr(made, method)(*map(self.built, arguments), **keyword)
        return made
