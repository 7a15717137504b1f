"""The decisions of the generator: schema and tables in, what the templates print out.

Everything a template needs is a plain attribute here: names are final, docstrings are wrapped,
annotations are text. The order of everything is the order of the schema, so that the output
depends on the input alone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import docs as docs_table
from . import enums as enums_table
from . import ids as ids_table
from . import limits as limits_table
from . import secrets as secrets_table
from . import service as grpc_service
from .docs import Docs
from .errors import CodegenError
from .naming import Naming, require_distinct
from .schema import Enum, Field, File, Message, Schema
from .schema import load as load_schema
from .service_bodies import may_be_whole

_WIDTH = 100
SCALARS = {
    "int32": "int",
    "int64": "int",
    "uint32": "int",
    "uint64": "int",
    "double": "float",
    "float": "float",
    "bool": "bool",
    "string": "str",
    "bytes": "bytes",
}
_BUILTINS = frozenset({*SCALARS.values(), "tuple", "Struct", "masks", "OpenEnum", "define"})
_WRAPPER_DOCS = {
    "c2s": "What the request asks for",
    "s2c": "The answer; absent when retType is not 0",
    "retType": "Outcome of the call; -400 when the peer left it out",
    "retMsg": "The server's explanation of an outcome other than 0",
    "errCode": "The server's own error number, where it has one",
}
_REEXPORTED = ("Common", "Qot_Common", "Trd_Common")


@dataclass(frozen=True)
class Project:
    """Everything that is read: the schema and the tables beside it, checked against each other."""

    schema: Schema
    ids: tuple[ids_table.ProtoId, ...]
    bindings: enums_table.Bindings
    docs: Docs
    naming: Naming
    secrets: frozenset[str] = frozenset()
    service: grpc_service.Service | None = None
    limits: tuple[limits_table.Limit, ...] = ()
    owners: dict[str, str] = field(init=False)
    circular: frozenset[str] = field(init=False)
    true_enums: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        owners = {row.proto_file: f"proto id {row.proto_id}" for row in self.ids if row.proto_file}
        object.__setattr__(self, "owners", owners)
        circular = frozenset(self.bindings.circular_files(self.schema))
        object.__setattr__(self, "circular", circular)
        object.__setattr__(self, "true_enums", frozenset(_true_enums(self.schema)))

    @classmethod
    def load(cls, protos: Path, *, strict: bool = True) -> Project:
        """Read ``protos/``; every inconsistency is a CodegenError that names the entry.

        With ``strict=False`` the tables may speak of more than the schema has: they are written
        for the newest release and must serve older ones too.
        """
        schema = load_schema(protos)
        rows = ids_table.load(protos / "proto_ids.toml", schema, strict=strict)
        docs = Docs.load(protos / "docs.toml")
        if strict:
            docs_table.validate(docs, schema, {row.proto_id for row in rows})
        bindings = enums_table.load(protos / "enums.toml", schema, strict=strict)
        secrets = secrets_table.load(protos / "secrets.toml", schema, strict=strict)
        service = grpc_service.load(protos)
        limits = limits_table.load(protos / "limits.toml", schema, rows, bindings, strict=strict)
        return cls(schema, rows, bindings, docs, Naming.load(), secrets, service, limits)

    def module(self, file: File) -> str:
        """Name of the file's module in ``futukit.messages``."""
        return self.naming.module(Path(file.name).stem)

    def enum_module(self, file: File) -> str:
        """Name of the module that holds the file's enums.

        Two files whose fields carry each other's enums would import each other: their enums
        stand in a module of their own, which the file's module exports again.
        """
        module = self.module(file)
        return f"_{module}_enums" if file.name in self.circular else module


def _true_enums(schema: Schema) -> Iterable[str]:
    """Full names of the enums that are types of fields; other fields carry theirs as int32."""
    for file in schema.files:
        for message in file.walk_messages():
            for item in message.fields:
                if item.kind == "enum" and item.type_name is not None:
                    yield item.type_name


@dataclass(frozen=True)
class FieldView:
    """A field as the templates print it."""

    attribute: str
    annotation: str
    default: str | None
    plan: str


