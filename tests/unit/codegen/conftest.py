"""Small schemas and SDK releases for the tests of the schema tools."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Files = Mapping[str, str | bytes]
Write = Callable[..., Path]

#: A request in the shape of upstream's, with comments and CRLF as upstream has them.
ECHO = (
    'syntax = "proto2";\r\npackage Echo;\r\n// a comment\r\n'
    "message C2S\r\n{\r\n\trequired string text = 1; // another\r\n}\r\n"
    "message Request { required C2S c2s = 1; }\r\n"
    "message Response { required int32 retType = 1 [default = -400]; }\r\n"
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files into a folder of that name under the test's own folder; gives the folder."""

    def write_files(name: str, files: Files) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    return write_files


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    """Write a .tar.gz: file members by path, then ready-made members (links, odd names)."""

    def write_archive(name: str, files: Files, *members: tarfile.TarInfo) -> Path:
        path = tmp_path / name
        with gzip.open(path, "wb", 1) as out, tarfile.open(fileobj=out, mode="w|") as tar:
            for member_name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                info = tarfile.TarInfo(member_name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            for info in members:
                tar.addfile(info, io.BytesIO(bytes(info.size)))
        return path

    return write_archive


def proto(body: str, package: str = "T") -> str:
    """A proto2 file's text around a body."""
    return f'syntax = "proto2";\npackage {package};\n{body}\n'


@pytest.fixture
def python_sdk(archive: Callable[..., Path]) -> Callable[..., Path]:
    """A source archive in the shape of the Python SDK's."""

    def build(files: Files, *, package: str = "futu", version: str = "1.2.3") -> Path:
        root = f"{package}_api-{version}"
        facts = f"Metadata-Version: 2.4\nName: {package}_api\nVersion: {version}\n\nA text.\n"
        inside: dict[str, str | bytes] = {f"{root}/PKG-INFO": facts, f"{root}/setup.py": "1/0"}
        inside |= {f"{root}/{package}/common/pb/{name}": text for name, text in files.items()}
        return archive(f"{root}.tar.gz", inside)

    return build


@pytest.fixture
def npm_sdk(write: Write) -> Callable[..., Path]:
    """An unpacked folder in the shape of the JavaScript SDK."""

    def build(files: Files, *, version: str = "1.2.3") -> Path:
        facts = f'{{"name": "futu-api", "version": "{version}"}}'
        inside = {"package.json": facts} | {f"proto/{n}": t for n, t in files.items()}
        return write(f"npm-{version}", inside)

    return build
