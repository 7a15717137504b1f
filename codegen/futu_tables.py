"""Tables of the official Python face: what becomes of an answer, column by column.

``protos/futu/*.toml`` name each column, the field it is of, its conversion and what it is when
the field is absent. Each table becomes a function of rows and their answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import CodegenError
from .futu_paths import Step, Variables, message_of, steps_of, walk, zero
from .model import Project, literal
from .schema import Message

_NOT_AVAILABLE = literal("N/A")
_BASES = {"^": "answer", "<": "parent"}
_POLICIES = {
    "N/A": _NOT_AVAILABLE,
    "missing": "MISSING",
    "lacking": "LACKING",
    "none": "None",
    "''": literal(""),
}
_NESTED = {"rows": "records({})", "row": "records({})[0]", "frame": "frame({})"}
_OF_TABLES = {
    "frame": "frame({})",
    "list": "records({})",
    "dict": "next(iter(records({})), {{}})",
}
_SEQUENCES = {"tuple": "({})", "items": "[{}]"}
_KEYS = {"columns", "absent", "within", "when", "rows_of", "answer_of", "reals"}


@dataclass(frozen=True)
class TableView:
    """A table's function: columns as (name, expression)."""

    name: str
    doc: str
    columns: tuple[tuple[str, str], ...]
    reals: tuple[str, ...]


@dataclass
class Tables:
    """All tables of the face. A table's function is made when somebody uses it first."""

    project: Project
    sources: Mapping[str, Mapping[str, Any]]
    views: dict[str, TableView] = field(default_factory=dict)
    conversions: set[str] = field(default_factory=set)
    enums: set[str] = field(default_factory=set)

    def use(
        self, name: str, row: Message, answer: Message | None, parent: Message | None = None
    ) -> str:
        """The function of a table for rows of this message, as text.

        With a ``parent`` its rows are pairs: the message that holds the row, and the row.
        """
        if name not in self.sources:
            raise CodegenError(f"there is no table {name!r}")
        view = _Maker(self, name, row, answer, parent).view()
        known = self.views.setdefault(name, view)
        if known.columns != view.columns:
            raise CodegenError(
                f"table {name}: {row.full_name} needs other code than the message it was used "
                "for before: make two tables"
            )
        return f"_tables.{name}"

    def use_all(self) -> None:
        """Make those that name their own messages; refuse those that nobody uses."""
        schema = self.project.schema
        for name, source in self.sources.items():
            if "rows_of" in source:
                answer = source.get("answer_of")
                row = schema.message(source["rows_of"])
                self.use(name, row, None if answer is None else schema.message(answer))
            elif name not in self.views:
                raise CodegenError(f"table {name}: nothing uses it")


