"""Which hosts need the side-by-side C library, and that only a signed one is unpacked.

The archive here is a real one on disk: packages, an index and a release file signed with a key
made for it; the real apt-get reads it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from mirror import Archive
from runtime import LOADER, PACKAGES, SetupError, fetch, is_needed, parse_glibc

PROGRAMS = ("apt-get", "dpkg-deb", "gpg", "gpgconf")
needs_apt = pytest.mark.skipif(
    not all(shutil.which(program) for program in PROGRAMS), reason=f"needs {', '.join(PROGRAMS)}"
)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("glibc 2.36", (2, 36)),
        ("glibc 2.9", (2, 9)),
        ("glibc 2.41.9000", (2, 41)),
        ("musl 1.2.4", None),
        ("", None),
    ],
)
def test_the_glibc_version_is_read_as_numbers(answer: str, version: tuple[int, int] | None) -> None:
    assert parse_glibc(answer) == version


@pytest.mark.parametrize(
    ("glibc", "needed"),
    [((2, 9), True), ((2, 37), True), ((2, 38), False), ((2, 100), False), ((3, 0), False)],
)
def test_a_glibc_older_than_2_38_needs_a_newer_one(glibc: tuple[int, int], needed: bool) -> None:
    assert is_needed(glibc, "Linux", "x86_64") is needed


@pytest.mark.parametrize(
    ("glibc", "system", "machine", "named"),
    [
        ((2, 36), "Linux", "aarch64", "Linux on aarch64"),
        (None, "Darwin", "x86_64", "Darwin on x86_64"),
        (None, "Linux", "x86_64", "another C library"),
    ],
)
def test_a_host_that_no_wheel_fits_hears_the_ways_out(
    glibc: tuple[int, int] | None, system: str, machine: str, named: str
) -> None:
    with pytest.raises(SetupError, match=rf"{named}\. Ways out: .*Debian 13.*docker build"):
        is_needed(glibc, system, machine)


class Signer:
    """A key made for a test; its home has a short path, as gpg's socket must."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._gpg("--quick-gen-key", "a test <test@example.org>", "ed25519", "sign", "never")
        self.keyring = home / "public.gpg"
        self.keyring.write_bytes(self._gpg("--export"))

    def sign(self, path: Path) -> bytes:
        return self._gpg("--clearsign", "-o-", str(path))

    def _gpg(self, *arguments: str) -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--passphrase", "", *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture(name="make_signer")
def start_signers() -> Iterator[Callable[[], Signer]]:
    with ExitStack() as stack:

        def make() -> Signer:
            home = stack.enter_context(TemporaryDirectory(prefix="gpg-"))
            stack.callback(subprocess.run, ["gpgconf", "--homedir", home, "--kill", "all"])
            return Signer(Path(home))

        yield make


def _make_package(folder: Path, name: str) -> str:
    """Builds a package that holds one library; returns its entry in the index."""
    root = folder / name
    library = root / "usr/lib/x86_64-linux-gnu" / (LOADER if name == "libc6" else f"{name}.so")
    library.parent.mkdir(parents=True)
    library.write_text(f"library of {name}", encoding="utf-8")
    control = (
        f"Package: {name}\nVersion: 9\nArchitecture: amd64\nMaintainer: none\nDescription: x\n"
    )
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(control, encoding="utf-8")
    package = folder / f"{name}.deb"
    subprocess.run(["dpkg-deb", "-b", str(root), str(package)], check=True, capture_output=True)
    content = package.read_bytes()
    return (
        f"{control}Filename: {package.name}\nSize: {len(content)}\n"
        f"SHA256: {hashlib.sha256(content).hexdigest()}\n\n"
    )


@pytest.fixture(name="archive")
def make_archive(tmp_path: Path, make_signer: Callable[[], Signer]) -> Archive:
    """A Debian archive with the packages of the runtime, signed by its own key."""
    folder = tmp_path / "debian"
    release = folder / "dists" / "trixie"
    index = release / "main" / "binary-amd64" / "Packages"
    index.parent.mkdir(parents=True)
    index.write_text("".join(_make_package(folder, name) for name in PACKAGES), encoding="utf-8")
    content = index.read_bytes()
    (release / "Release").write_text(
        "Suite: stable\nCodename: trixie\nArchitectures: amd64\nComponents: main\n"
        f"Date: Sat, 09 Aug 2025 09:40:11 UTC\nSHA256:\n {hashlib.sha256(content).hexdigest()} "
        f"{len(content)} main/binary-amd64/Packages\n",
        encoding="utf-8",
    )
    signer = make_signer()
    (release / "InRelease").write_bytes(signer.sign(release / "Release"))
    return Archive(f"file:{folder}", str(signer.keyring))


@needs_apt
def test_signed_packages_are_unpacked_and_nothing_else_is_left(
    archive: Archive, tmp_path: Path
) -> None:
    libraries = fetch(tmp_path / "run time", archive)
    assert libraries == tmp_path / "run time/usr/lib/x86_64-linux-gnu"
    assert sorted(path.name for path in libraries.iterdir()) == [
        "ld-linux-x86-64.so.2",
        "libgcc-s1.so",
        "libstdc++6.so",
    ]
    assert [path.name for path in (tmp_path / "run time").iterdir()] == ["usr"]


@needs_apt
def test_the_machines_hooks_and_pins_are_not_applied(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pins").write_text("Package: *\nPin: release n=trixie\nPin-Priority: -1\n")
    (tmp_path / "apt.conf").write_text(
        f'APT::Update::Post-Invoke {{ "touch {tmp_path}/hooked"; }};\n'
        f'APT::Update::Post-Invoke-Success {{ "touch {tmp_path}/hooked"; }};\n'
        f'APT::Default-Release "bookworm";\nDir::Etc::preferences "{tmp_path}/pins";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    assert (fetch(tmp_path / "runtime", archive) / LOADER).exists()
    assert not (tmp_path / "hooked").exists()


@needs_apt
def test_an_archive_signed_by_another_key_is_refused(
    archive: Archive, tmp_path: Path, make_signer: Callable[[], Signer]
) -> None:
    stranger = archive._replace(signed_by=str(make_signer().keyring))
    with pytest.raises(SetupError, match=r"Could not read the Debian mirror: .*not signed"):
        fetch(tmp_path / "runtime", stranger)
    assert not (tmp_path / "runtime/usr").exists()


@needs_apt
def test_an_unsigned_archive_is_refused_even_where_the_machine_takes_them(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "debian/dists/trixie/InRelease").unlink()
    (tmp_path / "apt.conf").write_text(
        'Acquire::AllowInsecureRepositories "true";\nAPT::Get::AllowUnauthenticated "true";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    with pytest.raises(SetupError, match=r"Could not read the Debian mirror: .*not signed"):
        fetch(tmp_path / "runtime", archive)


@needs_apt
def test_a_package_changed_after_it_was_signed_is_refused(archive: Archive, tmp_path: Path) -> None:
    package = tmp_path / "debian/libc6.deb"
    content = package.read_bytes()
    package.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(SetupError, match="Could not download libc6"):
        fetch(tmp_path / "runtime", archive)
    assert not (tmp_path / "runtime/usr").exists()
