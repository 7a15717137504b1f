"""What every gRPC server is expected to have: health and reflection. They need no key."""

from __future__ import annotations

from typing import Any, Final

from futukit.errors import UsageError
from futukit.messages.futu_service import DESCRIPTOR, REQUEST

try:
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import (
        reflection,
        reflection_pb2,
    )
except ImportError as error:
    raise UsageError(
        "the gateway needs grpcio-health-checking and grpcio-reflection: "
        "pip install 'futukit[gateway]'"
    ) from error

__all__ = ["Services"]

_SERVICE: Final = REQUEST[1:].partition("/")[0]


class Services:
    """The health and reflection services of one server."""

    def __init__(self) -> None:
        self._health = health.aio.HealthServicer()

    def add_to(self, server: Any) -> None:
        """Serve them on a ``grpc.aio`` server that has not started."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        # A pool of its own: a program may have compiled the same .proto file for itself.
        pool = DescriptorPool()
        for serialized in (
            DESCRIPTOR,
            health_pb2.DESCRIPTOR.serialized_pb,
            reflection_pb2.DESCRIPTOR.serialized_pb,
        ):
            pool.AddSerializedFile(serialized)
        names = (_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server, pool=pool)

    async def tell(self, *, up: bool) -> None:
        """Say whether OpenD is there, for the service and for the server as a whole."""
        serving = health_pb2.HealthCheckResponse.ServingStatus
        status = serving.SERVING if up else serving.NOT_SERVING
        for name in ("", _SERVICE):
            await self._health.set(name, status)
