"""The files of posts and labels: patterns in, a checked list of files out.

Enters: paths or globs of posts and of labels, local or on an object store (`gs://...`). Leaves:
the `SourceFile`s they name, sorted, each once, and the folder all patterns share. What exists is
itself, brackets and all (see `components.paths`). Knows nothing of TFX; Beam is imported for object
stores alone.
"""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Literal, NamedTuple

from components.ingest.unreadable import SourceError, check_regular
from components.paths import as_pattern, escape, is_pattern, is_text

Kind = Literal["posts", "labels"]
KINDS: tuple[Kind, ...] = ("posts", "labels")

_TEXT_FORMATS = {
    ".jsonl": "json_lines",
    ".ndjson": "json_lines",
    ".json": "json_lines",
    ".csv": "csv",
    ".tsv": "tsv",
}
_TABLES = (".parquet", ".pq")
_COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_COMPRESSION_FACTOR = 3
_SHARD_BYTES = 128 * 1024 * 1024
ENDINGS = (
    f"{', '.join(_TEXT_FORMATS)} (plain or with {', '.join(_COMPRESSIONS)}), {', '.join(_TABLES)}"
)


class SourceFile(NamedTuple):
    """One file of records; its place in the list of sources is part of the posts' order.

    `span`: the one it belongs to, where several are read; 0 where it belongs to none.
    """

    kind: Kind
    path: str
    size_bytes: int
    span: int = 0


def find_sources(posts: Sequence[str], labels: Sequence[str]) -> tuple[SourceFile, ...]:
    """The files that the patterns name: posts, then labels, each sorted by path, each file once.

    Raises:
        SourceError: no pattern, a pattern without a file, what is no file, or one file in both.
    """
    found: dict[str, SourceFile] = {}
    for kind, patterns in zip(KINDS, (posts, labels), strict=True):
        for source in _sources_of(kind, patterns):
            if source.path in found:
                raise SourceError(
                    f"A file holds either posts or labels; {source.path} is named as both. "
                    "Give patterns that tell them apart."
                )
            found[source.path] = source
    return tuple(found.values())


def find_posts(patterns: Sequence[str]) -> tuple[SourceFile, ...]:
    """The files of posts that the patterns name, sorted by path within each, each file once.

    Raises:
        SourceError: a pattern without a file, or a path that is no file.
    """
    found: dict[str, SourceFile] = {}
    for pattern in patterns:
        for source in _sources_of("posts", [pattern]):
            found.setdefault(source.path, source)
    return tuple(found.values())


def format_of(path: str) -> tuple[str | None, str]:
    """What the ending says of format and compression: "posts.csv.gz" -> ("csv", ".gz").

    The content has the last word, see `forms`; a format that no ending names is None.
    """
    stem, ending = os.path.splitext(path.lower())
    compression = ending if ending in _COMPRESSIONS else ""
    named = os.path.splitext(stem)[1] if compression else ending
    return "parquet" if named in _TABLES else _TEXT_FORMATS.get(named), compression


def count_shards(sources: Sequence[SourceFile], share: float = 1.0) -> int:
    """Files to spread the output over: one for each 128 MiB of input, as if not compressed.

    Args:
        sources: the input files.
        share: the part of the input that goes into this output.
    """
    return max(1, math.ceil(share * plain_bytes(sources) / _SHARD_BYTES))


def plain_bytes(sources: Sequence[SourceFile]) -> int:
    """Size of the files together, about what it would be if none were compressed."""
    return sum(
        file.size_bytes * (_COMPRESSION_FACTOR if _is_compressed(file.path) else 1)
        for file in sources
    )


def common_folder(patterns: Sequence[str]) -> str:
    """The deepest folder above all patterns, free of wildcards and of `{SPAN}`.

    Example:
        ["/data/2024-*/posts.csv", "/data/labels.csv"] -> "/data"

    Raises:
        SourceError: the patterns lie on different storages and share no folder.
    """
    folders = [_fixed_part(pattern).split("/")[:-1] for pattern in patterns]
    alike = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
    common = [parts[0] for parts in alike]
    schemes = {pattern.partition("://")[0] if "://" in pattern else "" for pattern in patterns}
    if len(schemes) > 1:
        raise SourceError(
            "All posts and labels must lie on one storage, local or one scheme. "
            f"Received: {', '.join(patterns)}. Copy them to one place."
        )
    folder = "/".join(common)
    return folder + "/" if folder.endswith("/") or not folder else folder


def _sources_of(kind: Kind, patterns: Sequence[str]) -> Iterator[SourceFile]:
    for path, size_bytes in sorted(_find_files(kind, patterns).items()):
        # What holds something is told by its content, once it is opened.
        if not size_bytes and format_of(path)[0] is None:
            raise SourceError(
                f"A file's ending names its format where the file is empty: {ENDINGS}. Received: "
                f"{path}. Leave it out, or name it so."
            )
        yield SourceFile(kind, path, size_bytes)


def _is_compressed(path: str) -> bool:
    format_name, compression = format_of(path)
    return bool(compression) or format_name == "parquet"


def _fixed_part(pattern: str) -> str:
    ends = [place for place in map(pattern.find, "*?[{") if place >= 0]
    return pattern[: min(ends)] if ends else pattern


def _find_files(kind: Kind, patterns: Sequence[str]) -> dict[str, int]:
    if not patterns:
        raise SourceError(f"{kind} need at least one path or pattern; none was given.")
    found: dict[str, int] = {}
    for pattern in patterns:
        files = list_files(pattern)
        if not files:
            raise no_file(kind, pattern)
        for path in files:
            if not is_text(path):
                raise SourceError(
                    f"A file's path must be UTF-8, as it is told and kept; {path!r} is not. "
                    "Rename it."
                )
        found.update(files)
    return found


def no_file(kind: Kind, pattern: str) -> SourceError:
    """What to raise where a pattern names nothing."""
    widths = "; numbers with leading zeros need their width in the pattern, as in {SPAN:3}"
    is_numbered = any(number in pattern for number in ("{SPAN", "{VERSION"))
    told = widths if is_numbered else ""
    return SourceError(f"{kind}: no file matches {pattern}. Check the path{told}.")


def list_files(pattern: str) -> dict[str, int]:
    """The files that a pattern names, with their bytes; none where it names none."""
    return _match_remote(pattern) if "://" in pattern else _match_local(pattern)


def _match_local(pattern: str) -> dict[str, int]:
    paths = glob.glob(as_pattern(pattern))
    return {path: check_regular(path) for path in paths if not _is_passed_over(path, pattern)}


def _is_passed_over(path: str, pattern: str) -> bool:
    """Whether it is a folder that a wildcard happens to match; one named as a file is none."""
    return os.path.isdir(path) and is_pattern(pattern) and format_of(path)[0] is None


def _match_remote(pattern: str) -> dict[str, int]:
    from apache_beam.io.filesystems import FileSystems

    for wanted in dict.fromkeys((escape(pattern), pattern)):
        (match,) = FileSystems.match([wanted])
        if match.metadata_list:
            return {file.path: file.size_in_bytes for file in match.metadata_list}
    return {}
