"""Methods, handlers and request objects of the official Python face, from ``protos/futu``.

A method's parameters say which fields of its C2S they fill and how; its ``returns`` say what is
made of the answer. All names are checked against the schema here; the templates only print.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .errors import CodegenError
from .futu_paths import Step, class_of, message_of, steps_of
from .futu_tables import Results, Tables
from .model import Project, docstring, literal
from .schema import Message

_LINE = 88
_HEADERS = {"Qot_Common.QotHeader": "quote", "Trd_Common.TrdHeader": "trade"}
_ANNOTATIONS = {
    "security": "str",
    "securities": "Sequence[str] | str",
    "text": "str",
    "texts": "Sequence[str] | str",
    "integer": "int",
    "integers": "Sequence[int]",
    "number": "float",
    "flag": "bool",
    "bytes": "bytes",
    "time": "str",
    "enum": "str",
    "enums": "Sequence[str] | str",
    "enum_or_integer": "str | int",
    "choices": "Sequence[str | int]",
    "count": "int",
    "page": "str | int",
    "nonzero_integer": "int",
    "filled_page": "str | int",
    "filled_text": "str",
    "code_filter": "str",
    "identifier": "str",
    "identifiers": "Sequence[str]",
    "fraction": "float",
}
_METHOD_KEYS = {
    *("name", "context", "proto_id", "doc", "parameters", "fixed", "window", "returns"),
    *("failure", "account", "header"),
}
_PARAMETER_KEYS = {"name", "default", "to", "as", "doc", "otherwise"}
_HANDLER_KEYS = {"name", "proto_id", "doc", "returns"}
_OBJECT_KEYS = {"class", "message", "doc", "fields", "mapping"}
_FIELD_KEYS = _PARAMETER_KEYS | {"constant", "required", "with"}
_NEEDED = {
    "method": ("name", "context", "proto_id", "doc", "returns"),
    "handler": ("name", "proto_id", "doc", "returns"),
    "object": ("message", "doc", "fields"),
    "parameter": ("name",),
    "constant": ("to",),
}


@dataclass(frozen=True)
class ParameterView:
    """A parameter as it is printed: ``code: str``, with its default."""

    name: str
    annotation: str
    default: str | None


@dataclass(frozen=True)
class MethodView:
    """A generated method."""

    name: str
    proto_id: int
    doc: str
    parameters: tuple[ParameterView, ...]
    failure: str
    imports: tuple[str, ...]
    window: str | None
    c2s: str
    request: str | None
    returns: tuple[str, ...]


@dataclass(frozen=True)
class HandlerView:
    """A generated base of push handlers."""

    name: str
    proto_id: int
    doc: str
    returns: tuple[str, ...]


@dataclass(frozen=True)
class ObjectView:
    """A request object: the class (None if it is written by hand) and its way into a message."""

    name: str
    class_name: str | None
    doc: str
    attributes: tuple[tuple[str, str], ...]
    takes_arguments: bool
    imports: tuple[str, ...]
    message: str


@dataclass
class Face:
    """Everything that is generated for the face, from the merged files of ``protos/futu``."""

    project: Project
    source: Mapping[str, Any]
    tables: Tables = field(init=False)
    uses: set[str] = field(default_factory=set)
    enums: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.tables = Tables(self.project, self.source.get("table", {}))

    def methods(self, context: str) -> list[MethodView]:
        """The methods of one kind of context, in the order of the tables."""
        entries = [
            entry for entry in self.source.get("method", []) if entry.get("context") == context
        ]
        _distinct([entry["name"] for entry in entries], f"{context} method")
        return [self._method(entry) for entry in entries]

    def handlers(self) -> list[HandlerView]:
        """The bases of push handlers."""
        return [self._handler(entry) for entry in self.source.get("handler", [])]

    def objects(self) -> list[ObjectView]:
        """The request objects."""
        return [self._object(*entry) for entry in self.source.get("object", {}).items()]

    def _messages(self, proto_id: int) -> tuple[Message | None, Message]:
        row = next((row for row in self.project.ids if row.proto_id == proto_id), None)
        if row is None or row.response is None:
            raise CodegenError(f"proto id {proto_id} has no schema")
        schema = self.project.schema
        *request, response = (schema.message(name) for name in row.messages(schema))
        return (request[0] if request else None), response

    def _answer(self, response: Message) -> Message:
        s2c = next((item for item in response.fields if item.name == "s2c"), None)
        if s2c is None or s2c.type_name is None:
            return response
        return self.project.schema.message(s2c.type_name)

    def _handler(self, entry: Mapping[str, Any]) -> HandlerView:
        where = f"handler {entry.get('name')}"
        _check_keys("handler", entry, _HANDLER_KEYS, where)
        _, response = self._messages(entry["proto_id"])
        returns = Results(self.tables, self._answer(response)).expressions(entry["returns"], where)
        doc = docstring(f"{entry['doc']} (proto id {entry['proto_id']})", 4)
        return HandlerView(entry["name"], entry["proto_id"], doc, tuple(returns))

    def _method(self, entry: Mapping[str, Any]) -> MethodView:
        where = f"method {entry.get('name')}"
        _check_keys("method", entry, _METHOD_KEYS, where)
        request, response = self._messages(entry["proto_id"])
        if request is None:
            raise CodegenError(f"{where}: proto id {entry['proto_id']} is no request")
        maker = _Builder(self, where)
        c2s = next((item for item in request.fields if item.name == "c2s"), None)
        target = self.project.schema.message(c2s.type_name) if c2s and c2s.type_name else request
        values = self._values(entry, target, where)
        body = maker.build(target, values, 8)
        wrapped = None
        if c2s is not None:
            module, name = class_of(self.project, request)
            maker.modules.add(module)
            wrapped = f"{module}.{name}"
        returns = Results(self.tables, self._answer(response)).expressions(entry["returns"], where)
        failure = [_absent(each) for each in entry.get("failure", ["none"] * (len(returns) - 1))]
        return MethodView(
            entry["name"],
            entry["proto_id"],
            _method_doc(entry),
            _in_order([_parameter(each, where) for each in entry.get("parameters", [])], where),
            ", ".join(failure),
            tuple(sorted(maker.modules)),
            self._window(entry),
            body,
            wrapped,
            tuple(returns),
        )

    def _values(self, entry: Mapping[str, Any], target: Message, where: str) -> dict[str, str]:
        """Path in the C2S → expression."""
        values: dict[str, str] = {}
        header = next((i for i in target.fields if i.type_name in _HEADERS), None)
        quoted = header is not None and _HEADERS[str(header.type_name)] == "quote"
        if quoted and entry.get("header", True):
            values["header"] = "self._quote_header()"
        if "account" in entry:
            values["header"] = _account(entry)
        for path, value in entry.get("fixed", []):
            values[path] = literal(value)
        if "window" in entry:
            values |= zip(entry["window"]["to"], ("begin", "until"), strict=True)
        for parameter in entry.get("parameters", []):
            if "to" in parameter:
                name = parameter["name"]
                value = self.argument(literal(name), name, parameter, where)
                if "otherwise" in parameter:
                    value = f"{literal(parameter['otherwise'])} if {name} is None else {value}"
                values[parameter["to"]] = value
        return values

    def argument(self, told: str, value: str, entry: Mapping[str, Any], where: str) -> str:
        """The expression that turns an argument into a field's value."""
        conversion, _, extra = entry.get("as", "raw").partition(" ")
        if conversion in ("enum", "enums", "enum_or_integer", "choices"):
            enums = extra.split()
            self.enums.update(enums)
            self.uses.add(f"as_{conversion}")
            return f"as_{conversion}({', '.join((told, value, *enums))})"
        if conversion in ("item", "items"):
            if extra not in self.source.get("object", {}):
                raise CodegenError(f"{where}: there is no object {extra!r}")
            packer = f"_objects.{extra}"
            self.uses.add(f"as_{conversion}")
            return f"as_{conversion}({told}, {value}, {packer})"
        self.uses.add(f"as_{conversion}")
        return f"as_{conversion}({told}, {value})"

    def _window(self, entry: Mapping[str, Any]) -> str | None:
        if "window" not in entry:
            return None
        self.uses.add("window")
        options = dict(entry["window"])
        start, end, days = (options.pop(key) for key in ("start", "end", "days"))
        options.pop("to")
        more = "".join(f", {key}={literal(value)}" for key, value in sorted(options.items()))
        return f'window(("{start}", {start}), ("{end}", {end}), {days}{more})'

    def _object(self, name: str, entry: Mapping[str, Any]) -> ObjectView:
        where = f"object {name}"
        _check_keys("object", entry, _OBJECT_KEYS, where)
        for each in entry["fields"]:
            kind = "constant" if "constant" in each else "parameter"
            _check_keys(kind, each, _FIELD_KEYS, f"{where}, field {each.get('name')}")
        maker = _Builder(self, where)
        target = self.project.schema.message(entry["message"])
        read = 'value.get("{}")' if entry.get("mapping") else "value.{}"
        values = {}
        for each in entry["fields"]:
            if "to" not in each:
                continue
            if "constant" in each:
                value = literal(each["constant"])
            else:
                told = f'f"{{name}}.{each["name"]}"'
                value = self.argument(told, read.format(each["name"]), each, where)
            if each.get("required"):
                self.uses.add("needed")
                value = f"needed({told}, {value})"
            if "with" in each:
                value = f"None if {read.format(each['with'])} is None else {value}"
            values[each["to"]] = value
        message = maker.build(target, values, 4)
        return ObjectView(
            name,
            entry.get("class"),
            docstring(entry["doc"], 4),
            tuple(
                (each["name"], _default(each.get("default", "@None")))
                for each in entry["fields"]
                if "name" in each
            ),
            any("default" in each for each in entry["fields"]),
            tuple(sorted(maker.modules)),
            message,
        )


