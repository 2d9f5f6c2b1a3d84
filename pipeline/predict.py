r"""Predicts authors' attributes from their posts with a served model.

Enters: a model's folder and posts, of one file or standard input; `pipeline.bulk` takes all else.
Leaves: one JSON line an author, in the order first seen. Needs TensorFlow and none of TFX; imports
it once the input is read.

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
from pathlib import Path
from typing import IO, TextIO

from components.ingest.opening import open_source
from components.ingest.settings import READ_BY_DEFAULT, IngestSettings
from components.ingest.unreadable import SourceError
from components.serving.answering import ModelError, ModelFolder, answer_window, windows
from pipeline.full_disk import FullDiskError, full_disk_told, spool_folder
from pipeline.output import ReaderGoneError
from pipeline.spool import STANDARD_INPUT, InputError, Spool, read_posts

FAULTS_SHOWN = 20
WAY_ON = "Free some, or name a folder with more in the environment variable SQLITE_TMPDIR."
_TAKEN_FOR_TEXT = (
    " is read as raw text of one author, one post per line: it is neither JSON Lines nor a table "
    "whose header names author_id."
)


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
) -> None:
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

    def report(number: int, cause: str) -> None:
        if spool.set_aside.total() <= FAULTS_SHOWN:
            print(f"line {number} set aside: {cause}", file=faults)

    models = ModelFolder(model_folder, lambda line: print(line, file=faults))
    place = f"the posts that were read, in {spool_folder()}"
    with full_disk_told(place, WAY_ON), Spool() as spool:
        form = read_posts(source, spool, report, settings, name)
        if form.format == "raw_text":
            print(f"{name}{_TAKEN_FOR_TEXT}", file=faults)
        _tell_counts(spool, faults)
        model = models.load()
        served = models.found.served
        for window in windows(spool.authors()):
            for author, answer in zip(window, answer_window(model, served, window), strict=True):
                line = {"author_id": author.author_id, **answer}
                print(json.dumps(line, allow_nan=False), file=out)
        out.flush()


def _tell_counts(spool: Spool, faults: TextIO) -> None:
    """Says how many lines were set aside and how many posts have a note."""
    if spool.set_aside:
        causes = ", ".join(f"{count} {cause}" for cause, count in spool.set_aside.items())
        print(f"lines set aside: {spool.set_aside.total()} ({causes})", file=faults)
    if spool.notes:
        notes = ", ".join(f"{count} {note}" for note, count in spool.notes.items())
        print(f"posts with a note: {notes}", file=faults)
