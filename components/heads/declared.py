"""Heads as they are declared: from the configuration, and to and from JSON between processes."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter

from components.heads.base import Head
from components.heads.binary import BinaryHead
from components.heads.classes import ClassesHead
from components.heads.kinds import Kinds
from components.heads.metrics import Metric
from components.heads.names import SEPARATOR
from components.heads.regression import RegressionHead


def _fault(kind: str, found: type[Head]) -> str:
    """What the class of a head must do and does not; {} stands for its entry point."""
    if typing.get_args(found.model_fields["kind"].annotation) != (kind,):
        return f'declare kind: Literal["{kind}"]; {{}} does not'
    if found.slice_metric not in (metric.key for metric in found.metrics):
        return f"name one of its metrics as slice_metric; {{}} names {found.slice_metric!r}"
    return ""


HEADS: Kinds[Head] = Kinds(
    "authorprofile.heads",
    Head,  # type: ignore[type-abstract]
    _fault,
    regression=RegressionHead,
    classes=ClassesHead,
    binary=BinaryHead,
)
Heads = tuple[Head, ...]

# What pydantic reads by the key `kind`; a type checker sees the classes' base.
if TYPE_CHECKING:
    DeclaredHead = Head
else:
    DeclaredHead = Annotated[
        typing.Union[tuple(HEADS.values())],  # noqa: UP007
        Field(discriminator="kind"),
    ]
_DECLARED: TypeAdapter[Head] = TypeAdapter(DeclaredHead)

DEFAULT_HEADS: dict[str, dict[str, Any]] = {
    "age": {"kind": "regression"},
    "income": {"kind": "classes"},
    "gender": {"kind": "binary"},
}


def parse_heads(declarations: Mapping[str, Mapping[str, Any]]) -> Heads:
    """Head objects from a mapping name -> declaration, in its order.

    Raises:
        pydantic.ValidationError: a declaration is wrong.
    """
    return tuple(
        _DECLARED.validate_python({**declaration, "name": name})
        for name, declaration in declarations.items()
    )


def heads_to_json(heads: Heads) -> str:
    """The heads as JSON text, to travel in an execution property.

    The separator is in it: what an earlier release named otherwise must not come from the cache,
    nor what another release of a package did that adds a kind.
    """
    added = {head.kind: package for head in heads if (package := HEADS.package_of(head.kind))}
    declared = {"heads": [head.model_dump() for head in heads], "separator": SEPARATOR}
    return json.dumps(declared | ({"packages": added} if added else {}), sort_keys=True)


def heads_from_json(text: str) -> Heads:
    """The inverse of `heads_to_json`."""
    return tuple(
        _DECLARED.validate_python(declaration) for declaration in json.loads(text)["heads"]
    )


def known_kind(kind: str) -> str:
    """The kind itself. Raises ValueError where there is none of that name."""
    if kind not in HEADS:
        raise ValueError(f"the kind of a head must be one of {', '.join(HEADS)}; it is {kind!r}")
    return kind


def metric_of(kind: str, key: str) -> Metric:
    """A metric of a kind of head; one that is none of the kind's own, as skill, has its key alone.

    >>> metric_of("regression", "mae").short, metric_of("regression", "skill").short
    ('MAE', 'skill')
    """
    own = {metric.key: metric for metric in HEADS[kind].metrics}
    return own.get(key, Metric(key, key, key))