class _Maker:
    """One table's function in the making."""

    def __init__(
        self,
        tables: Tables,
        name: str,
        row: Message,
        answer: Message | None,
        parent: Message | None = None,
        variables: Variables | None = None,
    ) -> None:
        self._tables = tables
        self._project = tables.project
        self._name = name
        self._source = tables.sources.get(name, {})
        self._row = row
        self._messages = {"row": row, "answer": answer, "parent": parent}
        # Attributes that are read for all rows at once, where a table wants that.
        self._reals: dict[str, None] | None = {} if self._source.get("reals") else None
        self._each = "for row in rows" if parent is None else "for parent, row in rows"
        self._variables = variables or Variables()
        unknown = set(self._source) - _KEYS
        if unknown:
            raise CodegenError(f"table {name}: unknown key {min(unknown)!r}")

    def view(self) -> TableView:
        columns: dict[str, str] = {}
        for entry in self._source["columns"]:
            column, source, conversion, absent = _entry(entry)
            if column in columns:
                raise CodegenError(f"table {self._name}: column {column!r} stands there twice")
            columns[column] = self._column(column, source, conversion, absent)
        doc = f"Columns of {self._row.full_name}."
        return TableView(self._name, doc, tuple(columns.items()), tuple(self._reals or ()))

    def _column(self, column: str, source: str, conversion: str, absent: Any) -> str:
        if source.startswith("="):
            return f"[{_constant(source[1:])}] * len(rows)"
        where = f"table {self._name}, column {column}"
        expression = self.single(source, conversion, absent, where)
        if column in self._source.get("when", {}):
            expression = self._when(self._source["when"][column], expression, where)
        if source.startswith("^"):
            # Without rows there may be no answer either.
            return f"[{expression}] * len(rows) if rows else []"
        values = f"[{expression} {self._each}]"
        values = f"lacking({values})" if "LACKING" in expression else values
        first = source.partition("|")[0]
        if conversion or self._reals is None or not self._is_real(first, where):
            return values
        self._reals[first] = None
        name = self._variables.fresh()
        return f"{name} if ({name} := real.get({literal(first)})) is not None else {values}"

    def _is_real(self, path: str, where: str) -> bool:
        steps = steps_of(self._project, self._row, path, where)
        return len(steps) == 1 and steps[0].field.kind == "double" and not steps[0].repeated

    def single(self, source: str, conversion: str, absent: Any, where: str) -> str:
        """The value of one row."""
        base = _BASES.get(source[0], "row")
        alternatives = [self._path(base, path, where) for path in source.lstrip("^<").split("|")]
        expression = ""
        for path, steps in reversed(alternatives):
            expression = self._value(base, path, steps, conversion, absent, expression, where)
        return expression

    def _path(self, base: str, path: str, where: str) -> tuple[str, tuple[Step, ...]]:
        message = self._messages[base]
        if message is None:
            raise CodegenError(f"{where}: the table has no {base} to take {path!r} from")
        return path, steps_of(self._project, message, path, where)

    def _value(
        self,
        base: str,
        path: str,
        steps: tuple[Step, ...],
        conversion: str,
        absent: Any,
        otherwise: str,
        where: str,
    ) -> str:
        if conversion == "present":
            return walk(base, steps, self._variables, lambda _: "True", lambda _: "False")
        last = steps[-1] if steps else None

        def policy(position: int) -> str:
            if otherwise:
                return f"({otherwise})"
            prefix = ".".join(path.split(".")[: position + 1])
            chosen = self._source.get("absent", "N/A")
            if position < len(steps) - 1:
                chosen = self._source.get("within", {}).get(prefix, chosen)
            if isinstance(absent, list):  # of a message on the way, and of the field itself
                chosen = absent[position == len(steps) - 1]
            elif absent is not None:
                chosen = absent
            if chosen != "unset":
                return _policy(chosen)
            if last is None or last.repeated:
                return self._convert("()", conversion, last, where)
            if conversion == "code":
                return literal("N/A.")
            return self._convert(zero(self._project, last), conversion, last, where)

        def found(reached: str) -> str:
            value = self._convert(reached, conversion, last, where)
            if last is not None and last.repeated and absent not in (None, "unset"):
                return f"({value} if {reached} else {_policy(absent)})"
            return value

        return walk(base, steps, self._variables, found, policy)

    def _when(self, path: str, expression: str, where: str) -> str:
        _, steps = self._path("row", path, where)
        last = message_of(self._project, steps[-1])
        truth = walk(
            "row",
            steps,
            self._variables,
            lambda reached: "True" if last else reached,
            lambda _: "False",
        )
        return f"({expression}) if ({truth}) else MISSING"

    def _convert(self, value: str, conversion: str, last: Step | None, where: str) -> str:
        name, _, argument = conversion.partition(" ")
        if name in _NESTED:
            return self._nested(value, name, argument, last, where)
        if name in ("enum", "enums"):
            self._tables.enums.add(argument)
            if name == "enum":
                return f"{argument}._words.get({value}, {_NOT_AVAILABLE})"
            self._tables.conversions.add(name)
            return f"{name}({value}, {argument})"
        if not name:
            return value
        if name == "list":
            return f"list({value})"
        if name == "words":
            return f"{_words(argument)}.get({value}, {_NOT_AVAILABLE})"
        self._tables.conversions.add(name)
        if name == "pick":
            return f"pick({value}, {self._picked(argument, last, where)})"
        return f"{name}({value})"

    def _picked(self, argument: str, last: Step | None, where: str) -> str:
        """``kind=3 value``: of a list the ``value`` of the element whose ``kind`` is 3."""
        message = None if last is None else message_of(self._project, last)
        condition, _, wanted = argument.partition(" ")
        key, _, number = condition.partition("=")
        if message is None or not number:
            raise CodegenError(f"{where}: pick {argument!r} needs a list of messages")
        for attribute in (key, wanted):
            steps_of(self._project, message, attribute, where)
        return f"{literal(key)}, {int(number)}, {literal(wanted)}"

    def _nested(self, value: str, shape: str, table: str, last: Step | None, where: str) -> str:
        message = None if last is None else message_of(self._project, last)
        if message is None or last is None:
            raise CodegenError(f"{where}: {shape} {table} needs a message")
        function = self._tables.use(table, message, self._messages["answer"])
        rows = value if last.repeated else f"({value},)"
        return _NESTED[shape].format(f"{function.removeprefix('_tables.')}({rows}, answer)")


