"""A newer C library beside an older system, for wheels that need one.

The Linux wheels of ml-metadata, TFDV and struct2tensor are built for glibc 2.38 and a C++ runtime
of GCC 13. On a Debian or Ubuntu host with an older glibc this fetches Debian's own packages of a
newer one with `apt-get` into a private folder (the mirror and the keyring are the machine's own,
apt checks the signatures), unpacks them there and points the environment's Python at them. The
system is not touched and no root is needed.

Enters: the environment's folder, the patchelf program. Leaves: `<environment>/runtime/` and a
patched `<environment>/bin/python*`. Called by `bootstrap.py`. Standard library only.
"""

from __future__ import annotations

import glob
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

NEEDED_GLIBC = (2, 38)
RELEASE = "trixie"
PACKAGES = ("libc6", "libstdc++6", "libgcc-s1")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LOADER = "ld-linux-x86-64.so.2"

WAYS_OUT = (
    "Ways out: use Debian 13, Ubuntu 24.04 or newer (their glibc is new enough), or build the "
    "container image: docker build -t authorprofile ."
)


class SetupError(RuntimeError):
    """The environment cannot be set up on this host; the message says why and what to do."""


def host_glibc() -> tuple[int, int] | None:
    """The host's glibc version as (major, minor), or None where the C library is another one."""
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return None
    if name != "glibc":
        return None
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def is_needed() -> bool:
    """Whether this host needs the side-by-side runtime.

    Raises:
        SetupError: the host can neither take the wheels nor the side-by-side runtime.
    """
    machine = platform.machine()
    if platform.system() != "Linux" or machine != "x86_64":
        raise SetupError(
            "TFX 1.21 has wheels for Linux on x86_64; "
            f"this host is {platform.system()} on {machine}. {WAYS_OUT}"
        )
    found = host_glibc()
    if found is not None and found >= NEEDED_GLIBC:
        return False
    name = "glibc %d.%d" % found if found else "a C library other than glibc"
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if found is None or missing:
        raise SetupError(
            f"The wheels need glibc {NEEDED_GLIBC[0]}.{NEEDED_GLIBC[1]} or newer; this host has "
            f"{name} and no {' and no '.join(missing) or 'way to add one beside it'}. {WAYS_OUT}"
        )
    return True


def debian_mirror(apt_folder: Path = Path("/etc/apt")) -> str:
    """The base address of the machine's own Debian mirror, read from its apt configuration.

    Raises:
        SetupError: no Debian mirror is configured.
    """
    for path in sorted(glob.glob(str(apt_folder / "sources.list.d" / "*.sources"))):
        for stanza in re.split(r"\n\s*\n", Path(path).read_text(encoding="utf-8")):
            uris = re.search(r"^URIs:\s*(\S+)", stanza, re.MULTILINE)
            components = re.search(r"^Components:.*\bmain\b", stanza, re.MULTILINE)
            disabled = re.search(r"^Enabled:\s*no\b", stanza, re.MULTILINE | re.IGNORECASE)
            if uris and components and not disabled and _is_debian_archive(uris.group(1)):
                return uris.group(1).rstrip("/")
    lists = [apt_folder / "sources.list"]
    lists += [Path(path) for path in sorted(glob.glob(str(apt_folder / "sources.list.d/*.list")))]
    for path in lists:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for match in re.finditer(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+\S+\s+main\b", text, re.M):
            if _is_debian_archive(match.group(1)):
                return match.group(1).rstrip("/")
    raise SetupError(
        f"The newer C library comes from the machine's own Debian mirror; {apt_folder} names none "
        f"(looked for an archive whose path ends in /debian). {WAYS_OUT}"
    )


def _is_debian_archive(uri: str) -> bool:
    return re.search(r"/debian/?$", uri) is not None


def _run(command: list[str], cwd: Path, what: str) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise SetupError(f"Could not {what}: {' | '.join(last) or 'no output'}. {WAYS_OUT}")
    return done.stdout


def fetch(folder: Path) -> Path:
    """Downloads and unpacks the runtime packages; returns the folder of their libraries.

    Args:
        folder: where the runtime is built; wiped first.

    Raises:
        SetupError: the mirror cannot be read or a signature does not hold.
    """
    if not KEYRING.exists():
        raise SetupError(
            f"The packages' signatures are checked against {KEYRING}; it is not there. "
            f"Install debian-archive-keyring. {WAYS_OUT}"
        )
    shutil.rmtree(folder, ignore_errors=True)
    apt = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "debian.sources").write_text(
        f"Types: deb\nURIs: {debian_mirror()}\nSuites: {RELEASE}\nComponents: main\n"
        f"Signed-By: {KEYRING}\n",
        encoding="utf-8",
    )
    options = {
        "Dir::Etc::sourcelist": apt / "debian.sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": apt,
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt / "cache",
        "APT::Architecture": "amd64",
        "APT::Get::AllowUnauthenticated": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    flags = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    _run(["apt-get", *flags, "update", "--error-on=any"], apt, "read the Debian mirror")
    _run(["apt-get", *flags, "download", *PACKAGES], apt, f"download {', '.join(PACKAGES)}")
    for package in sorted(apt.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(folder)], apt, f"unpack {package.name}")
    shutil.rmtree(apt)
    return next(folder.glob(f"**/{LOADER}")).resolve().parent


def point_python_at(libraries: Path, python: Path, patchelf: Path) -> None:
    """Makes one Python program use the loader and libraries of `libraries`.

    The old search path stays behind the new one: a Python built with a shared libpython needs it.
    The program is patched beside itself and renamed, so a kill leaves a whole one.
    """
    old = _run([str(patchelf), "--print-rpath", str(python)], python.parent, "read the rpath")
    paths = [str(libraries), *filter(None, old.strip().split(":"))]
    multiarch = sorted(glob.glob("/usr/lib/x86_64-linux-gnu"))
    beside = python.with_name(python.name + ".patched")
    shutil.copy2(python, beside)
    _run(
        [
            str(patchelf),
            "--set-interpreter",
            str(libraries / LOADER),
            "--force-rpath",
            "--set-rpath",
            ":".join(dict.fromkeys(paths + multiarch)),
            str(beside),
        ],
        python.parent,
        "point Python at the newer C library",
    )
    os.replace(beside, python)
