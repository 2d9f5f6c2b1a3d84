"""Which files of a pattern with `{SPAN}` a run reads, and when they have changed.

TFX's own driver resolves `{SPAN}`, `{VERSION}` and `{YYYY}{MM}{DD}` to the newest and fingerprints
the files, so that a run over unchanged files is taken from the cache. But it wants all patterns to
move together; posts that come in spans beside one table of labels are the common case. Here a
pattern without a placeholder stays as it is and is fingerprinted too. So are the older spans of a
window (see `rolling`), which TFX's driver knows nothing of: it hands the newest on, and beside it,
as the property `window`, the spans that the executor reads.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from tfx.components.example_gen import driver, input_processor, utils
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.utils import io_utils, proto_utils

from components.ingest.rolling import (
    Span,
    available_spans,
    choose_spans,
    fill_pattern,
    find_window,
    moves,
    spans_of,
)
from components.ingest.settings import IngestSettings, SpanWindow
from components.ingest.sources import (
    KINDS,
    SourceFile,
    common_folder,
    find_sources,
)
from components.ingest.unreadable import SourceError
from components.paths import as_pattern

WINDOW = "window"
"""Property in which the driver leaves the patterns and spans of a window, as JSON."""
_Split: TypeAlias = example_gen_pb2.Input.Split


class PostsInputProcessor(input_processor.FileBasedInputProcessor):
    """Resolves the patterns that have placeholders and keeps the others."""

    def __init__(
        self,
        input_base_uri: str,
        splits: Iterable[_Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        window: SpanWindow | None = None,
    ) -> None:
        splits = list(splits)
        self.window = window or SpanWindow()
        self.spans: list[Span] = []
        self._patterns = [(s.name, os.path.join(input_base_uri, s.pattern)) for s in splits]
        moving = [split for split in splits if _moves(split.pattern)]
        super().__init__(input_base_uri, moving or splits, range_config)

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """The newest span and version that all moving patterns have.

        Raises:
            SourceError: they have none, or not the same.
        """
        newest = self._newest_span()
        self.spans = self._read_window(newest.number)
        older = [span for span in self.spans if span.number != newest.number]
        self._fingerprint = "\n".join(
            io_utils.generate_fingerprint(name, fill_pattern(pattern, span))
            for span in (newest, *older)
            for name, pattern in self._patterns
            if span is newest or moves(pattern)
        )
        return newest.number, newest.version

    def _newest_span(self) -> Span:
        """TFX's own search reads a folder's parentheses and brackets as a regular expression."""
        moving = [pattern for _, pattern in self._patterns if moves(pattern)]
        newest = {pattern: self._newest_of(pattern) for pattern in moving}
        if len(set(newest.values())) > 1 or None in newest.values():
            found = ", ".join(
                f"{pattern} ({'no file' if span is None else f'span {_told(span)}'})"
                for pattern, span in newest.items()
            )
            raise SourceError(
                "Patterns with a span need files, all with the same newest span and version. "
                f"Received: {found}"
            )
        return next(filter(None, newest.values()), Span(0, None))

    def _newest_of(self, pattern: str) -> Span | None:
        wanted = self._range_config.static_range if self._range_config else None
        spans = [
            span
            for span in spans_of(pattern)
            if wanted is None or span.number == wanted.start_span_number
        ]
        return max(spans, key=lambda span: (span.number, span.version or 0), default=None)

    def _read_window(self, newest: int) -> list[Span]:
        posts, labels = (
            [pattern for name, pattern in self._patterns if name.startswith(kind)] for kind in KINDS
        )
        window = self.window.model_copy(update={"until": newest})
        return choose_spans(available_spans(posts, labels), window)

    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        """The pattern with its placeholders filled."""
        if not _moves(pattern):
            return pattern
        return str(super().get_pattern_for_span_version(pattern, span, version))


class PostsDriver(driver.FileBasedDriver):
    """TFX's driver, with patterns that need not all move."""

    _window = SpanWindow()

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        """As TFX's, and the spans of the window as one more property."""
        self._window = IngestSettings.model_validate_json(exec_properties["ingest"]).window
        config = example_gen_pb2.Input()
        proto_utils.json_to_proto(exec_properties["input_config"], config)
        patterns = patterns_of(exec_properties["input_base"], config.splits)
        properties: dict[str, Any] = super().resolve_exec_properties(
            exec_properties, pipeline_info, component_info
        )
        if len(self._processor.spans) > 1:
            properties[WINDOW] = json.dumps([*patterns, self._processor.spans])
        return properties

    def get_input_processor(
        self,
        splits: Iterable[_Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> PostsInputProcessor:
        """The processor of this run's patterns."""
        self._processor = PostsInputProcessor(
            input_base_uri or "", splits, range_config or _only(self._window.until), self._window
        )
        return self._processor


def read_window(text: str) -> tuple[list[int], tuple[SourceFile, ...]]:
    """The spans and the files of the property that the driver left."""
    posts, labels, spans = json.loads(text)
    window = [Span(*span) for span in spans]
    return [span.number for span in window], find_window(posts, labels, window)


def make_input_config(
    posts: Sequence[str], labels: Sequence[str]
) -> tuple[str, example_gen_pb2.Input]:
    """The patterns as TFX's driver takes them: a base folder, and one input split a pattern.

    Example:
        posts ["/data/posts-{SPAN}.jsonl"], labels ["/data/labels.csv"]
        -> "/data", splits posts-0: "posts-{SPAN}.jsonl", labels-0: "labels.csv"
    """
    named = [
        (f"{kind}-{place}", as_pattern(pattern))
        for kind, patterns in zip(KINDS, (posts, labels), strict=True)
        for place, pattern in enumerate(patterns)
    ]
    base = common_folder([pattern for _, pattern in named])
    splits = [
        example_gen_pb2.Input.Split(name=name, pattern=pattern[len(base) :].lstrip("/"))
        for name, pattern in named
    ]
    return base, example_gen_pb2.Input(splits=splits)


def patterns_of(input_base: str, splits: Iterable[_Split]) -> tuple[list[str], list[str]]:
    """The patterns of posts and of labels: the inverse of `make_input_config`."""
    posts, labels = (
        [os.path.join(input_base, split.pattern) for split in splits if split.name.startswith(kind)]
        for kind in KINDS
    )
    return posts, labels


class Selection(NamedTuple):
    """What a run reads, and what tells whether it changed.

    Attributes:
        posts: patterns of posts, `{SPAN}` and its like filled unless several spans are read.
        labels: patterns of labels, likewise.
        span: the newest span; 0 where no pattern has one.
        fingerprint: of the files' names, sizes and times.
    """

    posts: list[str]
    labels: list[str]
    span: int
    fingerprint: str


def select_span(
    posts: Sequence[str],
    labels: Sequence[str],
    span: int | None = None,
    window: SpanWindow | None = None,
) -> Selection:
    """What a run would read now.

    Args:
        posts: patterns of posts.
        labels: patterns of labels.
        span: the newest span to read; None: the newest there is, or that of the window.
        window: older spans that are read with it; None: none.

    Raises:
        SourceError: the patterns have no files, or not the same span.
    """
    if span is not None and not any(map(moves, (*posts, *labels))):
        raise SourceError(
            f"Span {span} needs a pattern with {{SPAN}} or a date. Received: "
            f"{', '.join((*posts, *labels))}"
        )
    window = window or SpanWindow()
    base, config = make_input_config(posts, labels)
    wanted = window.until if span is None else span
    processor = PostsInputProcessor(base, config.splits, _only(wanted), window)
    try:
        found, version = processor.resolve_span_and_version()
    except SourceError as error:
        if wanted is None:
            raise
        raise SourceError(f"Span {wanted} must be there: {error}") from error
    fingerprint = str(processor.get_input_fingerprint(found, version))
    for split in config.splits if window.is_single else ():
        split.pattern = processor.get_pattern_for_span_version(split.pattern, found, version)
    return Selection(*patterns_of(base, config.splits), found, fingerprint)


def find_selected(
    selection: Selection, window: SpanWindow
) -> tuple[list[int], tuple[SourceFile, ...]]:
    """The spans and the files of a selection."""
    posts, labels = selection.posts, selection.labels
    if not any(map(moves, (*posts, *labels))):
        return [selection.span], find_sources(posts, labels)
    until = window.model_copy(update={"until": selection.span})
    spans = choose_spans(available_spans(posts, labels), until)
    return [span.number for span in spans], find_window(posts, labels, spans)


def _only(span: int | None) -> range_config_pb2.RangeConfig | None:
    if span is None:
        return None
    wanted = range_config_pb2.RangeConfig()
    wanted.static_range.start_span_number = wanted.static_range.end_span_number = span
    return wanted


def format_patterns(patterns: Sequence[str]) -> str:
    """Patterns as one text, for a parameter of a submission; `parse_patterns` is the inverse.

    >>> format_patterns(["gs://data/posts-{SPAN}.jsonl"]), format_patterns(["/a", "/b"])
    ('gs://data/posts-{SPAN}.jsonl', '["/a", "/b"]')
    """
    return patterns[0] if len(patterns) == 1 else json.dumps(list(patterns))


def parse_patterns(text: str) -> list[str]:
    """One pattern, or a JSON list of them."""
    return json.loads(text) if text.startswith("[") else [text]


def _told(span: Span) -> str:
    return str(span.number) if span.version is None else f"{span.number} version {span.version}"


def _moves(pattern: str) -> bool:
    return any(utils.verify_split_pattern_specs(_Split(name="any", pattern=pattern)))
