"""The sdist and the wheel: what is in them, and that they work where nothing else is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from tests.support.shared import made_once

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv", ".cache", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "*.so"
)
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
BUILD_SDIST = (sys.executable, "-m", "build", "--sdist", "--no-isolation")
BUILD_WHEEL = (*PIP, "wheel", "--no-build-isolation", "--no-deps", "--no-index")
PROTOS = sorted(
    path.relative_to(ROOT / "protos").as_posix()
    for path in (ROOT / "protos").rglob("*")
    if path.is_file()
)

ROUND_TRIP = """
import asyncio
import sys
from futukit import aio, codec, sync
from futukit.messages import keep_alive
from futukit.sim import SimulatedOpenD

assert codec.decode(keep_alive.C2S, b"\\x08\\x05") == keep_alive.C2S(time=5)

async def main(url: str) -> None:
    async with aio.connect(url) as client:
        state = await client.system.get_global_state()
        assert state.qot_logined

with SimulatedOpenD(seed=1, freeze=True) as opend:
    asyncio.run(main(opend.url))
    with sync.connect(opend.url) as client:
        info = client.quote.get_static_info(security_list=["HK.00700"])
    print(info.static_info_list[0].basic.security.code)
"""


def run(*command: str | Path, cwd: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run without anything of this environment that could find the source tree."""
    names = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distributions")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist, and the wheel that was made of it."""
    return made_once(tmp_path_factory, "built", build)


def build(folder: Path) -> None:
    # A copy: building leaves folders behind, and stale ones would find their way into a wheel.
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=NOT_SOURCE)
    run(*BUILD_SDIST, "-o", folder, cwd=source)
    (archive,) = folder.glob("futukit-*.tar.gz")
    run(*BUILD_WHEEL, "-w", folder, archive, cwd=folder)


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    (archive,) = built.glob("futukit-*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (archive,) = built.glob("futukit-*.whl")
    return archive


@pytest.fixture(scope="module")
def bare(folder: Path, wheel: Path) -> Path:
    """The interpreter of an environment with futukit and what it depends on, no extras."""
    environment = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    python = environment / "bin" / "python"
    run(*PIP, "--python", python, "install", "--no-index", "--no-deps", wheel, cwd=folder)
    packages = site_packages(environment)
    (requirements,) = packages.glob("futukit-*.dist-info/METADATA")
    names = re.findall(r"^Requires-Dist: ([\w-]+)[^;]*$", requirements.read_text(), re.M)
    assert "msgspec" in names
    for name in names:
        found = metadata.distribution(name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            link = packages / top
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(top))))
    return python


@pytest.fixture(scope="module")
def full(folder: Path, bare: Path) -> Path:
    """The same with the extras, which come from the environment of the tests."""
    environment = folder / "environment-with-extras"
    shutil.copytree(bare.parents[1], environment, symlinks=True)
    here = [entry for entry in sys.path if entry.endswith("site-packages")]
    # A path named in a .pth file brings packages, but not the .pth files in it: the source tree,
    # which is installed here as editable, stays out of reach.
    (site_packages(environment) / "extras.pth").write_text("\n".join(here) + "\n")
    return environment / "bin" / "python"


