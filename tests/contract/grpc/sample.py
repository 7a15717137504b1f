"""The reference's Python sample with plain grpcio: ``sample.py PORT``, stubs on the path.

Adapted: the port, the names of the generated modules (protoc keeps those of the .proto files), the
nested messages that the sample spells otherwise (there is a top-level ``C2S``, its field is
``securityList``), and the subscription, which the reference tells of below its sample.
"""

from __future__ import annotations

import sys

import grpc
import Qot_GetBasicQot_pb2  # type: ignore[import-not-found]
import Qot_Sub_pb2  # type: ignore[import-not-found]
from futu_service_pb2 import (  # type: ignore[import-not-found]
    FutuRequest,
    SubscribePushRequest,
)
from futu_service_pb2_grpc import FutuOpenDStub  # type: ignore[import-not-found]

channel = grpc.insecure_channel(f"localhost:{sys.argv[1]}")
stub = FutuOpenDStub(channel)
security = {"market": 1, "code": "00700"}

c2s = Qot_Sub_pb2.C2S(
    securityList=[security], subTypeList=[1], isSubOrUnSub=True, isRegOrUnRegPush=True
)
body = Qot_Sub_pb2.Request(c2s=c2s).SerializeToString()
rsp = stub.Request(FutuRequest(proto_id=3001, body=body))
assert rsp.ret_type == 0, rsp.ret_msg

c2s = Qot_GetBasicQot_pb2.C2S(securityList=[security])
body = Qot_GetBasicQot_pb2.Request(c2s=c2s).SerializeToString()
rsp = stub.Request(FutuRequest(proto_id=3004, body=body))
assert rsp.ret_type == 0, rsp.ret_msg
result = Qot_GetBasicQot_pb2.Response.FromString(rsp.body)
print(result.s2c.basicQotList[0].security.code)

push_stream = stub.SubscribePush(SubscribePushRequest())
for event in push_stream:
    if event.event_type == "quote":
        print(f"proto_id={event.proto_id} sec_key={event.sec_key}")
        break
channel.close()
