"""SDK releases: every form that is understood, and every form of damage that is refused."""

from __future__ import annotations

import gzip
import random
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen import source
from codegen.errors import SourceError

from .conftest import ECHO, Write

Build = Callable[..., Path]


@pytest.mark.parametrize("package", ["futu", "moomoo"])
def test_a_source_archive_tells_name_version_and_files(python_sdk: Build, package: str) -> None:
    release = source.read(str(python_sdk({"Echo.proto": ECHO}, package=package)))
    assert (release.sdk, release.version, release.npm) == (f"{package}-api", "1.2.3", False)
    assert release.files == {"Echo.proto": ECHO.encode()}
    assert release.title == f"{package}-api 1.2.3"


def test_the_real_archives_are_read(upstream_protos: Path, javascript_protos: Path) -> None:
    for folder, title, count in (
        (upstream_protos, "futu-api 10.11.7108", 184),
        (upstream_protos.parents[1], "futu-api 10.11.7108", 184),
        (upstream_protos.parents[2], "futu-api 10.11.7108", 184),
        (javascript_protos, "futu-api (npm) 10.11.7108", 182),
        (javascript_protos.parent, "futu-api (npm) 10.11.7108", 182),
    ):
        release = source.read(str(folder))
        assert (release.title, len(release.files)) == (title, count)


def test_an_npm_archive_and_its_folder_read_alike(
    npm_sdk: Build, archive: Build, write: Write
) -> None:
    folder = npm_sdk({"InitWebSocket.proto": ECHO})
    files = {
        "package/package.json": (folder / "package.json").read_bytes(),
        "package/proto/InitWebSocket.proto": ECHO,
    }
    packed = source.read(str(archive("futu-api-1.2.3.tgz", files)))
    unpacked = source.read(str(folder))
    assert packed.npm
    assert unpacked.npm
    assert (packed.title, packed.files) == (unpacked.title, unpacked.files)


def test_an_unpacked_folder_a_package_folder_and_site_packages(write: Write) -> None:
    root = write(
        "site-packages",
        {"futu/common/pb/Echo.proto": ECHO, "futu/VERSION.txt": "1.2.3\n", "other/x.proto": ""},
    )
    for folder in (root, root / "futu", root / "futu" / "common" / "pb"):
        release = source.read(str(folder))
        assert (release.title, list(release.files)) == ("futu-api 1.2.3", ["Echo.proto"])


