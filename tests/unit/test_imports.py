"""Imports without the cycle collector."""

from __future__ import annotations

import gc

import pytest

from pipeline.imports import uncollected


@pytest.fixture(autouse=True)
def _thaw():
    """What a test set aside is collected again."""
    yield
    gc.unfreeze()


def test_nothing_is_collected_within_and_what_was_made_is_set_aside():
    before = gc.get_freeze_count()
    with uncollected():
        assert not gc.isenabled()
        made = [[] for _ in range(100)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)


def test_an_import_that_fails_leaves_the_collector_at_work():
    with pytest.raises(ModuleNotFoundError), uncollected():
        import no_such_module  # noqa: F401
    assert gc.isenabled()