def _entry(entry: list[Any]) -> tuple[str, str, str, Any]:
    if not 2 <= len(entry) <= 4 or not all(isinstance(part, str) for part in entry[:3]):
        raise CodegenError(f"{entry!r} is no column: name, source, conversion, absent")
    column, source, *more = entry
    return column, source, more[0] if more else "", more[1] if len(more) > 1 else None


def _words(argument: str) -> str:
    """``1=Community 2=News`` as a dict."""
    pairs = [pair.partition("=") for pair in argument.split()]
    return "{" + ", ".join(f"{int(number)}: {literal(word)}" for number, _, word in pairs) + "}"


def _policy(absent: Any) -> str:
    if isinstance(absent, str):
        return _POLICIES.get(absent, literal(absent))
    return literal(absent)


def _constant(text: str) -> str:
    if text in ("0", "1", "false", "true"):
        return {"false": "False", "true": "True"}.get(text, text)
    return _POLICIES.get(text, literal(text))


@dataclass(frozen=True)
class Results:
    """What a method or a handler returns, as expressions over ``answer``."""

    tables: Tables
    answer: Message

    def expressions(self, returns: Any, where: str) -> list[str]:
        """One expression for each value after ``RET_OK``."""
        variables = Variables()
        each_returned = returns if isinstance(returns, list) else [returns]
        return [self._expression(each, variables, where) for each in each_returned]

    def _expression(self, result: Mapping[str, Any], variables: Variables, where: str) -> str:
        if "nothing" in result:
            return "None"
        if "value" in result:
            return self._value(result, variables, where)
        for shape, text in _SEQUENCES.items():
            if shape in result:
                parts = [self._expression(each, variables, where) for each in result[shape]]
                return text.format("".join(f"{part}, " for part in parts))
        for shape, text in _OF_TABLES.items():
            if shape in result:
                columns = self._columns(result["of"], result[shape], variables, where)
                return self._with_attrs(text.format(columns), result, variables, where)
        raise CodegenError(f"{where}: {dict(result)!r} is no result")

    def _with_attrs(
        self, table: str, result: Mapping[str, Any], variables: Variables, where: str
    ) -> str:
        """A DataFrame with facts of the answer in its ``attrs``."""
        if "attrs" not in result:
            return table
        told = []
        for entry in result["attrs"]:
            name, source, conversion, absent = _entry(entry)
            single = {"value": source, "as": conversion, "absent": absent}
            told.append(f"{name}={self._value(single, variables, where)}")
        return f"with_attrs({table}, {', '.join(told)})"

    def _columns(self, path: str, table: str, variables: Variables, where: str) -> str:
        """The call of a table's function."""
        project = self.tables.project
        outer, _, inner = path.partition("/")
        steps = steps_of(project, self.answer, outer, where)
        row = message_of(project, steps[-1]) if steps else self.answer
        many = bool(steps) and steps[-1].repeated
        if row is None and (inner or not many):
            raise CodegenError(f"{where}: {path!r} is no message and has no rows")
        if inner and row is not None:
            return self._paired(outer, inner, row, table, where)
        rows = walk("answer", steps, variables, lambda x: x if many else f"({x},)", lambda _: "()")
        # Of a list of scalars a column can only be ".", which has no path in any message.
        used = self.tables.use(table, self.answer if row is None else row, self.answer)
        return f"{used}({rows}, answer)"

    def _paired(self, outer: str, inner: str, parent: Message, table: str, where: str) -> str:
        """The same for rows of a list in each row of a list."""
        steps = steps_of(self.tables.project, parent, inner, where)
        row = message_of(self.tables.project, steps[-1])
        if row is None or not steps[-1].repeated:
            raise CodegenError(f"{where}: {inner!r} is no list of messages")
        pairs = f"[(each, row) for each in answer.{outer} for row in each.{inner}]"
        return f"{self.tables.use(table, row, self.answer, parent)}({pairs}, answer)"

    def _value(self, result: Mapping[str, Any], variables: Variables, where: str) -> str:
        """A single value, by the rules of a column."""
        if result["value"].startswith("="):
            return _constant(result["value"][1:])
        maker = _Maker(self.tables, "", self.answer, self.answer, None, variables)
        source, conversion = f"^{result['value']}", result.get("as", "")
        return maker.single(source, conversion, result.get("absent"), where)
