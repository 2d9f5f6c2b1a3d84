"""Earlier work is reused only where it is, byte for byte, what its stage left.

TFX's cache asks whether an output's folder is there, not what is in it. Here each output gets the
digest of its files as it is made, a property in the metadata store; what is found in the cache is
held against it. An output that is no more what it was is marked as deleted in the store, as TFX
takes no such output for anything, and its stage makes it again. Reads every output twice, once when
it is made and once when it is reused, some 1 GB a second. An output that was made before there were
digests is taken as it is.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from ml_metadata.proto.metadata_store_pb2 import Artifact
from tfx.orchestration.portable import cache_utils
from tfx.orchestration.portable.launcher import Launcher

from components.digests import CONTENT_PROPERTY, content_digest, is_as_made

_log = logging.getLogger("authorprofile.reuse")
_stock_cached_outputs = cache_utils.get_cached_outputs

Outputs = Mapping[str, list[Any]]


class DigestingLauncher(Launcher):
    """TFX's launcher, which records what a stage made and reuses no other."""

    def _run_executor(self, execution_info: Any) -> Any:
        done = super()._run_executor(execution_info)
        for outputs in done.output_artifacts.values():
            for artifact in outputs.artifacts:
                digest = content_digest(artifact.uri)
                artifact.custom_properties[CONTENT_PROPERTY].string_value = digest
        return done

    def _prepare_execution(self) -> Any:
        with _cache_that_looks():
            return super()._prepare_execution()


@contextlib.contextmanager
def _cache_that_looks() -> Iterator[None]:
    """Has TFX's launcher ask `sound_cached_outputs`; it takes no other cache as an argument."""
    cache_utils.get_cached_outputs = sound_cached_outputs
    try:
        yield
    finally:
        cache_utils.get_cached_outputs = _stock_cached_outputs


def sound_cached_outputs(metadata_handle: Any, cache_context: Any) -> Outputs | None:
    """The outputs of the newest execution of a cache key that are as it left them; None: none are.

    What is not is marked as deleted in the store.
    """
    while True:
        outputs: Outputs | None = _stock_cached_outputs(
            metadata_handle=metadata_handle, cache_context=cache_context
        )
        if outputs is None:
            return None
        changed = [
            artifact
            for artifacts in outputs.values()
            for artifact in artifacts
            if not is_as_made(artifact)
        ]
        if not changed:
            return outputs
        for artifact in changed:
            _log.warning("cached output is damaged, the stage runs again: %s", artifact.uri)
            artifact.mlmd_artifact.state = Artifact.DELETED
        metadata_handle.store.put_artifacts([artifact.mlmd_artifact for artifact in changed])
