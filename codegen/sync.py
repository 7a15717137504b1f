"""SDK release → ``protos/``: read, compile, normalise, prove the same, replace all or nothing.

The first Python release is the base: its files are written. An npm release adds
``InitWebSocket.proto`` only, which no Python release has. Whatever else further sources say
differently is reported, never merged. A file in ``protos/`` that the base lacks stays, and files
that sync does not write (the tables, the gRPC service) are never touched.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import diff, lock, normal, source
from .errors import CodegenError, SourceError
from .schema import SERVICE_FILE, Schema, compile_folder, load, load_files

__all__ = ["NPM_FILE", "Outcome", "run", "sync"]

#: The one file that only the JavaScript SDK ships.
NPM_FILE: Final = "InitWebSocket.proto"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sync did. ``written`` files are new or changed, ``kept`` ones came from no source
    of this run, ``differences`` are what further sources say otherwise than the folder now."""

    sources: tuple[str, ...]
    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    kept: tuple[str, ...]
    differences: tuple[str, ...]

    def report(self) -> str:
        """The outcome for a reader, one fact per line."""
        counts = (
            f"{len(self.written)} written, {len(self.unchanged)} unchanged, {len(self.kept)} kept"
        )
        lines = [f"{', '.join(self.sources)}: {counts}"]
        lines += [f"  written  {name}" for name in self.written]
        lines += [f"  kept     {name} (in no source of this run)" for name in self.kept]
        if self.differences:
            lines.append(f"not merged, from here to there ({len(self.differences)}):")
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

    Raises :class:`CodegenError`, naming the source or the file with line or field; the folder is
    then as it was.
    """
    if not sources:
        raise CodegenError("sync needs at least one SDK release")
    try:
        return _sync([_compile(source.read(name)) for name in sources], Path(protos_dir))
    except OSError as exc:
        raise CodegenError(f"{exc.filename or protos_dir}: {exc.strerror or exc}") from exc


def run(sources: Sequence[str], protos_dir: Path | str) -> int:
    """Sync and print what was done; gives 0. Raises as :func:`sync` does."""
    print(sync(sources, protos_dir).report())
    return 0


def _sync(releases: Sequence[_Compiled], folder: Path) -> Outcome:
    base = next((r for r in releases if not r.release.npm), None)
    taken = _choose(releases, base)
    texts = {name: compiled.texts[name] for name, compiled in taken.items()}
    names = {path.name for path in folder.glob("*.proto")} - {SERVICE_FILE}
    kept = tuple(sorted(names - set(texts)))
    schema = _load_together(texts, folder, kept)
    differences = [line for r in releases if r is not base for line in _differs(schema, r, kept)]
    new = texts | {lock.FILE_NAME: _lock(folder, base, taken, kept).text()}
    written = _replace(folder, new)
    return Outcome(
        tuple(r.release.title for r in releases),
        tuple(n for n in written if n != lock.FILE_NAME),
        tuple(sorted(n for n in texts if n not in written)),
        kept,
        tuple(differences),
    )


def _lock(
    folder: Path, base: _Compiled | None, taken: Mapping[str, _Compiled], kept: Sequence[str]
) -> lock.Lock:
    """The new lock; files that stay keep their entry, and the base if this run has none."""
    old = lock.read(folder) or lock.Lock(source.UNKNOWN, source.UNKNOWN, {})
    files = {n: entry for n, entry in old.files.items() if n in kept}
    for name, compiled in taken.items():
        files[name] = lock.Entry(compiled.release.title, lock.digest(compiled.texts[name]))
    head = old if base is None else base.release
    return lock.Lock(head.sdk, head.version, files)


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


def _choose(releases: Sequence[_Compiled], base: _Compiled | None) -> dict[str, _Compiled]:
    """Which release each file is taken from."""
    taken = dict.fromkeys(base.texts, base) if base is not None else {}
    npm = next((r for r in releases if r.release.npm and NPM_FILE in r.texts), None)
    if npm is not None:
        taken.setdefault(NPM_FILE, npm)
    if not taken:
        raise SourceError(f"has no {NPM_FILE}", source=releases[0].release.source)
    return taken


def _differs(schema: Schema, other: _Compiled, kept: Sequence[str]) -> Iterator[str]:
    """Where a source says something else than the folder will, which is not merged."""
    for change in diff.compare(schema, load_files(other.descriptors)):
        absent = change.path not in other.texts
        if absent and (change.path in kept or (change.path == NPM_FILE and not other.release.npm)):
            continue
        yield f"{other.release.title}: {change.path}: {change.what}"


def _load_together(texts: Mapping[str, str], folder: Path, kept: Sequence[str]) -> Schema:
    """The schema as it will be: files that stay must still compile beside the new ones."""
    with tempfile.TemporaryDirectory(prefix="futukit-sync-") as temporary:
        for name in kept:
            shutil.copyfile(folder / name, Path(temporary) / name)
        for name, text in texts.items():
            (Path(temporary) / name).write_bytes(text.encode())
        return load(temporary)


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