@pytest.mark.parametrize("name", ["moomoo-api", "moomoo_api", "Moomoo.API", "moomoo"])
def test_an_installed_package_is_found_without_importing_it(
    write: Write, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    files = {"moomoo/__init__.py": "1/0", "moomoo/VERSION.txt": "1.2.3"}
    root = write("site", files | {"moomoo/common/pb/Echo.proto": ECHO})
    monkeypatch.setattr(sys, "path", [str(root), *sys.path])
    assert source.read(name).title == "moomoo-api 1.2.3"
    assert "moomoo" not in sys.modules


def test_a_plain_folder_has_no_version(write: Write) -> None:
    release = source.read(str(write("plain", {"Echo.proto": ECHO, "futu_service.proto": "x"})))
    assert (release.sdk, release.version) == (source.UNKNOWN, source.UNKNOWN)
    assert list(release.files) == ["Echo.proto"]


def test_a_project_around_a_protos_folder_is_not_taken_for_an_sdk(write: Write) -> None:
    files = {"protos/Echo.proto": ECHO, "package.json": '{"name": "x"}', "PKG-INFO": "Name: y\n"}
    release = source.read(str(write("project", files) / "protos"))
    assert (release.sdk, release.npm) == (source.UNKNOWN, False)


def test_a_protos_folder_of_ours_tells_by_its_lock(write: Write) -> None:
    lock = 'sdk = "futu-api"\nversion = "1.2.3"\n[files]\n'
    folder = write("protos", {"Echo.proto": ECHO, "lock.toml": lock})
    assert source.read(str(folder)).title == "futu-api 1.2.3"


@pytest.mark.parametrize("member", ["../evil.proto", "/etc/evil.proto", "a/../../evil.txt", "C:x"])
def test_a_member_that_points_out_condemns_the_archive(archive: Build, member: str) -> None:
    path = archive("x.tar.gz", {"p/futu/common/pb/Echo.proto": ECHO, member: "x"})
    with pytest.raises(SourceError, match="points out of the archive") as caught:
        source.read(str(path))
    assert caught.value.member == member


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_condemn_the_archive(archive: Build, kind: bytes) -> None:
    link = tarfile.TarInfo("p/futu/common/pb/Link.proto")
    link.type, link.linkname = kind, "/etc/passwd"
    path = archive("x.tar.gz", {"p/futu/common/pb/Echo.proto": ECHO}, link)
    with pytest.raises(SourceError, match="is a link or a device") as caught:
        source.read(str(path))
    assert caught.value.member == link.name


def test_a_huge_schema_file_is_refused(archive: Build) -> None:
    huge = tarfile.TarInfo("p/futu/common/pb/Huge.proto")
    huge.size = source.MEMBER_BYTES + 1
    with pytest.raises(SourceError, match="too large"):
        source.read(str(archive("x.tar.gz", {}, huge)))


def test_a_decompression_bomb_ends_at_the_cap(
    archive: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "ARCHIVE_BYTES", 2**20)
    bomb = tarfile.TarInfo("p/zeros.bin")
    bomb.size = 8 * 2**20
    with pytest.raises(SourceError, match="unpacks to more than 1048576 bytes"):
        source.read(str(archive("x.tar.gz", {}, bomb)))


def test_too_many_members_are_refused(archive: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "ARCHIVE_MEMBERS", 3)
    with pytest.raises(SourceError, match="more than 3 members"):
        source.read(str(archive("x.tar.gz", {f"p/{n}.txt": "" for n in range(5)})))


def test_a_file_twice_in_the_archive_is_refused(archive: Build) -> None:
    again = tarfile.TarInfo("p/futu/common/pb/Echo.proto")
    path = archive("x.tar.gz", {"p/futu/common/pb/Echo.proto": ECHO}, again)
    with pytest.raises(SourceError, match="twice"):
        source.read(str(path))


def test_an_archive_without_protos_is_refused(archive: Build) -> None:
    with pytest.raises(SourceError, match=r"holds no \.proto files"):
        source.read(str(archive("x.tar.gz", {"p/PKG-INFO": "Name: futu_api\n"})))


def test_an_archive_with_two_schemas_is_refused(archive: Build) -> None:
    files = {"p/futu/common/pb/A.proto": ECHO, "p/moomoo/common/pb/A.proto": ECHO}
    with pytest.raises(SourceError, match="several schemas"):
        source.read(str(archive("x.tar.gz", files)))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_refused(python_sdk: Build, keep: float) -> None:
    # Incompressible text, so that the cut falls into the files and not only into the trailer.
    noise = "".join(f"// {random.Random(1).getrandbits(4000):x}\n" for _ in range(9))
    path = python_sdk({"Echo.proto": ECHO + noise})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(SourceError, match="cut off"):
        source.read(str(path))


def test_a_corrupt_archive_is_refused(python_sdk: Build) -> None:
    path = python_sdk({"Echo.proto": ECHO})
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # the CRC in the trailer
    path.write_bytes(data)
    with pytest.raises(SourceError, match="CRC"):
        source.read(str(path))


@pytest.mark.parametrize(
    "content",
    [b"", b"not an archive", gzip.compress(b"no tar" * 200)],
    ids=["empty", "text", "gzip"],
)
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(content)
    with pytest.raises(SourceError):
        source.read(str(path))


def test_mutated_archives_only_raise_source_errors(python_sdk: Build) -> None:
    path = python_sdk({"Echo.proto": ECHO, "Other.proto": ECHO.replace("Echo", "Other")})
    plain = gzip.decompress(path.read_bytes())
    choose = random.Random(20)
    for _ in range(400):
        data = bytearray(plain)
        for _ in range(choose.randint(1, 8)):
            data[choose.randrange(len(data))] = choose.randrange(256)
        path.write_bytes(gzip.compress(data, 1))
        try:
            release = source.read(str(path))
        except SourceError:
            continue
        assert release.files


def test_headers_that_nest_without_end_are_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1
    block = header.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(block * 5000))
    with pytest.raises(SourceError):
        source.read(str(path))


def test_a_folder_without_protos_is_refused(write: Write) -> None:
    with pytest.raises(SourceError, match=r"holds no \.proto files where an SDK keeps them"):
        source.read(str(write("empty", {"deep/er/A.proto": ECHO})))


def test_a_folder_with_two_schemas_is_refused(write: Write) -> None:
    files = {"futu/common/pb/A.proto": ECHO, "moomoo/common/pb/A.proto": ECHO}
    with pytest.raises(SourceError, match="futu/common/pb, moomoo/common/pb; name one"):
        source.read(str(write("site", files)))


def test_a_folder_that_is_called_like_a_schema_is_refused(write: Write) -> None:
    folder = write("plain", {"A.proto": ECHO, "B.proto/x": ""})
    with pytest.raises(SourceError, match="not a regular file") as caught:
        source.read(str(folder))
    assert caught.value.member == "B.proto"


def test_a_huge_file_in_a_folder_is_refused(write: Write) -> None:
    folder = write("plain", {"A.proto": b" " * (source.MEMBER_BYTES + 1)})
    with pytest.raises(SourceError, match="over 4194304 bytes"):
        source.read(str(folder))


@pytest.mark.parametrize("name", ["-I.proto", "A B.proto", "1.proto", "ü.proto"])
def test_an_odd_file_name_is_refused(write: Write, name: str) -> None:
    with pytest.raises(SourceError, match="only letters, digits and _"):
        source.read(str(write("plain", {name: ECHO})))


def test_a_name_that_is_nothing_is_refused() -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        source.read("no-such-thing.tar.gz")


def test_a_package_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(SourceError, match="not installed"):
        source.read("moomoo-api")


@pytest.mark.parametrize("facts", ["{", "[]", "\xff"])
def test_a_broken_package_json_is_refused(write: Write, facts: str) -> None:
    folder = write("npm", {"package.json": facts.encode("latin-1"), "proto/A.proto": ECHO})
    with pytest.raises(SourceError) as caught:
        source.read(str(folder))
    assert caught.value.member == "package.json"
