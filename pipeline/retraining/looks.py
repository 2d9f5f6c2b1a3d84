"""Looks at spans before anything is trained: which can be used, and what labels they bring.

Enters: the configuration, spans. Leaves: each one's `SpanFacts`, from the store where its files
were looked at before. A small pipeline of its own, `<name>-looks`: what it leaves in the store is
nothing that the pipeline's resolvers could take for theirs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfx import v1 as tfx

from components.ingest.rolling import Span
from components.retraining.look import SpanLook, SpanView, span_fingerprint
from components.retraining.planning import Setup
from components.retraining.record import DecisionRecord
from pipeline.beam import beam_arguments
from pipeline.config import Config
from pipeline.lineage import read_last_run
from pipeline.local import ObservedDagRunner, StageObserver


class Looker:
    """Looks at spans of one configuration.

    Args:
        config: of the run.
        out: its folder.
        connection: of the metadata store.
        observer: is told of stages.
    """

    def __init__(self, config: Config, out: Path, connection: Any, observer: StageObserver):
        self.config = config
        self.out = out
        self.connection = connection
        self.observer = observer

    def look(self, spans: Sequence[Span]) -> dict[int, SpanView]:
        """Looks at each span; one whose files did not change since is taken from the store."""
        if not spans:
            return {}
        components = {span.number: self._component(span) for span in spans}
        self._run("looks", list(components.values()))
        run = read_last_run(self.connection, f"{self.config.name}-looks")
        return {
            number: SpanView(str(run.path(component.id, "facts")))
            for number, component in components.items()
        }

    def record(self, decision: str, state: str) -> None:
        """Keeps a decision in the store."""
        self._run("decisions", [DecisionRecord(decision=decision, state=state)])

    def _component(self, span: Span) -> SpanLook:
        setup = Setup.of(self.config)
        look = SpanLook(
            patterns=json.dumps(setup.patterns),
            span=span.number,
            version=span.version or 0,
            heads=setup.heads,
            ingest=setup.join.model_dump_json(),
            fingerprint=span_fingerprint(setup.patterns, span),
        )
        look.with_id(f"SpanLook-{span.number}")
        return look

    def _run(self, kind: str, components: list[Any]) -> None:
        pipeline = tfx.dsl.Pipeline(
            pipeline_name=f"{self.config.name}-{kind}",
            pipeline_root=str(self.out / "artifacts"),
            components=components,
            enable_cache=self.config.cache and kind == "looks",
            metadata_connection_config=self.connection,
            beam_pipeline_args=beam_arguments(self.config.beam),
        )
        ObservedDagRunner(self.observer).run(pipeline)
