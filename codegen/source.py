"""Reading an SDK release: which .proto files it holds, and what it calls itself.

A source is an sdist or npm archive (.tar.gz, .tgz), an unpacked folder of one, a package folder,
a site-packages folder, a plain folder of .proto files, or the name of an installed package. An
archive comes from the net: nothing of it is ever unpacked to disk, sizes are capped while it is
read, and a member that points out of the archive condemns the whole.
"""

from __future__ import annotations

import email.parser
import gzip
import importlib.util
import io
import json
import re
import tarfile
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from .errors import SourceError
from .schema import FILE_NAME, SERVICE_FILE

__all__ = ["UNKNOWN", "Release", "read"]

#: Stands for a name or version that a source does not tell.
UNKNOWN: Final = "unknown"

#: Caps. The real archives: up to 184 .proto files of at most 50 KB, 19 MB unpacked.
MEMBER_BYTES: Final = 4 * 2**20
PROTO_BYTES: Final = 64 * 2**20
ARCHIVE_BYTES: Final = 128 * 2**20
ARCHIVE_MEMBERS: Final = 20_000

#: Import name of the Python SDK → name of the distribution.
_PACKAGES: Final = {"futu": "futu-api", "moomoo": "moomoo-api"}
#: Where a folder keeps its .proto files, looked up in this order.
_PLACES: Final = (
    ".",
    "proto",
    "common/pb",
    *(f"{package}/common/pb" for package in _PACKAGES),
)
_FACT_FILES: Final = ("PKG-INFO", "package.json", "VERSION.txt", "lock.toml")