@dataclass(frozen=True)
class ClassView:
    """A message class: name, docstring lines, fields in schema order, plan rows by number.

    ``secrets`` are the attributes that no repr may show.
    """

    name: str
    full_name: str
    doc: str
    base: str
    secrets: tuple[str, ...]
    fields: tuple[FieldView, ...]
    plan_rows: tuple[str, ...]


@dataclass(frozen=True)
class EnumView:
    """An enum class; ``members`` are canonical names first, aliases after them.

    ``schema_names`` are what the schema calls the members, for the enums that JSON writes by
    name: those that are the type of a field.
    """

    name: str
    full_name: str
    doc: str
    schema_names: tuple[str, ...]
    members: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class ConstantView:
    """A constant: name, value as source text, docstring."""

    name: str
    value: str
    doc: str


@dataclass(frozen=True)
class ModuleView:
    """A generated message module."""

    name: str
    doc: str
    imports: tuple[str, ...]
    enum_module: str
    exported_enums: tuple[str, ...]
    enums: tuple[EnumView, ...]
    classes: tuple[ClassView, ...]
    constants: tuple[ConstantView, ...] = ()

    @property
    def bases(self) -> frozenset[str]:
        """What the classes derive from."""
        return frozenset(view.base for view in self.classes)


def literal(value: object) -> str:
    """A Python literal with double quotes."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def docstring(text: str, indent: int, sections: Iterable[tuple[str, list[str]]] = ()) -> str:
    """A wrapped docstring, quotes included, for code at ``indent`` columns."""
    pad = " " * indent

    def wrap(line: str, hang: str = "") -> list[str]:
        return textwrap.wrap(
            line.replace("\\", "\\\\"),
            _WIDTH - indent - 4,
            subsequent_indent=hang,
            break_long_words=False,
            break_on_hyphens=False,
        )

    paragraphs = text.split("\n\n")
    lines = wrap(paragraphs[0])
    for paragraph in paragraphs[1:]:
        lines += ["", *wrap(paragraph)]
    for title, items in sections:
        if items:
            lines += ["", f"{title}:"]
            lines += [f"    {part}" for item in items for part in wrap(item, "    ")]
    if len(lines) == 1:
        return f'"""{lines[0]}"""'
    body = "\n".join(f"{pad}{line}".rstrip() for line in lines[1:])
    return f'"""{lines[0]}\n{body}\n{pad}"""'


def class_name(message: Message, file: File) -> str:
    """Nested messages stand at module level as ``Outer_Inner``."""
    return message.full_name.removeprefix(f"{file.package}.").replace(".", "_")


def modules(project: Project) -> list[ModuleView]:
    """One module for each .proto, and one for the enums of a circular one, sorted by name."""
    files = project.schema.files
    require_distinct("modules", {file.name: project.module(file) for file in files})
    views = [_module(project, file) for file in files]
    views += [_enum_module(project, file) for file in files if file.name in project.circular]
    if project.service is not None:
        views.append(_service_module(project, project.service))
    return sorted(views, key=lambda view: view.name)


def _module(project: Project, file: File) -> ModuleView:
    names = {m.full_name: class_name(m, file) for m in file.walk_messages()}
    names |= {enum.full_name: enum.name for enum in file.walk_enums()}
    require_distinct(file.name, names)
    own_enums = file.name not in project.circular
    classes = [_class(project, file, message) for message in _dependency_order(file)]
    return ModuleView(
        project.module(file),
        docstring(_module_doc(project, file), 0),
        tuple(sorted(_imports(project, file))),
        project.enum_module(file),
        () if own_enums else tuple(sorted(enum.name for enum in file.walk_enums())),
        tuple(_enum(project, enum) for enum in file.walk_enums()) if own_enums else (),
        tuple(classes),
    )


def _enum_module(project: Project, file: File) -> ModuleView:
    doc = f"The enums of {Path(file.name).stem}; use them from {project.module(file)}."
    enums = tuple(_enum(project, enum) for enum in file.walk_enums())
    name = project.enum_module(file)
    return ModuleView(name, docstring(doc, 0), (), name, (), enums, ())


def _service_module(project: Project, service: grpc_service.Service) -> ModuleView:
    file, name = service.file, project.module(service.file)
    own = replace(project, docs=service.docs)
    whole_only = [
        row.proto_id
        for row in project.ids
        if row.request is not None and may_be_whole(project.schema, row.messages(project.schema)[0])
    ]
    constants = [
        ConstantView(
            project.naming.attribute(call.name).upper(),
            literal(call.path),
            docstring(f"The path of the call {call.name}.", 0),
        )
        for call in service.calls
    ]
    ids = ", ".join(map(str, whole_only))
    said = (
        "The requests of which a bare C2S may look like a whole Request: a body is only ever read "
        "as the whole."
    )
    constants.append(ConstantView("WHOLE_ONLY", f"frozenset({{{ids}}})", docstring(said, 0)))
    said = "The .proto file as a serialized FileDescriptorProto, for gRPC's reflection."
    constants.append(ConstantView("DESCRIPTOR", repr(service.descriptor), docstring(said, 0)))
    return ModuleView(
        name,
        docstring(f"The gRPC service {service.full_name}: its messages and the paths of calls.", 0),
        (),
        name,
        (),
        (),
        tuple(_class(own, file, message) for message in file.messages),
        tuple(constants),
    )


def _imports(project: Project, file: File) -> set[str]:
    """Modules whose classes the file's own classes use."""
    targets = [
        target
        for message in file.walk_messages()
        for item in message.fields
        if (target := target_of(project, file, message, item)) is not None
    ]
    return {target.split(".")[0] for target in targets if "." in target}


