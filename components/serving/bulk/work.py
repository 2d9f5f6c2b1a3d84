"""The folder of unfinished work beside an output: whose it is, and when it may go on.

Enters: the output's path, the model and the files. Leaves: a locked folder `OUTPUT.unfinished`,
new, or left by a killed call of the same files and the same model. It holds posts while the work
lasts; only its owner can read it.

    answers.csv.unfinished/job.json    what the work is for: files with size and time, model, format
    answers.csv.unfinished/posts/      see `spread`
    answers.csv.unfinished/answers/    see `shards`
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.ingest.opening import named
from components.ingest.sources import SourceFile
from components.locks import take_lock
from components.serving.versions import flush

JOB_FILE = "job.json"
WORK_SUFFIX = ".unfinished"
FINISHED_FILE = "finished"
_LOCK_FILE = ".lock"
# Raised where the folder changes its form, so that no other version of this code goes on with it.
_FORM = 2

Job = dict[str, Any]


class OutputTaken(ValueError):
    """The output, or the unfinished work beside it, must not be written over."""


def describe_job(version: Path, sources: Sequence[SourceFile], **settings: Any) -> Job:
    """What the work is for; equal for two calls whose work is the same.

    `settings` are whatever the answers depend on beside the model of `version` and the files.
    """
    model = sorted(path for path in version.rglob("*") if path.is_file())
    return {
        "form": _FORM,
        "files": [[source.path, source.size_bytes, _changed(source.path)] for source in sources],
        "model": [str(version.resolve()), [[p.name, *_stat(p)] for p in model]],
        "settings": settings,
    }


def _changed(path: str) -> float:
    if "://" not in path:
        with named(path):
            return os.stat(path).st_mtime_ns
    from apache_beam.io.filesystems import FileSystems

    return float(FileSystems.last_updated(path))


def _stat(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def work_folder(output: Path) -> Path:
    """Where the unfinished work of an output lies."""
    return output.with_name(output.name + WORK_SUFFIX)


@contextlib.contextmanager
def claim_work(output: Path, job: Mapping[str, Any], force: bool) -> Iterator[Path]:
    """Holds the work folder of an output for one call; the call itself deletes it when done.

    Args:
        output: what the work ends in.
        job: of `describe_job`.
        force: whether an output, and the unfinished work of another job, give way.

    Yields:
        The folder: empty but for `job.json`, or as an earlier call of the same job left it.

    Raises:
        OutputTaken: the output exists, another call is writing it, or the folder is of another job.
    """
    folder = work_folder(output)
    if output.exists() and not force and not folder.exists():
        raise _taken(output)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(folder / _LOCK_FILE, "ab") as lock:
        if not take_lock(lock):
            raise OutputTaken(
                f"an output is written by one call at a time; another is writing {output}. Wait "
                "for it, or give another path."
            )
        if _is_leftover(output, folder):
            _clear(folder)
            if not force:
                shutil.rmtree(folder)
        if output.exists() and not force:
            raise _taken(output)
        _begin_or_go_on(folder, job, force)
        yield folder


def _taken(output: Path) -> OutputTaken:
    return OutputTaken(
        f"the output must not exist yet; {output} does. Give another path, or --force to replace "
        "it."
    )


def mark_finished(folder: Path, whole: Path) -> None:
    """Notes which file is about to become the output: with it there, the folder is a leftover."""
    (folder / FINISHED_FILE).write_text(str(whole.stat().st_ino), encoding="ascii")


def _is_leftover(output: Path, folder: Path) -> bool:
    """Whether the folder's call was killed after its output had appeared."""
    mark = folder / FINISHED_FILE
    if not mark.is_file() or not output.exists():
        return False
    return mark.read_text(encoding="ascii") == str(output.stat().st_ino)


def put_in_place(partial: Path, path: Path) -> None:
    """Gives a file its name once it is on the disk."""
    flush(partial)
    partial.rename(path)


def delete_work(folder: Path) -> None:
    """Deletes the folder of work that is done."""
    _clear(folder)
    shutil.rmtree(folder)


def _clear(folder: Path) -> None:
    """Empties the folder but for the lock; killed on the way, it is not gone on with.

    Without `job.json` no call takes what is there for its own; with the mark of its end it is a
    leftover. So the one goes first and the other last.
    """
    names = {entry.name for entry in folder.iterdir()} - {JOB_FILE, FINISHED_FILE, _LOCK_FILE}
    for name in (JOB_FILE, *sorted(names), FINISHED_FILE):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)


def _begin_or_go_on(folder: Path, job: Mapping[str, Any], force: bool) -> None:
    others = _differences(folder / JOB_FILE, job)
    if others and not force:
        raise OutputTaken(
            f"unfinished work goes on with the same files and model; {folder} was begun with "
            f"other {' and '.join(others)}. Call it as then, or with --force to begin anew."
        )
    if others or not (folder / JOB_FILE).is_file():
        _clear(folder)
        partial = folder / f"{JOB_FILE}.partial"
        partial.write_text(json.dumps(job), encoding="utf-8")
        partial.rename(folder / JOB_FILE)


def _differences(path: Path, job: Mapping[str, Any]) -> list[str]:
    if not path.is_file():
        return []
    known = json.loads(path.read_text(encoding="utf-8"))
    wanted = json.loads(json.dumps(job))
    return [name for name in wanted if known.get(name) != wanted[name]]