#: What gzip and tarfile raise on bytes that are no archive; a header may even nest too deep.
_ARCHIVE_FAULTS: Final = (tarfile.TarError, zlib.error, ValueError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Release:
    """One SDK release. ``files``: name of each .proto → its bytes as upstream wrote them.

    ``npm`` tells the JavaScript SDK from the Python ones; ``sdk`` and ``version`` are
    :data:`UNKNOWN` where the source does not tell.
    """

    source: str
    sdk: str
    version: str
    npm: bool
    files: dict[str, bytes]

    @property
    def title(self) -> str:
        """How messages and the lock call it: ``futu-api 10.11.7108``, npm marked."""
        return f"{self.sdk}{' (npm)' if self.npm else ''} {self.version}"


def read(source: str) -> Release:
    """Read a release from a path or from the name of an installed package.

    Raises :class:`SourceError` naming the source, and the member where there is one.
    """
    path = Path(source)
    if path.is_dir():
        tree = _read_folder(path, source)
    elif path.is_file():
        tree = _read_archive(path, source)
    else:
        path = _installed(source)
        tree = _read_folder(path, source)
    folder = _proto_folder(tree, source)
    files = dict(_protos(tree, folder, source))
    sdk, version, npm = _identity(tree, folder, source)
    return Release(source, sdk, version, npm, files)


# A tree is "path inside the source" → bytes, of .proto files and of the files that tell a version.
_Tree = dict[PurePosixPath, bytes]


def _wanted(path: PurePosixPath) -> bool:
    return path.suffix == ".proto" or path.name in _FACT_FILES


def _installed(source: str) -> Path:
    """The folder of an installed package, without importing it (importing has side effects)."""
    name = re.sub(r"[-_.]+", "-", source).lower()
    package = next((p for p, d in _PACKAGES.items() if name in (p, d)), None)
    if package is None:
        known = ", ".join(_PACKAGES.values())
        raise SourceError(f"no such file or folder, and no SDK's name ({known})", source=source)
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError("this package is not installed here", source=source)
    return Path(spec.submodule_search_locations[0])


def _read_folder(folder: Path, source: str) -> _Tree:
    places = [p for p in _PLACES if any((folder / p).glob("*.proto"))]
    if not places:
        raise SourceError("holds no .proto files where an SDK keeps them", source=source)
    if len(places) > 1 and places[0] != ".":
        raise SourceError(f"holds several schemas: {', '.join(places)}; name one", source=source)
    home = (folder / places[0]).resolve()
    # Facts stand beside the schema or up to three folders above (SDK root / futu / common / pb).
    facts = [p / name for p in (home, *home.parents[:3]) for name in _FACT_FILES]
    paths = sorted(home.glob("*.proto")) + [p for p in facts if p.is_file()]
    return {PurePosixPath(p.as_posix()): _read_file(p, source) for p in paths}


def _read_file(path: Path, source: str) -> bytes:
    if not path.is_file():
        raise SourceError("not a regular file", source=source, member=path.name)
    if path.stat().st_size > MEMBER_BYTES:
        raise SourceError(f"over {MEMBER_BYTES} bytes", source=source, member=path.name)
    return path.read_bytes()


class _CappedReader(io.RawIOBase):
    """Counts what comes out of the decompressor, so that a bomb ends as an error, early."""

    def __init__(self, stream: gzip.GzipFile, source: str) -> None:
        self._stream = stream
        self._left = ARCHIVE_BYTES
        self._source = source

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise SourceError(f"unpacks to more than {ARCHIVE_BYTES} bytes", source=self._source)
        return data


def _read_archive(path: Path, source: str) -> _Tree:
    try:
        with gzip.open(path) as stream:
            reader = _CappedReader(stream, source)
            with tarfile.open(fileobj=reader, mode="r|") as archive:
                tree = dict(_members(archive, source))
            # The gzip trailer (length, CRC) is only checked at the very end of the stream.
            while reader.read(2**16):
                pass
            return tree
    except EOFError as exc:
        raise SourceError("the archive is cut off", source=source) from exc
    except OSError as exc:
        raise SourceError(f"cannot be read: {exc.strerror or exc}", source=source) from exc
    except _ARCHIVE_FAULTS as exc:
        raise SourceError(f"not a readable .tar.gz archive: {exc}", source=source) from exc


def _members(archive: tarfile.TarFile, source: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    seen: set[PurePosixPath] = set()
    total = 0
    for count, member in enumerate(archive):
        path = _member_path(member, source)
        if count >= ARCHIVE_MEMBERS:
            raise SourceError(f"more than {ARCHIVE_MEMBERS} members", source=source)
        if not member.isfile() or not _wanted(path):
            continue
        if path in seen:
            raise SourceError("stands in the archive twice", source=source, member=member.name)
        seen.add(path)
        total += member.size
        if member.size > MEMBER_BYTES or total > PROTO_BYTES:
            raise SourceError("too large for a schema", source=source, member=member.name)
        yield path, _member_bytes(archive, member, source)


def _member_path(member: tarfile.TarInfo, source: str) -> PurePosixPath:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
        raise SourceError("points out of the archive", source=source, member=member.name)
    if not (member.isfile() or member.isdir()):
        raise SourceError("is a link or a device", source=source, member=member.name)
    return path


def _member_bytes(archive: tarfile.TarFile, member: tarfile.TarInfo, source: str) -> bytes:
    stream = archive.extractfile(member)
    data = b"" if stream is None else stream.read(member.size)
    if len(data) != member.size:
        raise SourceError("the archive is cut off", source=source, member=member.name)
    return data


def _proto_folder(tree: _Tree, source: str) -> PurePosixPath:
    folders = sorted({path.parent for path in tree if path.suffix == ".proto"})
    if not folders:
        raise SourceError("holds no .proto files", source=source)
    if len(folders) > 1:
        folders = [f for f in folders if f.parts[-2:] == ("common", "pb")] or folders
    if len(folders) > 1:
        names = ", ".join(map(str, folders))
        raise SourceError(f"holds several schemas: {names}", source=source)
    return folders[0]


def _protos(tree: _Tree, folder: PurePosixPath, source: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(p for p in tree if p.parent == folder and p.suffix == ".proto"):
        if not FILE_NAME.fullmatch(path.name):
            reason = "a file name may hold only letters, digits and _"
            raise SourceError(reason, source=source, member=path.name)
        if path.name != SERVICE_FILE:
            yield path.name, tree[path]


def _identity(tree: _Tree, folder: PurePosixPath, source: str) -> tuple[str, str, bool]:
    """Name, version and "is it npm", from whichever file of the release tells them."""
    if (facts := tree.get(folder / "lock.toml")) is not None:
        return (*_lock(facts, source), False)
    if folder.name == "proto" and (facts := tree.get(folder.parent / "package.json")) is not None:
        return (*_package_json(facts, source), True)
    if folder.parts[-2:] != ("common", "pb"):
        return UNKNOWN, UNKNOWN, False
    parents = [*folder.parents][1:3]
    for parent in parents:
        if (facts := tree.get(parent / "PKG-INFO")) is not None:
            return (*_package_info(facts), False)
    for parent in parents:
        if (facts := tree.get(parent / "VERSION.txt")) is not None:
            version = facts.decode("utf-8", "replace").strip() or UNKNOWN
            return _PACKAGES.get(parent.name, UNKNOWN), version, False
    return UNKNOWN, UNKNOWN, False


def _package_json(data: bytes, source: str) -> tuple[str, str]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise SourceError(str(exc), source=source, member="package.json") from exc
    if not isinstance(facts, dict):
        raise SourceError("not a JSON object", source=source, member="package.json")
    return str(facts.get("name", UNKNOWN)), str(facts.get("version", UNKNOWN))


def _package_info(data: bytes) -> tuple[str, str]:
    headers = email.parser.BytesHeaderParser().parsebytes(data)
    name = str(headers.get("Name", UNKNOWN)).replace("_", "-").lower()
    return name, str(headers.get("Version", UNKNOWN))


def _lock(data: bytes, source: str) -> tuple[str, str]:
    try:
        facts = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeError) as exc:
        raise SourceError(str(exc), source=source, member="lock.toml") from exc
    return str(facts.get("sdk", UNKNOWN)), str(facts.get("version", UNKNOWN))
