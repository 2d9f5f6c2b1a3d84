r"""Predicts authors' attributes from their posts with a served model.

Enters: a model's folder and posts. Leaves: one JSON line an author, in the order first seen. Called
by `authorprofile predict` for one file or standard input; `pipeline.bulk` takes all else. Needs
TensorFlow and none of TFX; imports it once the input is read.

    {"author_id": "a", "text": "I went home."}
    -> {"author_id": "a", "age": 31.2, "gender": {"female": 0.71, "male": 0.29},
        "income": {"group": 4, "probabilities": [...], "boundaries": [...]}}

Income group k holds boundaries[k-1] <= amount < boundaries[k]; boundaries are absent where the
model was trained on groups. Seen on two cores with the default network: 6 s to start, then 600
authors of 40 kB a second; 0.9 GB of memory, and beyond that some 20 times the longest author's
text.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple, TextIO

from components.ingest.opening import open_source
from components.ingest.settings import READ_BY_DEFAULT, IngestSettings
from components.ingest.unreadable import SourceError
from components.serving.answering import (
    ModelError,
    ModelFolder,
    answer_window,
    windows,
)
from pipeline.full_disk import FullDiskError, full_disk_told, spool_folder
from pipeline.output import ReaderGoneError
from pipeline.spool import STANDARD_INPUT, InputError, Spool, read_posts

FAULTS_SHOWN = 20
WAY_ON = "Free some, or name a folder with more in the environment variable SQLITE_TMPDIR."
_TAKEN_FOR_TEXT = (
    " is read as raw text of one author, one post per line: it is neither JSON Lines nor a table "
    "whose header names author_id."
)


class Summary(NamedTuple):
    """Counts of one prediction."""

    authors: int
    posts: int
    set_aside: int


def predict_command(
    model_folder: Path, file: Path | None, settings: IngestSettings = READ_BY_DEFAULT
) -> int:
    """What `authorprofile predict` does: posts of a file or of standard input, answers to stdout.

    Returns:
        The exit code: 0 answered, or the reader of the answers went away; 1 the input or the model
        cannot be read, or a disk is full; 2 a path is wrong; 130 interrupted.
    """
    try:
        if file is not None and not os.path.lexists(file):
            raise FileNotFoundError(f"FILE must be a file of posts; there is no {file}.")
        with open_source(str(file)) if file else open(0, "rb", closefd=False) as source:
            name = str(file) if file else STANDARD_INPUT
            predict_posts(model_folder, source, sys.stdout, sys.stderr, settings, name)
    except ReaderGoneError:
        return 0
    except KeyboardInterrupt:
        return 130
    except (FileNotFoundError, SourceError) as error:
        print(error, file=sys.stderr)
        return 2
    except (InputError, ModelError, FullDiskError, OSError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def predict_posts(
    model_folder: Path,
    source: IO[bytes],
    out: TextIO,
    faults: TextIO,
    settings: IngestSettings = READ_BY_DEFAULT,
    name: str = STANDARD_INPUT,
) -> Summary:
    """Answers every author of a stream of posts.

    Args:
        model_folder: a version, or a folder of versions, of which the newest sound one is taken.
        source: posts as `pipeline.spool` reads them.
        out: gets one JSON line an author.
        faults: gets the number and fault of lines set aside, never their text; and what versions
            were passed over.
        settings: of reading.
        name: path of the source, or what else to call it.

    Raises:
        SourceError: the input is no file of posts.
        FileNotFoundError: there is no model.
        ModelError: the model cannot answer.
        InputError: the input is empty, damaged, or holds no post that can be read.
        FullDiskError: there is no space for the posts meanwhile.
    """
    models = ModelFolder(model_folder, lambda line: print(line, file=faults))
    place = f"the posts that were read, in {spool_folder()}"
    with full_disk_told(place, WAY_ON), Spool() as spool:
        form = read_posts(source, spool, _reporter(faults), settings, name)
        if form.format == "raw_text":
            print(f"{name}{_TAKEN_FOR_TEXT}", file=faults)
        set_aside = _tell_counts(spool, faults)
        model = models.load()
        served = models.found.served
        authors = 0
        for window in windows(spool.authors()):
            for author, answer in zip(window, answer_window(model, served, window), strict=True):
                line = {"author_id": author.author_id, **answer}
                print(json.dumps(line, allow_nan=False), file=out)
                authors += 1
        out.flush()
        return Summary(authors, spool.posts, set_aside)


def _tell_counts(spool: Spool, faults: TextIO) -> int:
    """Says how many lines were set aside and how many posts have a note; returns the former."""
    set_aside = sum(spool.set_aside.values())
    if set_aside:
        causes = ", ".join(f"{count} {cause}" for cause, count in spool.set_aside.items())
        print(f"lines set aside: {set_aside} ({causes})", file=faults)
    if spool.notes:
        notes = ", ".join(f"{count} {note}" for note, count in spool.notes.items())
        print(f"posts with a note: {notes}", file=faults)
    return set_aside


def _reporter(faults: TextIO) -> Callable[[int, str], None]:
    shown = 0

    def report(number: int, cause: str) -> None:
        nonlocal shown
        shown += 1
        if shown <= FAULTS_SHOWN:
            print(f"line {number} set aside: {cause}", file=faults)

    return report