def _module_doc(project: Project, file: File) -> str:
    stem = Path(file.name).stem
    if file.name not in project.owners:
        return f"{stem}: messages and enums that other protocols share."
    rows = [row for row in project.ids if row.proto_file == file.name]
    return f"{stem}: " + " ".join(
        f"{row.summary.rstrip('.')} (proto id {row.proto_id})." for row in rows
    )


def _dependency_order(file: File) -> list[Message]:
    """Messages with those they contain before them; the schema has no cycles."""
    own = {message.full_name: message for message in file.walk_messages()}
    ordered: dict[str, Message] = {}

    def visit(message: Message, trail: tuple[str, ...]) -> None:
        if message.full_name in trail:
            circle = " -> ".join((*trail, message.full_name))
            raise CodegenError(f"{file.name}: messages contain each other: {circle}")
        for item in message.fields:
            if item.type_name in own and item.kind == "message":
                visit(own[item.type_name], (*trail, message.full_name))
        ordered.setdefault(message.full_name, message)

    for message in own.values():
        visit(message, ())
    return list(ordered.values())


def target_of(project: Project, file: File, message: Message, item: Field) -> str | None:
    """The class a field carries, as text valid in ``file``'s module; None for a plain scalar."""
    schema = project.schema
    full_name = item.type_name or project.bindings.enum_of(f"{message.full_name}.{item.name}")
    if full_name is None:
        return None
    home = schema.home(full_name)
    if item.kind == "message":
        name, module = class_name(schema.message(full_name), home), project.module(home)
    else:
        name, module = schema.enum(full_name).name, project.module(home)
        if file.name in project.circular:
            module = project.enum_module(home)
    return name if home is file else f"{module}.{name}"


