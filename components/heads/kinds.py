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

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

T = TypeVar("T")

GROUPS = ("authorprofile.heads", "authorprofile.networks", "authorprofile.reports")
_OWN_PACKAGE = "authorprofile"


class KindError(ImportError):
    """A kind of head has no class that can be used; the message says why, and what to do."""


class UnknownKindError(KindError, KeyError):
    """No package that is installed has a class for the kind."""


class Kinds(Mapping[str, type[T]]):
    """Classes by kind; another package's is loaded when it is first asked for.

    Args:
        group: of the entry points.
        base: that each class must derive from.
        fault: what such a class of a kind must do and does not, {} being its entry point; empty
            where it is sound.
        own: classes of this package by kind.

    Raises:
        KindError: two packages add a kind of the same name, or one adds it to some of `GROUPS`.
    """

    def __init__(
        self,
        group: str,
        base: type[T],
        fault: Callable[[str, type[T]], str] = lambda kind, found: "",
        /,
        **own: type[T],
    ) -> None:
        self._group, self._base, self._fault = group, base, fault
        self._classes = dict(own)
        self._points: dict[str, EntryPoint] = {}
        adding = dict.fromkeys(own, _OWN_PACKAGE)
        for point in entry_points(group=group):
            if point.name in adding:
                raise KindError(
                    f"A kind of head must come from one package; {point.name} comes from "
                    f"{adding[point.name]} and {_package(point)} (entry points {group}). Rename "
                    "it in one of them, or uninstall that package."
                )
            self._points[point.name], adding[point.name] = point, _package(point)
            for other in GROUPS if group in GROUPS else ():
                if point.name not in entry_points(group=other).names:
                    raise KindError(
                        f"A kind of head must have entry points {', '.join(GROUPS)}; {point.name} "
                        f"has none in {other}. {_remedy(point)}"
                    )

    def __getitem__(self, kind: str) -> type[T]:
        """The class. Raises KindError, UnknownKindError among them."""
        if kind not in self._classes:
            self._classes[kind] = self._load(kind)
        return self._classes[kind]

    def _load(self, kind: str) -> type[T]:
        if kind not in self._points:
            raise UnknownKindError(
                f"A kind of head must have a class among entry points {self._group}; {kind!r} has "
                f"none, {', '.join(self)} have. Install the package that adds it."
            )
        point = self._points[kind]
        declared = f"the entry point {kind} = {point.value} of {self._group}"
        try:
            found = point.load()
        except Exception as error:
            raise KindError(
                f"A kind of head must be loadable; {declared} raised {type(error).__name__}: "
                f"{error}. {_remedy(point)}"
            ) from error
        if not (isinstance(found, type) and issubclass(found, self._base)):
            base = f"{self._base.__module__}.{self._base.__qualname__}"
            raise KindError(
                f"A kind of head must be a class that derives from {base}; {declared} is "
                f"{found!r}. {_remedy(point)}"
            )
        if fault := self._lacking(found) or self._fault(kind, found):
            raise KindError(f"A kind of head must {fault.format(declared)}. {_remedy(point)}")
        return found

    def _lacking(self, found: type[T]) -> str:
        given = vars(self._base).get("__annotations__", {})
        values = [name for name, its in given.items() if str(its).startswith("ClassVar")]
        lacking = sorted(getattr(found, "__abstractmethods__", ()))
        lacking += [name for name in values if not hasattr(found, name)]
        if not lacking:
            return ""
        return f"have all that its base asks for; {{}} lacks {', '.join(lacking)}"

    def package_of(self, kind: str) -> str:
        """The package that adds a kind, with its version; empty for one of this package."""
        dist = self._points[kind].dist if kind in self._points else None
        return f"{dist.name} {dist.version}" if dist else ""

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys([*self._classes, *self._points])

    def __len__(self) -> int:
        return len({*self._classes, *self._points})


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _remedy(point: EntryPoint) -> str:
    return f"Repair or uninstall the package {_package(point)}."
