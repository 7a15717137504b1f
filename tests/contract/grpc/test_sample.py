"""The reference's sample runs as it is meant, with stubs that grpcio-tools made of our .proto."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from futukit.sim import SimulatedOpenD

PROTOS = Path(__file__).resolve().parents[3] / "protos"
SAMPLE = Path(__file__).with_name("sample.py")
FILES = ("Common", "Qot_Common", "Qot_Sub", "Qot_GetBasicQot")


def test_the_sample_of_the_reference(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}"]
    command += [f"--grpc_python_out={tmp_path}", "futu_service.proto"]
    command += [f"{name}.proto" for name in FILES]
    subprocess.run(command, cwd=PROTOS, check=True, capture_output=True)
    with SimulatedOpenD(port=None, grpc=0, seed=1) as opend:
        port = opend.urls["grpc"].rpartition(":")[2]
        done = subprocess.run(
            [sys.executable, "-W", "error", str(SAMPLE), port],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["00700", "proto_id=3005 sec_key=1_00700"]