@dataclass
class _Builder:
    """Makes the expression of a message from its fields' expressions."""

    face: Face
    where: str
    modules: set[str] = field(default_factory=set)

    def build(
        self, message: Message, values: Mapping[str, str], indent: int, *, needed: bool = True
    ) -> str:
        """A call of the message's class; of ``some`` where it may be left out."""
        project = self.face.project
        own: dict[str, str] = {}
        below: dict[str, dict[str, str]] = {}
        for path, value in values.items():
            first, _, rest = path.partition(".")
            if rest:
                below.setdefault(first, {})[rest] = value
            else:
                own[first] = value
        arguments = []
        for step in self._fields(message, own, below):
            value = own.get(step.attribute) or self._nested(step, below, indent + 4)
            if needed and step.field.label == "required" and value.startswith("as_"):
                self.face.uses.add("needed")
                value = f"needed({literal(step.attribute)}, {value})"
            arguments.append(f"{step.attribute}={value}")
        module, name = class_of(project, message)
        self.modules.add(module)
        if needed:
            return _laid_out(f"{module}.{name}", arguments, indent)
        self.face.uses.add("some")
        return _laid_out("some", [f"{module}.{name}", *arguments], indent)

    def _fields(
        self, message: Message, own: Mapping[str, str], below: Mapping[str, Any]
    ) -> list[Step]:
        steps = [
            steps_of(self.face.project, message, path, self.where)[0] for path in (*own, *below)
        ]
        told = {step.attribute for step in steps}
        for item in message.fields:
            if item.label == "required":
                attribute = self.face.project.naming.attribute(item.name)
                if attribute not in told:
                    raise CodegenError(
                        f"{self.where}: nothing fills {message.full_name}.{item.name}"
                    )
        return steps

    def _nested(self, step: Step, below: Mapping[str, Mapping[str, str]], indent: int) -> str:
        message = message_of(self.face.project, step)
        if message is None:
            raise CodegenError(f"{self.where}: {step.attribute} has no fields of its own")
        needed = step.field.label == "required"
        return self.build(message, below[step.attribute], indent, needed=needed)


