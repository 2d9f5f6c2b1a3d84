"""Configurations that a target takes as they are."""

from __future__ import annotations

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
