"""What the doctor can say of the data: whether it is there, and whether a run would train on it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator

from pipeline.causes import describe_cause, statement
from pipeline.config import Config
from pipeline.deploy.findings import Finding
from pipeline.deploy.settings import NEWEST_SPAN, Target
from pipeline.full_disk import describe_unforeseen, is_full

MOST_BYTES = 64 * 2**20
"""Data of that size takes about half a minute to join."""
_CHECK = "a run would train on the records"
_LOOK = "`authorprofile audit` makes the checks of a run."


def check_input(config: Config, target: Target | None) -> Iterator[Finding]:
    """The patterns match files, with one newest span."""
    from components.ingest.readers import check_files
    from components.ingest.sources import find_sources
    from components.ingest.spans import select_span

    check = "posts and labels are there"
    patterns = [*config.posts, *config.labels]
    volume = config.deploy.kubeflow.volume
    if target == "kubeflow" and volume.claim and any(p.startswith(volume.path) for p in patterns):
        yield Finding(check, "not checked", f"the volume {volume.claim} is not mounted here")
        return
    span = config.deploy.span
    try:
        selection = select_span(config.posts, config.labels, None if span == NEWEST_SPAN else span)
        files = find_sources(selection.posts, selection.labels)
        check_files(files, config.ingest)
    # A bucket is read through Beam and TensorFlow, each with errors of its own.
    except Exception as error:
        remedy = "Correct posts and labels, or ask for the right to read them."
        yield Finding(check, "fault", f"{type(error).__name__}: {error}", remedy)
        return
    yield Finding(check, "ok", f"{len(files)} file{'s' * (len(files) != 1)}, span {selection.span}")


def check_records(config: Config) -> Iterator[Finding]:
    """The records pass the checks that a run makes before training.

    Read where they lie on this machine and are few; otherwise the finding says that nobody looked.
    """
    try:
        yield _examine_records(config)
    # Beam and the system raise what they will; the other checks are still to be made.
    except Exception as error:
        logging.getLogger(__name__).exception("the records could not be checked")
        told = describe_unforeseen(error) if is_full(error) else describe_cause(error)
        yield Finding(_CHECK, "fault", f"the check itself failed: {told}", _LOOK)


def _examine_records(config: Config) -> Finding:
    from components.ingest.sources import plain_bytes
    from components.ingest.spans import find_selected, select_span
    from components.ingest.unreadable import SourceError

    patterns = [*config.posts, *config.labels]
    if any("://" in pattern for pattern in patterns):
        return _not_read("no record was read: they are not on this machine")
    settings = config.ingest
    if config.deploy.span != NEWEST_SPAN:
        window = settings.window.model_copy(update={"until": config.deploy.span})
        settings = settings.model_copy(update={"window": window})
    try:
        selection = select_span(config.posts, config.labels, window=settings.window)
        size_bytes = plain_bytes(find_selected(selection, settings.window)[1])
    except SourceError:
        # `check_input` has said why.
        return _not_read("no record was read")
    if size_bytes > MOST_BYTES:
        return _not_read(f"no record was read: {size_bytes / 2**20:,.0f} MiB take their time")
    return _join(config.model_copy(update={"ingest": settings}))


def _not_read(found: str) -> Finding:
    return Finding(_CHECK, "not checked", found, _LOOK)


def _join(config: Config) -> Finding:
    from components.ingest.audit_sources import audit_sources
    from components.ingest.checks import JoinError, check_join
    from components.ingest.unreadable import SourceError

    with tempfile.TemporaryDirectory() as folder:
        try:
            summary = audit_sources(
                config.posts, config.labels, config.head_list, config.ingest, folder
            )
            check_join(summary, config.head_list, config.ingest)
        except (JoinError, SourceError) as error:
            remedy = "Correct the data or the settings; `authorprofile audit` lists the records."
            return Finding(_CHECK, "fault", statement(str(error)), remedy)
    return Finding(_CHECK, "ok", f"{summary.authors:,} authors pass the checks before training")