def _laid_out(function: str, arguments: list[str], indent: int) -> str:
    """A call on one line, or with each argument on its own."""
    line = f"{function}({', '.join(arguments)})"
    if indent + len(line) <= _LINE and "\n" not in line:
        return line
    pad = " " * indent
    return f"{function}(\n" + "".join(f"{pad}    {each},\n" for each in arguments) + f"{pad})"


def _account(entry: Mapping[str, Any]) -> str:
    offered = [each["name"] for each in entry.get("parameters", [])]
    arguments = [f"{name}={name}" for name in ("trd_env", "acc_id", "acc_index") if name in offered]
    account = entry["account"] if isinstance(entry["account"], dict) else {}
    if "market" in account:
        arguments.append(f"code={account['market']}")
    if "checked" in account:
        arguments.append(f"checked={account['checked']}")
    return f"self._trade_header({', '.join(arguments)})"


def _parameter(entry: Mapping[str, Any], where: str) -> ParameterView:
    _check_keys("parameter", entry, _PARAMETER_KEYS, f"{where}, parameter {entry.get('name')}")
    annotation = _ANNOTATIONS.get(entry.get("as", "raw").partition(" ")[0], "Any")
    if "default" not in entry:
        return ParameterView(entry["name"], annotation, None)
    default = _default(entry["default"])
    if default == "None" and annotation != "Any":
        annotation = f"{annotation} | None"
    return ParameterView(entry["name"], annotation, default)


def _default(value: Any) -> str:
    if isinstance(value, str) and value.startswith("@"):
        return value.removeprefix("@")
    return "()" if value == [] else literal(value)


def _absent(value: Any) -> str:
    """What follows the text of a failure; ``message`` is the text once more."""
    return {"none": "None", "message": "REPEATED"}.get(value) or literal(value)


def _method_doc(entry: Mapping[str, Any]) -> str:
    arguments = [
        f"{each['name']}: {each['doc'].rstrip('.')}."
        for each in entry.get("parameters", [])
        if "doc" in each
    ]
    text = f"{entry['doc'].rstrip('.')}. (proto id {entry['proto_id']})"
    return docstring(text, 8, [("Args", arguments)])


def _check_keys(kind: str, entry: Mapping[str, Any], known: set[str], where: str) -> None:
    """Refuse an entry with a key that nobody knows, or without one that it needs."""
    unknown = set(entry) - known
    if unknown:
        raise CodegenError(f"{where}: unknown key {min(unknown)!r}")
    missing = [key for key in _NEEDED[kind] if key not in entry]
    if missing:
        raise CodegenError(f"{where}: {missing[0]!r} is missing")


def _in_order(parameters: list[ParameterView], where: str) -> tuple[ParameterView, ...]:
    """The parameters, of which none without a default may follow one with a default."""
    for before, after in pairwise(parameters):
        if before.default is not None and after.default is None:
            raise CodegenError(f"{where}: {after.name} needs a default, {before.name} has one")
    return tuple(parameters)


def _distinct(names: list[str], what: str) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise CodegenError(f"{what} {min(twice)!r} stands there twice")
