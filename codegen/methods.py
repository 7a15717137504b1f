"""The client methods: one for each request id that has a schema, typed from its C2S.

The asyncio and the blocking face are printed from the same views.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .errors import CodegenError
from .ids import ProtoId
from .model import SCALARS, Project, class_name, docstring, target_of
from .naming import require_distinct
from .schema import Field, File, Message

# The session makes these itself: they are the handshake and the heartbeat.
_SESSION_IDS = frozenset({1001, 1004})
_SECURITY = "Qot_Common.Security"
_PACKET_ID = "Common.PacketID"
# Filled by the session, never a parameter.
_FILLED_FIELDS = frozenset({"packetID", "userID"})


@dataclass(frozen=True)
class Parameter:
    """A keyword of a generated method and the expression that puts it into the C2S."""

    name: str
    annotation: str
    default: str | None
    value: str


@dataclass(frozen=True)
class MethodView:
    """A generated client method."""

    name: str
    proto_id: int
    module: str
    imports: tuple[str, ...]
    runtime_imports: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    filled: tuple[tuple[str, str], ...]
    request: str
    c2s_class: str | None
    returns: str
    doc: str
    uses: tuple[str, ...]


@dataclass(frozen=True)
class GroupView:
    """``client.quote`` and its like: the methods of one group."""

    name: str
    class_name: str
    doc: str
    methods: tuple[MethodView, ...]
    imports: tuple[str, ...]
    uses: tuple[str, ...]


def groups(project: Project) -> list[GroupView]:
    """The three groups of client methods."""
    members: dict[str, list[MethodView]] = {"system": [], "quote": [], "trade": []}
    for row in project.ids:
        if row.kind == "request" and row.proto_file and row.proto_id not in _SESSION_IDS:
            members[_group_of(row.proto_file)].append(_method(project, row))
    words = {
        "system": "OpenD itself: its state, the user, quotas",
        "quote": "market data: subscriptions, pulls, history, reference data",
        "trade": "accounts, funds, positions and orders",
    }
    views = []
    for name, methods in members.items():
        require_distinct(name, {str(method.proto_id): method.name for method in methods})
        views.append(
            GroupView(
                name,
                f"{name.capitalize()}Methods",
                words[name],
                tuple(methods),
                tuple(sorted({module for method in methods for module in method.imports})),
                tuple(sorted({use for method in methods for use in method.uses})),
            )
        )
    return views


def _group_of(proto_file: str) -> str:
    for prefix, group in (("Qot_", "quote"), ("SkillWrap", "quote"), ("Trd_", "trade")):
        if proto_file.startswith(prefix):
            return group
    return "system"


def _method(project: Project, row: ProtoId) -> MethodView:
    schema, naming = project.schema, project.naming
    if row.proto_file is None or row.request is None or row.response is None:
        raise CodegenError(f"proto id {row.proto_id} has no schema to make a method of")
    file = schema.file(row.proto_file)
    request, response = (schema.message(name) for name in row.messages(schema))
    module = _alias(project, file)
    c2s = next((f for f in request.fields if f.name == "c2s"), None)
    source = schema.message(c2s.type_name) if c2s and c2s.type_name else request
    s2c = next((f for f in response.fields if f.name == "s2c"), None)
    parameters: list[Parameter] = []
    filled: list[tuple[str, str]] = []
    uses: set[str] = set()
    imports = {module}
    for item in source.fields:
        name = naming.attribute(item.name)
        if item.name in _FILLED_FIELDS:
            if item.type_name == _PACKET_ID:
                imports.add("common")
                filled.append((name, "common.PacketID(conn_id=0, serial_no=0)"))
            else:
                filled.append((name, "self._client.login_user_id"))
            continue
        parameters.append(_parameter(project, file, source, item, uses, imports))
    return MethodView(
        naming.method(row.name if row.official_name else Path(file.name).stem),
        row.proto_id,
        module,
        tuple(sorted(imports)),
        (("common",) if any("common." in value for _, value in filled) else ()) + (module,),
        tuple(parameters),
        tuple(filled),
        class_name(request, file),
        f"{module}.{class_name(source, file)}" if c2s else None,
        f"{module}.{class_name(schema.message(s2c.type_name), file)}"
        if s2c and s2c.type_name
        else f"{module}.{class_name(response, file)}",
        _method_doc(project, row, source, parameters),
        tuple(sorted(uses)),
    )


def _parameter(
    project: Project, file: File, source: Message, item: Field, uses: set[str], imports: set[str]
) -> Parameter:
    name = project.naming.attribute(item.name)
    if name in ("self", "timeout"):
        raise CodegenError(
            f"{source.full_name}.{item.name}: {name!r} is taken by the method itself"
        )
    target = _public_target(project, file, source, item)
    if target:
        imports.add(target.split(".")[0])
    annotation, value, default = target or SCALARS[item.kind], name, None
    if item.type_name == _SECURITY:
        annotation = "SecurityLike"
        uses.add("SecurityLike")
        imports.discard("qot_common")
        convert = "to_securities" if item.label == "repeated" else "to_security"
        uses.add(convert)
        value = f"{convert}({name})"
        if item.label == "optional":
            value = f"None if {name} is None else {value}"
    if item.label == "repeated":
        annotation, default = f"Iterable[{annotation}]", "()"
        if item.type_name != _SECURITY:
            value = f"tuple({name})"
    elif item.label == "optional":
        annotation, default = f"{annotation} | None", "None"
    return Parameter(name, annotation, default, value)


def imported(alias: str) -> str:
    """What stands behind ``import`` for a module's name inside the method classes."""
    module = alias.removesuffix("_messages")
    return module if module == alias else f"{module} as {alias}"


def _alias(project: Project, file: File) -> str:
    """The name of the file's module inside the method classes.

    There the name of a method hides a module of the same name, which only files without a
    group's prefix have.
    """
    module = project.module(file)
    hidden = file.name in project.owners and module == project.naming.method(Path(file.name).stem)
    return f"{module}_messages" if hidden else module


def _public_target(project: Project, file: File, source: Message, item: Field) -> str | None:
    """The class a parameter takes, by the module that a user imports."""
    full_name = item.type_name or project.bindings.enum_of(f"{source.full_name}.{item.name}")
    target = target_of(project, file, source, item)
    if full_name is None or target is None:
        return None
    return f"{_alias(project, project.schema.home(full_name))}.{target.rsplit('.')[-1]}"


def _method_doc(
    project: Project, row: ProtoId, source: Message, parameters: list[Parameter]
) -> str:
    text = project.docs.methods.get(row.proto_id, row.summary).rstrip(".") + "."
    arguments = []
    offered = {parameter.name for parameter in parameters}
    for item in source.fields:
        name = project.naming.attribute(item.name)
        words = project.docs.field(source.full_name, item.name)
        if name in offered and words:
            arguments.append(f"{name}: {words.rstrip('.')}.")
    arguments.append(
        "timeout: Seconds to wait for the answer; the client's request_timeout if None."
    )
    raises = [
        "ServerError: OpenD answered with a retType other than 0.",
        "RequestTimeout: No answer in time.",
        "ConnectionLost: The connection went away; the request is not sent again.",
        "EncodeError: An argument does not fit its field.",
        "DecodeError: The answer is not the message it should be.",
    ]
    stem = Path(row.proto_file or "").stem
    return docstring(
        f"{text}\n\nSource: proto id {row.proto_id}, {stem}.",
        8,
        [("Args", arguments), ("Raises", raises)],
    )
