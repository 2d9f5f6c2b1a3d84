"""What `authorprofile predict` does with many files, with tables, or with an output of its own.

Enters: a model's folder, paths and globs of posts, the output's path. Leaves: the answers there
(or on standard output), what was set aside beside them, progress and counts on standard error. The
work itself is `components.serving.bulk`. Imports Beam and TensorFlow once the paths are right.
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from components.ingest.readers import check_files
from components.ingest.settings import READ_BY_DEFAULT, IngestSettings
from components.ingest.sources import SourceFile, find_posts, format_of
from components.ingest.unreadable import SourceError
from components.paths import is_pattern
from components.serving.answering import ModelError, ModelFolder, load_model_once
from components.serving.bulk.tables import SET_ASIDE_SUFFIX, FormatError, check_format
from components.serving.bulk.work import OutputTaken, work_folder
from pipeline.causes import describe_cause, statement
from pipeline.full_disk import full_disk_told
from pipeline.imports import uncollected
from pipeline.observed import leave
from pipeline.output import OutputError, ReaderGoneError
from pipeline.terminal import Terminal

if TYPE_CHECKING:
    from components.serving.bulk.run import BulkSummary

FILES_SHOWN = 20
_WAY_ON = (
    "Free some and call the same command, which goes on where it stopped; or write to another "
    "folder with --output, without which TMPDIR names it."
)
_TABLES = frozenset({"csv", "tsv", "parquet"})


def is_bulk(files: Sequence[str], output: Path | None) -> bool:
    """Whether the work is for Beam: all but one file, or standard input, that is answered at once.

    >>> is_bulk(["posts.jsonl"], None), is_bulk(["posts.csv.gz"], None), is_bulk([], None)
    (False, True, False)
    """
    if output is not None or len(files) > 1:
        return True
    return any(format_of(file)[0] in _TABLES or is_pattern(file) for file in files)


def bulk_command(
    model_folder: Path,
    files: Sequence[str],
    output: Path | None,
    force: bool = False,
    beam_arguments: Sequence[str] = (),
    settings: IngestSettings = READ_BY_DEFAULT,
) -> int:
    """Answers every author of the files; without an output, on standard output as JSON Lines.

    Returns:
        The exit code: 0 answered, or the reader of the answers went away; 1 the posts or the model
        cannot be read, or a disk is full; 2 a path is wrong or the output is taken; 130
        interrupted.
    """
    console = Terminal(stderr=True)
    try:
        sources = find_posts(files)
        check_files(sources, settings)
        models = ModelFolder(model_folder, console.say)
        if output is not None:
            work = (sources, output, force, beam_arguments, settings)
            aside = _predict(console, models, *work)
            if aside.exists():
                console.say(f"Each of those set aside: {aside}")
            return 0
        # Interrupted, Beam's threads may still write; their folder must go all the same.
        temporary = tempfile.TemporaryDirectory(prefix="authorprofile-", ignore_cleanup_errors=True)
        with temporary as folder:
            answers = Path(folder) / "answers.jsonl"
            work = (sources, answers, force, beam_arguments, settings)
            _predict(console, models, *work)
            _print_file(answers)
    except (FileNotFoundError, SourceError, FormatError, OutputTaken) as error:
        console.say(statement(str(error)))
        return 2
    except KeyboardInterrupt:
        console.say(f"Interrupted.{_goes_on(output)}")
        # Beam's threads would hold the process until the shard is done.
        leave(130)
    except OutputError:
        raise
    except Exception as error:
        # A model's error tells the rule; what Beam raises tells it in its first cause.
        told = statement(str(error)) if isinstance(error, ModelError) else describe_cause(error)
        console.say(f"predict failed: {told}")
        return 1
    return 0


def _goes_on(output: Path | None) -> str:
    if output is None or not work_folder(output).is_dir():
        return ""
    return f" The same command goes on where this one stopped ({work_folder(output)})."


def _predict(
    console: Terminal,
    models: ModelFolder,
    sources: Sequence[SourceFile],
    output: Path,
    force: bool,
    beam_arguments: Sequence[str],
    settings: IngestSettings,
) -> Path:
    """Answers, tells the counts, and gives the path of the list of what was set aside."""
    check_format(output, models.found.served)
    with console.status("loading TensorFlow and the model"):
        # Before any post is read, so that a broken model is told at once.
        models.load(load_model_once)
        with uncollected():
            from components.serving.bulk.run import predict_files
    version, served = models.found
    # Of the version that loaded, which may be another.
    format_name = check_format(output, served)
    place = f"the answers and what is kept until they are whole, in {output.absolute().parent}"
    with BulkConsole(console) as shown, full_disk_told(place, _WAY_ON):
        summary = predict_files(
            version, served, sources, output, format_name, shown, force, beam_arguments, settings
        )
    show_summary(console, summary)
    return output.with_name(output.name + SET_ASIDE_SUFFIX)


def _print_file(answers: Path) -> None:
    with suppress(ReaderGoneError), answers.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()


class BulkConsole(logging.Handler):
    """Shows how far it is: a bar where the terminal can, else a line for each step.

    Is told by `predict_files`, and, while Beam runs, hears its log lines as a logging handler.
    """

    def __init__(self, console: Terminal):
        super().__init__(logging.DEBUG)
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[counts]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, counts="")
        self._log = logging.getLogger("authorprofile.predict")
        self._root_level = logging.WARNING
        self._records = self._authors = self._posts = self._all_posts = 0

    def __enter__(self) -> BulkConsole:
        self._log.addHandler(self)
        self._log.setLevel(logging.DEBUG)
        # Beam gives the root a handler of its own and warns once a shard; its faults are raised.
        self._log.propagate = False
        self._root_level = logging.getLogger().level
        logging.getLogger().setLevel(logging.CRITICAL)
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._log.removeHandler(self)
        self._log.propagate = True
        logging.getLogger().setLevel(self._root_level)
        self._bar.stop()

    def reading(self, files: int, finished: int) -> None:
        """See `bulk.run.Progress`."""
        before = f", {finished:,} of them before" if finished else ""
        self._step(f"reading {files:,} file{'s' if files > 1 else ''}{before}")

    def answering(self, posts: int, finished_posts: int, finished_authors: int) -> None:
        """See `bulk.run.Progress`."""
        self._all_posts, self._posts, self._authors = posts, finished_posts, finished_authors
        before = f", {finished_posts:,} of them before" if finished_posts else ""
        self._step(f"answering the authors of {posts:,} posts{before}")
        self._show_answered()

    def writing(self) -> None:
        """See `bulk.run.Progress`."""
        self._step("writing the output")

    def emit(self, record: logging.LogRecord) -> None:
        """Counts what a log line says was done; its text is for logs."""
        counted = record.__dict__
        if "records" in counted:
            self._records += counted["records"]
            self._bar.update(self._task, counts=f"{self._records:,} records")
        elif "authors" in counted:
            self._authors += counted["authors"]
            self._posts += counted["posts"]
            self._show_answered()

    def _show_answered(self) -> None:
        # A shard that was interrupted and a repeated post are counted, so it may end beside 100 %.
        self._bar.update(
            self._task,
            total=self._all_posts,
            completed=min(self._posts, self._all_posts),
            counts=f"{self._authors:,} authors, {self._posts:,} posts",
        )

    def _step(self, what: str) -> None:
        self._bar.reset(self._task, total=None, description=what, counts="")
        if not self._console.is_terminal:
            self._console.say(what)


def show_summary(console: Terminal, summary: BulkSummary) -> None:
    """Counts of all files, then of each file of which something was set aside or noted."""
    read, used = (sum(getattr(f, name) for f in summary.files) for name in ("read", "used"))
    lines = [
        f"{summary.authors:,} authors answered; {read:,} posts read: {used:,} used, "
        f"{read - used:,} set aside"
    ]
    faulty = [file for file in summary.files if file.set_aside or file.notes]
    for file in faulty[:FILES_SHOWN]:
        lines.append(
            f"  {file.file}: {file.read:,} read, {file.used:,} used, "
            f"{file.read - file.used:,} set aside"
        )
        noted = {f"{note} (a note)": count for note, count in file.notes.items()}
        lines += [
            f"    {count.records:,} {what}, first at line {count.first_line}"
            for what, count in (*file.set_aside.items(), *noted.items())
        ]
    if len(faulty) > FILES_SHOWN:
        lines.append(f"  and {len(faulty) - FILES_SHOWN:,} more files")
    for line in lines + summary.breaks():
        console.say(line)
