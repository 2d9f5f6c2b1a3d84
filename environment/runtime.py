"""A newer C library beside an older system, for wheels that need one.

The Linux wheels of ml-metadata, TFDV and struct2tensor are built for glibc 2.38 and a C++ runtime
of GCC 13. On a Debian host with an older glibc this fetches Debian's own packages of a newer one
with `apt-get` into a private folder (the mirror and the keyring are the machine's own, apt checks
the signatures), unpacks them there and points the environment's Python at them. The system is not
touched and no root is needed.

Enters: the environment's folder, the patchelf program. Leaves: `<environment>/runtime/` and a
patched `<environment>/bin/python*`. Called by `bootstrap.py`. Standard library only.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from mirror import APT_FOLDER, Archive, debian_archive, host_codename

NEEDED_GLIBC = (2, 38)
RELEASE = "trixie"
PACKAGES = ("libc6", "libstdc++6", "libgcc-s1")
LIBRARIES = Path("usr/lib/x86_64-linux-gnu")
LOADER = "ld-linux-x86-64.so.2"

WAYS_OUT = (
    "Ways out: use Debian 13, Ubuntu 24.04 or newer (their glibc is new enough), or build the "
    "container image: docker build -t authorprofile ."
)

# The machine's proxies and credentials stay in force. Its hooks, pins, other architectures and
# leave to take unsigned archives do not: they are meant for the system, which this is not.
APT_SETTINGS = """\
#clear APT::Architectures;
#clear APT::Default-Release;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "amd64";
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Retries "3";
Dir::Cache "{apt}/cache";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "{apt}/debian.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::State "{apt}";
Dir::State::lists "{apt}/lists";
Dir::State::status "{apt}/status";
"""


class SetupError(RuntimeError):
    """The environment cannot be set up on this host; the message says why and what to do."""


def host_glibc() -> tuple[int, int] | None:
    """The host's glibc version as (major, minor), or None where the C library is another one."""
    try:
        return parse_glibc(os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (AttributeError, ValueError, OSError):
        return None


def parse_glibc(text: str) -> tuple[int, int] | None:
    """(2, 36) from "glibc 2.36", what `confstr` answers; None for any other library's answer."""
    name, _, version = text.partition(" ")
    if name != "glibc":
        return None
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def is_needed(glibc: tuple[int, int] | None, system: str, machine: str) -> bool:
    """Whether a host needs the side-by-side runtime.

    Args:
        glibc: its version, from `host_glibc`.
        system: its kind, from `platform.system`.
        machine: its processor, from `platform.machine`.

    Raises:
        SetupError: the host can take neither the wheels nor the side-by-side runtime.
    """
    if (system, machine) != ("Linux", "x86_64"):
        raise SetupError(
            f"TFX 1.21 has wheels for Linux on x86_64; this host is {system} on {machine}. "
            f"{WAYS_OUT}"
        )
    if glibc is None:
        raise SetupError(
            "The wheels need glibc 2.38 or newer; this host has another C library. " + WAYS_OUT
        )
    return glibc < NEEDED_GLIBC


def host_archive() -> Archive | None:
    """The Debian archive that this host takes a newer C library from, None where it needs none.

    Raises:
        SetupError: it needs one and apt is missing or names no Debian archive.
    """
    glibc = host_glibc()
    if not is_needed(glibc, platform.system(), platform.machine()):
        return None
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    codename = host_codename()
    archive = debian_archive(APT_FOLDER, codename) if codename and not missing else None
    if archive is None:
        lack = " and no ".join(missing or ["Debian mirror in its apt sources"])
        raise SetupError(
            f"The wheels need glibc 2.38 or newer; this host has {'.'.join(map(str, glibc or ()))} "
            f"and no {lack} to take a newer one from. {WAYS_OUT}"
        )
    return archive


def _run(command: list[str], cwd: Path, what: str) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise SetupError(
            f"Could not {what}: {' | '.join(last).rstrip('.') or 'no output'}. {WAYS_OUT}"
        )
    return done.stdout


def fetch(folder: Path, archive: Archive) -> Path:
    """Downloads and unpacks the runtime packages; returns the folder of their libraries.

    Args:
        folder: where the runtime is built; wiped first.
        archive: where the packages come from and which keys vouch for them.

    Raises:
        SetupError: the archive cannot be read or a signature does not hold.
    """
    shutil.rmtree(folder, ignore_errors=True)
    apt = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "apt.conf").write_text(APT_SETTINGS.format(apt=apt), encoding="utf-8")
    (apt / "debian.sources").write_text(_source(archive), encoding="utf-8")
    apt_get = ["apt-get", f"--config-file={apt / 'apt.conf'}"]
    _run([*apt_get, "update", "--error-on=any"], apt, "read the Debian mirror")
    _run([*apt_get, "download", *PACKAGES], apt, f"download {', '.join(PACKAGES)}")
    for package in sorted(apt.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(folder)], apt, f"unpack {package.name}")
    shutil.rmtree(apt)
    return folder / LIBRARIES


def _source(archive: Archive) -> str:
    signed_by = f"Signed-By: {archive.signed_by}\n" if archive.signed_by else ""
    return (
        f"Types: deb\nURIs: {archive.uris}\nSuites: {RELEASE}\nComponents: main\n"
        f"Targets: Packages\n{signed_by}"
    )


def point_python_at(libraries: Path, python: Path, patchelf: Path) -> None:
    """Makes one Python program use the loader and libraries of `libraries`.

    The old search path stays behind the new one: a Python built with a shared libpython needs it.
    The C++ runtime is loaded with Python itself: a wheel that carries a search path of its own
    (pyarrow) would otherwise bring in the system's older one, first come, first kept.
    The program is patched beside itself and renamed, so a kill leaves a whole one.
    """
    old = _run([str(patchelf), "--print-rpath", str(python)], python.parent, "read the rpath")
    paths = [str(libraries), *filter(None, old.strip().split(":")), f"/{LIBRARIES}"]
    beside = python.with_name(python.name + ".patched")
    shutil.copy2(python, beside)
    command = [str(patchelf), "--set-interpreter", str(libraries / LOADER)]
    command += ["--add-needed", "libstdc++.so.6"]
    command += ["--force-rpath", "--set-rpath", ":".join(dict.fromkeys(paths)), str(beside)]
    _run(command, python.parent, "point Python at the newer C library")
    os.replace(beside, python)
