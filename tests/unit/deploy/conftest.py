"""Configurations that a target takes as they are."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from pipeline.config import load_config

DEPLOY = {
    "image": "registry.example.org/team/authorprofile:1.2",
    "root": "gs://models/authorprofile",
    "vertex": {"project": "a-project", "region": "europe-west4"},
}


def deployable(**changes):
    """A configuration with a complete section `deploy`; `changes` are top-level settings."""
    values = {
        "posts": ["gs://data/posts-{SPAN}.jsonl"],
        "labels": ["gs://data/labels.csv"],
        "deploy": DEPLOY,
        **changes,
    }
    return load_config(None, **values)


@pytest.fixture(name="deployable", scope="session")
def give_deployable():
    return deployable


@pytest.fixture(autouse=True)
def _unguarded() -> Iterator[None]:
    """What a step in this process guards (`pipeline.guarded`), it guards for its test alone."""
    factory = logging.getLogRecordFactory()
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    logging.setLogRecordFactory(factory)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
