"""Finds a class by a kind of head: one of this package, or one that another package brings.

A package adds a kind by an entry point of the same name in each of three groups, which fresh
processes, Beam's workers and the server find wherever the package is installed:

| group | class | derives from |
|---|---|---|
| `authorprofile.heads` | of the head itself | `components.heads.base.Head` |
| `authorprofile.networks` | its TensorFlow part | `components.training.heads.HeadNetwork` |
| `authorprofile.reports` | its figures and words | `components.report.heads.HeadReport` |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import TypeVar

T = TypeVar("T")


class KindError(ImportError):
    """A kind of head cannot be loaded; the message says which, and what to do."""


class Kinds(Mapping[str, type[T]]):
    """Classes by kind.

    Args:
        group: of the entry points.
        base: that each class must derive from.
        own: classes of this package by kind.
    """

    def __init__(self, group: str, base: type[T], **own: type[T]) -> None:
        self._group, self._base = group, base
        self._classes = dict(own)
        self._points = {point.name: point for point in entry_points(group=group)}
        if twice := sorted(self._points.keys() & own.keys()):
            raise KindError(
                f"a kind of head has one class; {', '.join(twice)} of entry points {group} is "
                "taken already. Rename the kind in the package that adds it"
            )

    def __getitem__(self, kind: str) -> type[T]:
        if kind not in self._classes:
            self._classes[kind] = self._load(kind)
        return self._classes[kind]

    def _load(self, kind: str) -> type[T]:
        try:
            found = self._points[kind].load()
        except (ImportError, AttributeError) as error:
            raise KindError(
                f"the kind of head {kind!r} must be loadable; entry point {kind} of "
                f"{self._group} fails with {type(error).__name__}: {error}. Mend or remove the "
                "package that adds it"
            ) from error
        if not (isinstance(found, type) and issubclass(found, self._base)):
            raise KindError(
                f"entry point {kind} of {self._group} must name a class derived from "
                f"{self._base.__module__}.{self._base.__qualname__}; it names {found!r}"
            )
        return found

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys([*self._classes, *self._points])

    def __len__(self) -> int:
        return len({*self._classes, *self._points})
