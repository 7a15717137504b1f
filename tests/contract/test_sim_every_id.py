"""Every request id with a schema is answered, and the official schema accepts the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc_tools
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet
from grpc_tools import protoc

from futukit import codec
from futukit.messages import registry
from futukit.sim import SimulatedOpenD
from futukit.sim.schema import full_name_of
from tests.support.questions import SUBSCRIBED, Questions
from tests.unit.sim.raw_client import RawClient

_SESSION = (1001, 1004)

REQUESTS = [
    row.proto_id
    for row in registry.rows()
    if row.kind == "request" and row.module and row.proto_id not in _SESSION
]


@pytest.fixture(scope="module")
def official(upstream_protos: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The official schema's message classes by full name."""
    out = tmp_path_factory.mktemp("official") / "all.desc"
    include = Path(grpc_tools.__file__).parent / "_proto"
    files = sorted(path.name for path in upstream_protos.glob("*.proto"))
    command = ["protoc", f"-I{upstream_protos}", f"-I{include}", f"--descriptor_set_out={out}"]
    assert protoc.main([*command, *files]) == 0
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file:
        pool.Add(file)
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def test_every_request_id_is_answered_by_the_official_schema(
    opend: SimulatedOpenD, official: Any
) -> None:
    failures = {}
    with RawClient(opend.port) as raw:
        raw.subscribe(("HK.00700",), *SUBSCRIBED)
        questions = Questions(raw)
        for proto_id in REQUESTS:
            request = questions.request(proto_id)
            got = raw.call_bytes(proto_id, codec.encode(request))
            response = official(full_name_of(registry.response_class(proto_id)))()
            response.ParseFromString(got.body)
            if response.retType != 0:
                failures[proto_id] = response.retMsg
            assert response.IsInitialized(), proto_id
            assert response.SerializeToString(deterministic=True) == got.body, proto_id
            assert not unknown_fields(response), proto_id
    assert failures.keys() == {2237}, failures
    assert "does not wait for a confirmation" in failures[2237]


def unknown_fields(message: Any) -> int:
    """How many fields the official schema does not know, at any depth."""
    found = len(UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.message_type:
            found += sum(map(unknown_fields, value if field.is_repeated else [value]))
    return found


def test_the_table_of_ids_is_complete() -> None:
    assert len(REQUESTS) == len(set(REQUESTS)) == 164