def site_packages(environment: Path) -> Path:
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def test_the_sdist_holds_the_sources(sdist: Path) -> None:
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    wanted = [path.relative_to(ROOT) for path in ROOT.glob("_native/*.p[xy][dx]")]
    wanted += [path.relative_to(ROOT) for path in ROOT.glob("codegen/templates/*.j2")]
    wanted += [Path("protos") / name for name in PROTOS]
    wanted += [Path(name) for name in ("setup.py", "Makefile", "README.md", "CHANGELOG.md")]
    wanted += [Path("tests/conftest.py"), Path("codegen/naming.toml"), Path("docs/messages.md")]
    assert sorted(path.as_posix() for path in wanted if path.as_posix() not in names) == []
    assert [name for name in names if re.search(r"\.(so|pyd|c|pyc)$|\.venv|\.cache", name)] == []


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    compiled = [f"futukit/_native/{name}{EXTENSION_SUFFIXES[0]}" for name in ("frame", "wire")]
    stubs = [f"futukit/_native/{name}.pyi" for name in ("frame", "wire")]
    templates = [f"futukit/{path.relative_to(ROOT)}" for path in ROOT.glob("codegen/**/*.j2")]
    protos = [f"futukit/protos/{name}" for name in PROTOS]
    modules = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob("futukit/**/*.py")
        if "__pycache__" not in path.parts
    ]
    data = ["futukit/py.typed", "futukit/codegen/naming.toml"]
    data += [path.relative_to(ROOT).as_posix() for path in ROOT.glob("futukit/sim/**/*.toml")]
    wanted = {*compiled, *stubs, *templates, *protos, *modules, *data}
    assert sorted(wanted - names) == []
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"futukit"}


def test_without_extras_messages_client_and_simulator_work(bare: Path, tmp_path: Path) -> None:
    assert run(bare, "-W", "error", "-c", ROUND_TRIP, cwd=tmp_path).stdout == "00700\n"


def test_without_extras_the_command_line_says_what_is_missing(bare: Path, tmp_path: Path) -> None:
    done = run(bare.with_name("futukit"), "call", "1002", cwd=tmp_path, status=1)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "futukit[cli]" in done.stderr


def test_without_extras_codegen_says_what_is_missing(bare: Path, tmp_path: Path) -> None:
    done = run(bare, "-m", "futukit", "codegen", "generate", cwd=tmp_path, status=1)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "futukit[codegen]" in done.stderr


def test_the_simulator_starts_without_extras(bare: Path, tmp_path: Path) -> None:
    assert "--tcp" in run(bare, "-m", "futukit", "sim", "--help", cwd=tmp_path).stdout


def test_without_extras_keys_are_made_and_the_gateway_says_what_is_missing(
    bare: Path, tmp_path: Path
) -> None:
    gateway = ("-m", "futukit", "gateway")
    done = run(bare, *gateway, "keys", "add", "--name", "a", "--scope", "qot:read", cwd=tmp_path)
    assert done.stdout.startswith("fk_")
    done = run(bare, *gateway, "--grpc", "0", cwd=tmp_path, status=2)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "futukit[gateway]" in done.stderr


def test_with_extras_the_command_line_runs(full: Path, tmp_path: Path) -> None:
    done = run(full, "-m", "futukit", "--help", cwd=tmp_path)
    for command in ("demo", "sim", "gateway", "call", "watch", "codegen"):
        assert command in done.stdout


def test_codegen_generates_from_the_wheel_what_the_wheel_holds(full: Path, tmp_path: Path) -> None:
    package = site_packages(full.parents[1]) / "futukit"
    protos, out = tmp_path / "protos", tmp_path / "out"
    shutil.copytree(package / "protos", protos)
    folders = ("--protos", protos, "--out", out)
    run(full, "-m", "futukit", "codegen", "generate", *folders, cwd=tmp_path)
    run(full, "-m", "futukit", "codegen", "check", *folders, cwd=tmp_path)
    for generated in ("messages/qot_get_kl.py", "messages/registry.py", "aio/_quote.py"):
        assert (out / "futukit" / generated).read_text() == (package / generated).read_text()


def test_the_installed_package_is_typed(full: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "from futukit import sync\n"
        "from futukit.messages import get_global_state\n"
        "with sync.connect('tcp://127.0.0.1') as client:\n"
        "    state: get_global_state.S2C = client.system.get_global_state()\n"
        "    number: str = state.server_ver\n"
    )
    mypy = (full, "-m", "mypy", "--strict", "--python-executable", full)
    done = run(*mypy, "user.py", cwd=tmp_path, status=1)
    assert re.findall(r"user\.py:(\d+): error", done.stdout) == ["5"], done.stdout
