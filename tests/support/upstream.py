"""Official SDK releases, downloaded once into a cache folder; nothing of them is committed.

``FUTUKIT_OFFLINE=1`` skips what is not in the cache. ``FUTUKIT_CACHE`` names another folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PYTHON_SDK = "10.11.7108"
OLD_PYTHON_SDK = "9.6.5608"
JAVASCRIPT_SDK = "10.11.7108"

_ROOT = Path(__file__).resolve().parents[2]

_PROTO_JS = """import { createRequire } from "node:module";
export default createRequire(import.meta.url)("./proto.cjs");
"""


def cache_folder() -> Path:
    """Where downloads and the official SDK's environments live between runs."""
    folder = Path(os.environ.get("FUTUKIT_CACHE", _ROOT / ".cache"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def offline() -> bool:
    """Whether this run may not download anything."""
    return os.environ.get("FUTUKIT_OFFLINE") == "1"


def python_sdk_archive(version: str = PYTHON_SDK) -> Path:
    """The source archive of the official Python SDK."""
    archive = cache_folder() / f"futu_api-{version}.tar.gz"
    if not archive.exists():
        _require_network(archive.name)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--no-binary", ":all:", f"futu-api=={version}"]
        _fetch(command, "futu?api-*.tar.gz", archive)
    return archive


def javascript_sdk_archive() -> Path:
    """The package archive of the official JavaScript SDK."""
    archive = cache_folder() / f"futu-api-{JAVASCRIPT_SDK}.tgz"
    if not archive.exists():
        _require_network(archive.name)
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed")
        _fetch(["npm", "pack", "--silent", f"futu-api@{JAVASCRIPT_SDK}"], "*.tgz", archive)
    return archive


def javascript_sdk() -> Path:
    """The folder of the official JavaScript SDK, ready for Node: ``main.js`` and what it needs.

    Its files are ES modules and do not say so, except for ``proto.js``, which is none; here a
    ``package.json`` says the one, and a module in between bridges the other.
    """
    folder = cache_folder() / f"official-javascript-{JAVASCRIPT_SDK}"
    if not folder.exists():
        _require_network(folder.name)
        for program in ("node", "npm"):
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        source = unpacked(javascript_sdk_archive())
        partial = Path(tempfile.mkdtemp(dir=folder.parent))
        described = json.loads((source / "package.json").read_text("utf-8"))
        needs = {**described["dependencies"], "ws": "^8"}  # Node below 22 has no WebSocket
        package = {"private": True, "type": "module", "dependencies": needs}
        (partial / "package.json").write_text(json.dumps(package), encoding="utf-8")
        (partial / "proto.js").write_text(_PROTO_JS, encoding="utf-8")
        shutil.copyfile(source / "proto.js", partial / "proto.cjs")
        for name in ("main.js", "base.js"):
            shutil.copyfile(source / name, partial / name)
        install = ["npm", "install", "--silent", "--no-package-lock", "--ignore-scripts"]
        install += ["--no-audit", "--no-fund"]
        subprocess.run(install, cwd=partial, check=True, stdout=subprocess.DEVNULL)
        _adopt(partial, folder)
    return folder


def node() -> str:
    """The path of Node."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


def unpacked(archive: Path) -> Path:
    """The folder an archive unpacks to, beside it in the cache."""
    folder = archive.with_name(archive.name.removesuffix(".gz").removesuffix(".tar") + ".unpacked")
    if not folder.exists():
        partial = Path(tempfile.mkdtemp(dir=archive.parent))
        with tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")
        _adopt(partial, folder)
    return next(path for path in folder.iterdir() if path.is_dir())


def python_sdk_protos(version: str = PYTHON_SDK) -> Path:
    """The folder of the official .proto files."""
    return unpacked(python_sdk_archive(version)) / "futu" / "common" / "pb"


def official_python(protobuf: str = "5.29.5") -> Path:
    """Interpreter of an environment of its own with the official Python SDK in it."""
    folder = cache_folder() / (
        f"official-{PYTHON_SDK}-protobuf-{protobuf}-py{sys.version_info[0]}{sys.version_info[1]}"
    )
    python = folder / "bin" / "python"
    with _one_at_a_time(folder):
        if not (folder / "complete").exists():
            _make_environment(folder, protobuf)
    return python


def _make_environment(folder: Path, protobuf: str) -> None:
    """What installing puts into the folder; its last file says that all of it is there."""
    _require_network(folder.name)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    install.append("--disable-pip-version-check")
    subprocess.run([*install, "setuptools<81", f"protobuf=={protobuf}"], check=True)
    subprocess.run([*install, str(python_sdk_archive()), f"protobuf=={protobuf}"], check=True)
    (folder / "complete").touch()


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Tests run in several processes at once: only one of them makes what all of them use."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _require_network(what: str) -> None:
    if offline():
        pytest.skip(f"{what} is not in the cache and FUTUKIT_OFFLINE is set")


def _fetch(command: list[str], pattern: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        next(Path(folder).glob(pattern)).replace(target)


def _adopt(partial: Path, folder: Path) -> None:
    """Move a finished download into place; another process may have been faster."""
    try:
        partial.rename(folder)
    except OSError:
        shutil.rmtree(partial)
