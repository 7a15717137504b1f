"""SDK release → ``protos/``: read, compile, normalise, prove the same, replace all or nothing.

The first Python release is the base: its files are written. An npm release adds
``InitWebSocket.proto`` only, which no Python release has. Whatever else further sources say
differently is reported, never merged. A file in ``protos/`` that the base lacks stays, and files
that sync does not write (the tables, the gRPC service) are never touched.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import diff, lock, normal, source
from .errors import CodegenError, SourceError
from .schema import SERVICE_FILE, compile_folder, load, load_files

__all__ = ["NPM_FILE", "Outcome", "run", "sync"]

#: The one file that only the JavaScript SDK ships.
NPM_FILE: Final = "InitWebSocket.proto"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sync did. ``written`` files are new or changed, ``kept`` ones came from no source
    of this run, ``differences`` are the lines in which the further sources disagree."""

    base: str
    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    kept: tuple[str, ...]
    differences: tuple[str, ...]

    def report(self) -> str:
        """The outcome for a reader, one fact per line."""
        counts = f"{len(self.written)} written, {len(self.unchanged)} unchanged"
        lines = [f"{self.base}: {counts}, {len(self.kept)} kept"]
        lines += [f"  written  {name}" for name in self.written]
        lines += [f"  kept     {name} (in no source of this run)" for name in self.kept]
        lines += [f"  differs  {line}" for line in self.differences]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A release with its descriptors and the normalised text of its files."""

    release: source.Release
    descriptors: Any
    texts: dict[str, str]


def sync(sources: Sequence[str], protos_dir: Path | str) -> Outcome:
    """Write the .proto files and the lock of ``protos_dir`` from one or more SDK releases.

    Raises :class:`SourceError` or :class:`SchemaError`; the folder is then as it was.
    """
    folder = Path(protos_dir)
    if not sources:
        raise SourceError("name at least one SDK release", source="sync")
    releases = [_compile(source.read(name)) for name in sources]
    taken = _choose(releases)
    texts = {name: compiled.texts[name] for name, compiled in taken.items()}
    kept = _kept(folder, texts)
    differences = _differences(releases, taken, folder)
    _prove_loadable(texts, folder, kept)
    files = {n: lock.Entry(c.release.title, lock.digest(texts[n])) for n, c in taken.items()}
    old = lock.read(folder)
    head = next((r.release for r in releases if not r.release.npm), None)
    if old is not None:
        files = {n: e for n, e in old.files.items() if n in kept} | files
    sdk, version = (head.sdk, head.version) if head else _head_of(old)
    new = texts | {lock.FILE_NAME: lock.Lock(sdk, version, files).text()}
    written = _replace(folder, new)
    return Outcome(
        releases[0].release.title,
        tuple(n for n in written if n != lock.FILE_NAME),
        tuple(sorted(n for n in texts if n not in written)),
        kept,
        differences,
    )


def run(sources: Sequence[str], protos_dir: Path | str) -> int:
    """Sync and print what was done; gives 0. Raises as :func:`sync` does."""
    print(sync(sources, protos_dir).report())
    return 0


def _head_of(old: lock.Lock | None) -> tuple[str, str]:
    return (source.UNKNOWN, source.UNKNOWN) if old is None else (old.sdk, old.version)


def _compile(release: source.Release) -> _Compiled:
    """Compile a release, normalise it, and prove that the normalised text says the same."""
    upstream = _compile_bytes(release.files)
    load_files(upstream)  # refuses what this project cannot carry, by name
    texts = normal.proto_texts(upstream)
    ours = _compile_bytes({name: text.encode() for name, text in texts.items()})
    for theirs, mine in zip(upstream.file, ours.file, strict=True):
        if normal.facts(theirs) != normal.facts(mine):
            raise CodegenError(f"{theirs.name}: the normalised text does not say the same")
    return _Compiled(release, ours, texts)


def _compile_bytes(files: Mapping[str, bytes]) -> Any:
    with tempfile.TemporaryDirectory(prefix="futukit-sync-") as temporary:
        folder = Path(temporary)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return compile_folder(folder, sorted(files))


def _choose(releases: Sequence[_Compiled]) -> dict[str, _Compiled]:
    """Which release each file is taken from."""
    base = next((r for r in releases if not r.release.npm), None)
    taken = dict.fromkeys(base.texts, base) if base is not None else {}
    npm = next((r for r in releases if r.release.npm and NPM_FILE in r.texts), None)
    if npm is not None:
        taken.setdefault(NPM_FILE, npm)
    if not taken:
        raise SourceError(f"has no {NPM_FILE}", source=releases[0].release.source)
    return taken


def _kept(folder: Path, texts: Mapping[str, str]) -> tuple[str, ...]:
    names = {path.name for path in folder.glob("*.proto")} - {SERVICE_FILE}
    return tuple(sorted(names - set(texts)))


def _differences(
    releases: Sequence[_Compiled], taken: Mapping[str, _Compiled], folder: Path
) -> tuple[str, ...]:
    """Where a source says something else than the base, which is not merged.

    The base of a run with npm sources only is what the folder holds already.
    """
    base = next((r for r in releases if not r.release.npm), None)
    if base is not None:
        schema = load_files(base.descriptors)
    elif any(folder.glob("*.proto")):
        schema = load(folder)
    else:
        return ()
    lines = []
    for other in releases:
        if other is base:
            continue
        for change in diff.compare(schema, load_files(other.descriptors)):
            if not (change.path == NPM_FILE and taken.get(NPM_FILE) is other):
                lines.append(f"{title} -> {other.release.title}: {change.path}: {change.what}")
    return tuple(lines)


def _prove_loadable(texts: Mapping[str, str], folder: Path, kept: Sequence[str]) -> None:
    """Old files that stay must still compile beside the new ones."""
    with tempfile.TemporaryDirectory(prefix="futukit-sync-") as temporary:
        for name in kept:
            shutil.copyfile(folder / name, Path(temporary) / name)
        for name, text in texts.items():
            (Path(temporary) / name).write_bytes(text.encode())
        load(temporary)


def _replace(folder: Path, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Put all files in place, or none; files that would not change are left alone.

    Each file is swapped in by a rename; when one fails, those before it are swapped back. The
    lock goes last, so that a run that was killed shows up as files that differ from the lock.
    """
    new = {n: t.encode() for n, t in texts.items() if not _holds(folder / n, t.encode())}
    names = sorted(new, key=lambda name: (name == lock.FILE_NAME, name))
    if not names:
        return ()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".sync-", dir=folder) as temporary:
        staged, saved = Path(temporary) / "new", Path(temporary) / "old"
        staged.mkdir()
        saved.mkdir()
        for name in names:
            (staged / name).write_bytes(new[name])
        _swap(folder, staged, saved, names)
    return tuple(names)


def _swap(folder: Path, staged: Path, saved: Path, names: Sequence[str]) -> None:
    for name in names:
        if (folder / name).exists():
            shutil.copy2(folder / name, saved / name)
    done: list[str] = []
    try:
        for name in names:
            done.append(name)
            (staged / name).replace(folder / name)
    except BaseException:
        for name in done:
            _put_back(folder / name, saved / name)
        raise


def _put_back(path: Path, saved: Path) -> None:
    if saved.exists():
        saved.replace(path)
    else:
        path.unlink(missing_ok=True)


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data