def _class(project: Project, file: File, message: Message) -> ClassView:
    naming = project.naming
    attributes = {item.name: naming.attribute(item.name) for item in message.fields}
    require_distinct(message.full_name, attributes)
    views = []
    for item in message.fields:
        target = target_of(project, file, message, item)
        if attributes[item.name] in _BUILTINS or target == attributes[item.name]:
            raise CodegenError(
                f"{message.full_name}.{item.name}: the attribute {attributes[item.name]!r} would "
                "hide a type; name it in naming.toml"
            )
        annotation = target or SCALARS[item.kind]
        default = None
        if item.label == "repeated":
            annotation, default = f"tuple[{annotation}, ...]", "()"
        elif item.label == "optional":
            annotation, default = f"{annotation} | None", "None"
        row = (
            f"({item.number}, {literal(attributes[item.name])}, {literal(item.name)}, "
            f"{literal(item.json_name)}, {literal(item.kind)}, {literal(item.label)}, "
            f"{target}, {item.default!r})"
        )
        views.append((item.number, FieldView(attributes[item.name], annotation, default, row)))
    secrets = tuple(
        attribute
        for name, attribute in attributes.items()
        if f"{message.full_name}.{name}" in project.secrets
    )
    return ClassView(
        class_name(message, file),
        message.full_name,
        docstring(
            _message_doc(project, file, message), 4, [("Fields", _field_docs(project, message))]
        ),
        "masks.Masked" if secrets else "Struct",
        secrets,
        tuple(view for _, view in views),
        tuple(view.plan for _, view in sorted(views, key=lambda pair: pair[0])),
    )


def _message_doc(project: Project, file: File, message: Message) -> str:
    own = project.docs.messages.get(message.full_name)
    owner = project.owners.get(file.name)
    place = f"{message.full_name}, {owner}" if owner else message.full_name
    if own:
        return f"{own.rstrip('.')}. ({place})"
    direction = {
        "C2S": "what the client asks for",
        "S2C": "what OpenD answers",
        "Request": "client to OpenD",
        "Response": "OpenD to client",
    }.get(message.name, "a part of the messages of this protocol")
    return f"{place}: {direction}."


def _field_docs(project: Project, message: Message) -> list[str]:
    lines = []
    for item in message.fields:
        text = project.docs.field(message.full_name, item.name)
        if not text and item.name in _WRAPPER_DOCS:
            text = _WRAPPER_DOCS[item.name]
        if text:
            lines.append(f"{project.naming.attribute(item.name)}: {text.rstrip('.')}.")
    return lines


def _enum(project: Project, enum: Enum) -> EnumView:
    members = {v.name: project.naming.member(enum.name, v.name) for v in enum.values}
    require_distinct(enum.full_name, members)
    doc = (
        project.docs.enums.get(enum.full_name) or f"Values of {enum.full_name}, by OpenD's numbers."
    )
    return EnumView(
        enum.name,
        enum.full_name,
        docstring(doc, 4),
        tuple(members) if enum.full_name in project.true_enums else (),
        tuple((members[value.name], value.number) for value in enum.values),
    )


def module_of(project: Project, row: ids_table.ProtoId) -> str | None:
    """The message module of a proto id; None for an id without a schema."""
    return None if row.proto_file is None else project.module(project.schema.file(row.proto_file))


def limit_rows(project: Project) -> list[str]:
    """The arguments of each row of limits: what is not the default, fields by their attributes."""
    return [", ".join(_limit_arguments(project.naming, row)) for row in project.limits]


def _limit_arguments(naming: Naming, row: limits_table.Limit) -> Iterable[str]:
    yield str(row.proto_id)
    if row.max_requests is not None:
        yield f"{row.max_requests}, {row.per_seconds}"
    if row.min_spacing_ms is not None:
        yield f"min_spacing={row.min_spacing_ms / 1000}"
    if row.max_items is not None:
        yield f"max_items={row.max_items}"
    if row.scope not in (None, "all"):
        yield f"scope={literal(row.scope)}"
    if row.limiter is not None:
        yield f"limiter={literal(row.limiter)}"
    for name, item in (("counted_if", row.counted_if), ("page_field", row.page_field)):
        if item is not None:
            yield f"{name}={literal(naming.attribute(item))}"
    if row.free is not None:
        yield f"free=({literal(naming.attribute(row.free[0]))}, {row.free[1]})"


def reexported_enums(project: Project) -> list[tuple[str, tuple[str, ...]]]:
    """(module, enum names) of the files whose enums ``futukit.enums`` offers."""
    result = []
    seen: dict[str, str] = {}
    for file in project.schema.files:
        if file.package in _REEXPORTED:
            names = tuple(sorted(enum.name for enum in file.enums))
            seen |= {f"{file.package}.{name}": name for name in names}
            result.append((project.naming.module(Path(file.name).stem), names))
    require_distinct("futukit.enums", seen)
    return result
