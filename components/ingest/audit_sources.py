"""The join audit alone: patterns in, counts and set-aside records out, nothing trained.

Enters: patterns of posts and labels, the heads, the settings and a folder of this machine. Leaves:
`audit.json` and `set_aside-*.jsonl.gz` in the folder, and the summary. Imports Beam, and TFX only
where a pattern has a placeholder. `load_summary` reads the audit of any run.
"""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from components.disk_shuffle import disk_for
from components.heads.declared import Heads
from components.ingest.join import AUDIT_FILE, SET_ASIDE_PREFIX, IngestSources
from components.ingest.readers import check_files
from components.ingest.rolling import moves
from components.ingest.settings import IngestSettings
from components.ingest.sources import SourceFile, find_sources, plain_bytes
from components.ingest.summary import JoinSummary
from components.paths import absolute

# Without a named image TFX makes a package of itself for the workers, which have it here.
LOCAL_BEAM_ARGUMENTS = (
    "--runner=components.local_runner.LocalRunner",
    "--direct_running_mode=in_memory",
    "--sdk_container_image=installed",
)

PARTIAL_PREFIX = "partial-"
SET_ASIDE_FILES = f"{SET_ASIDE_PREFIX}-*.jsonl.gz"

_log = logging.getLogger("authorprofile.ingest")


def audit_sources(
    posts: Sequence[str],
    labels: Sequence[str],
    heads: Heads,
    settings: IngestSettings,
    out_folder: str,
    beam_arguments: Sequence[str] = LOCAL_BEAM_ARGUMENTS,
) -> JoinSummary:
    """Joins, counts and writes the audit; an earlier audit in the folder gives way only then.

    Bounds are not checked here: `checks.check_join` does that with the summary. One audit a folder
    at a time: what an interrupted one has left unfinished there is deleted.

    Raises:
        SourceError: a pattern names no file, or a file that cannot be a source.
    """
    sources = _find_sources(posts, labels, settings)
    check_files(sources, settings)
    folder = Path(absolute(out_folder))
    _delete_unfinished(folder)
    partial = folder / f"{PARTIAL_PREFIX}{uuid.uuid4().hex}"
    try:
        pipeline = beam.Pipeline(options=PipelineOptions(list(beam_arguments)))
        with disk_for(pipeline, str(partial), plain_bytes(sources)) as disk, pipeline:
            _ = pipeline | IngestSources(sources, heads, settings, str(partial), disk)
        _replace_audit(partial, folder)
    finally:
        if partial.exists():
            shutil.rmtree(partial)
    summary = load_summary(str(folder))
    log_summary(summary)
    return summary


def load_summary(audit_folder: str) -> JoinSummary:
    """The summary that an audit folder holds, be it an artifact's or the audit command's.

    Raises:
        OSError: the folder holds no audit.
    """
    with FileSystems.open(f"{audit_folder}/{AUDIT_FILE}") as stored:
        return JoinSummary.model_validate_json(stored.read())


def log_summary(summary: JoinSummary) -> None:
    """Tells the counts, then the places where a file broke off."""
    for line in summary.lines():
        _log.info(line)
    for warning in summary.warnings():
        _log.warning(warning)


def _find_sources(
    posts: Sequence[str], labels: Sequence[str], settings: IngestSettings
) -> tuple[SourceFile, ...]:
    if not any(map(moves, (*posts, *labels))):
        return find_sources(posts, labels)
    # Takes TFX's 20 seconds of import, for the same files that a run would read.
    from components.ingest.spans import find_selected, select_span

    selection = select_span(posts, labels, window=settings.window)
    return find_selected(selection, settings.window)[1]


def _delete_unfinished(folder: Path) -> None:
    for left in folder.glob(f"{PARTIAL_PREFIX}*/"):
        shutil.rmtree(left)


def _replace_audit(partial: Path, folder: Path) -> None:
    """Moves an audit into the folder: its summary last, so that it never tells of other files."""
    for old in (folder / AUDIT_FILE, *folder.glob(SET_ASIDE_FILES)):
        old.unlink(missing_ok=True)
    for new in (*partial.glob(SET_ASIDE_FILES), partial / AUDIT_FILE):
        new.rename(folder / new.name)
