"""What is wrong with fields that pydantic checks, in plain words: key, rule, what came, what may.

Enters: pydantic's error and the class, of settings or of a file. Leaves: a line for each wrong key,
as `--set` would name it. Also which keys a kind has, where the key `kind` chooses among classes.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

Location = Sequence[int | str]
LONGEST_VALUE = 80
_RULES = {
    **dict.fromkeys(
        ("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "must be a whole number"
    ),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    "finite_number": "must be a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("string_type", "string_unicode"), "must be text"),
    **dict.fromkeys(
        (
            "date_type",
            "date_parsing",
            "date_from_datetime_parsing",
            "date_from_datetime_inexact",
        ),
        "must be a day, such as 2024-03-01",
    ),
    **dict.fromkeys(("string_too_short", "too_short"), "must not be empty"),
    "list_type": "must be a list in square brackets, such as [{example}]",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "union_tag_invalid": "must be one of {expected_tags}",
    "invalid_key": "a key must be text",
}
# A head has its name from the key above it.
_OF_THE_KEY_ABOVE = "name"
_NUMBERS = ("must be a whole number", "must be a number", "must be a finite number")
# In words, as a regular expression is for programs.
PATTERNS = {
    r"^[A-Za-z][A-Za-z0-9_-]*$": "must be a letter, then letters, digits, _ and - (a to z alone)",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "must be a letter or _, then letters, digits and _ (a to z alone)",
    r"^[A-Za-z0-9._-]+$": "must be of letters, digits, ., _ and - (a to z alone)",
    r"^/.+": "must be an absolute path, such as /data",
    r"^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$": "must be 1 to 50 lower-case letters, digits and hyphens, "
    "a letter first and no hyphen last",
}


class _Place(NamedTuple):
    """Where a key path leads: the keys alone, what is expected there, and of which kind it is."""

    keys: tuple[str, ...]
    annotation: Any
    field: FieldInfo | None
    metadata: tuple[Any, ...]
    kinds: tuple[str, ...] = ()


def describe_errors(error: ValidationError, root: Any) -> str:
    """Each wrong key with what came and what is allowed, one a line."""
    told: dict[tuple[str, str], list[str]] = {}
    for item in error.errors(include_url=False):
        place = _find(root, item["loc"])
        key, rule, came = _describe(item, place)
        told.setdefault((key, came), []).append(rule)
    return "\n".join(_line(key, came, rules) for (key, came), rules in told.items())


def describe_first(error: Exception, root: Any) -> str:
    """One line of what is wrong with a file, be it pydantic or the system that says so."""
    if isinstance(error, ValidationError):
        return describe_errors(error, root).splitlines()[0]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0]


def class_of_kind(root: type[BaseModel], location: Location, kind: Any) -> type[BaseModel] | None:
    """The settings of a kind, where `kind` at this place chooses among classes; None elsewhere."""
    members = _classes(_find(root, location).annotation)
    chosen = [one for one in members if len(members) > 1 and kind in _kinds(one)]
    return chosen[0] if chosen else None


def _line(key: str, came: str, rules: Sequence[str]) -> str:
    """Several rules of one value are those of the kinds that it may be."""
    said = " or ".join([rules[0], *(rule.removeprefix("must be ") for rule in rules[1:])])
    return f"{key}: {said}{came}" if key else f"{said}{came}"


def _describe(item: Any, place: _Place) -> tuple[str, str, str]:
    """Key, rule, and what came."""
    kind, key, context = item["type"], ".".join(place.keys), item.get("ctx", {})
    if kind == "missing":
        return key, ": ".join(filter(None, ["must be given", _description(place)])), ""
    if kind == "json_invalid":
        # What came is a whole file.
        return key, f"must be JSON; {context['error']}", ""
    if kind == "extra_forbidden":
        return key, f"unknown key; allowed here: {_allowed(place)}", ""
    if kind == "value_error":
        rule = item["msg"].removeprefix("Value error, ")
        return key, rule, _came(item, place) if key else ""
    if kind == "union_tag_not_found":
        tags = ", ".join(repr(tag) for one in _classes(place.annotation) for tag in _kinds(one))
        return f"{key}.kind", f"must be given, one of {tags}", ""
    if kind == "union_tag_invalid":
        return f"{key}.kind", _rule(item, place), f"; got {_json(item['input'].get('kind'))}"
    return key, _rule(item, place), _came(item, place)


def _rule(item: Any, place: _Place) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind in ("model_type", "model_attributes_type", "dict_type", "mapping_type"):
        return _mapping_rule(place)
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(
            context["pattern"], f"must be as the regular expression {context['pattern']} says"
        )
    if kind not in _RULES:
        return ": ".join(filter(None, ["must be of another form", _description(place)]))
    bounds = {name: _plain(value) for name, value in context.items()}
    came = item["input"]
    example = _json(came) if isinstance(came, str | int | float) else "a, b"
    rule = _RULES[kind].format(example=example, **bounds)
    if rule in _NUMBERS:
        return rule + _bounds(place.metadata)
    if kind == "string_type" and not isinstance(came, list | Mapping | None):
        return f"{rule}, in quotes where it looks like something else"
    return rule


def _mapping_rule(place: _Place) -> str:
    keys = sorted({key for one in _classes(place.annotation) for key in _settable(one)})
    if keys:
        return f"must be keys with values, as in {{{keys[0]}: ...}}; the keys are {', '.join(keys)}"
    return "must be names with values, as in {name: value}"


def _bounds(metadata: Iterable[Any]) -> str:
    """The bounds of a number, in words: ", at least 1 and below 5"."""
    words = {Ge: "at least {0.ge}", Gt: "above {0.gt}", Le: "at most {0.le}", Lt: "below {0.lt}"}
    parts = [words[type(bound)].format(bound) for bound in metadata if type(bound) in words]
    return f", {' and '.join(parts)}" if parts else ""


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _came(item: Any, place: _Place) -> str:
    came = item["input"]
    if place.kinds and isinstance(came, Mapping):
        came = {key: value for key, value in came.items() if key != _OF_THE_KEY_ABOVE}
    return f"; got {_json(came)}"


def _json(value: Any) -> str:
    try:
        text = json.dumps(value, default=str, ensure_ascii=False)
    except ValueError:  # YAML's anchors can say so
        text = "a value that holds itself"
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def _description(place: _Place) -> str:
    return (place.field.description or "") if place.field else ""


def _allowed(place: _Place) -> str:
    """The keys of the class that has no such key, with its kind where it is one of several."""
    model = place.annotation
    if not _is_class(model):
        return ""
    of_kind = f" (of kind {' or '.join(place.kinds)})" if place.kinds else ""
    return ", ".join(sorted(_settable(model))) + of_kind


def _settable(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields) - ({_OF_THE_KEY_ABOVE} if _kinds(model) else set())


def _find(root: Any, location: Location) -> _Place:
    """Walks a key path; where a key is in no class, the annotation stays that of the class.

    A path of pydantic's names the member of a union beside the keys, such as `regression` or `int`.
    """
    annotation: Any = root
    field: FieldInfo | None = None
    keys: list[str] = []
    metadata: tuple[Any, ...] = ()
    kinds: tuple[str, ...] = ()
    for part in location:
        annotation = _bare(annotation)[0]
        if _is_class(annotation):
            keys.append(str(part))
            field = annotation.model_fields.get(str(part))
            if field is None:
                break
            annotation, metadata, kinds = field.annotation, tuple(field.metadata), ()
            continue
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in (dict, list, tuple):
            keys.append(str(part))
            annotation = arguments[-1] if origin is dict else arguments[0]
            metadata = _bare(annotation)[1]
        else:
            annotation = next((one for one in arguments if _is_named(one, part)), None)
            kinds = _kinds(annotation) if _is_class(annotation) else ()
    return _Place(tuple(keys), _bare(annotation)[0], field, metadata, kinds)


def _bare(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """What Annotated and `| None` wrap, and the bounds that were given with it."""
    metadata: tuple[Any, ...] = ()
    while True:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        rest = [one for one in arguments if one is not types.NoneType]
        if origin is typing.Annotated:
            annotation = arguments[0]
            for given in arguments[1:]:
                metadata += tuple(given.metadata) if isinstance(given, FieldInfo) else (given,)
        elif origin in (typing.Union, types.UnionType) and len(rest) == 1:
            annotation = rest[0]
        else:
            return annotation, metadata


def _classes(annotation: Any) -> list[type[BaseModel]]:
    """The classes of settings that may stand there."""
    annotation, _ = _bare(annotation)
    if _is_class(annotation):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [one for one in typing.get_args(annotation) if _is_class(one)]
    return []


def _is_named(member: Any, part: int | str) -> bool:
    if _is_class(member):
        return part in _kinds(member)
    return getattr(member, "__name__", "") == part


def _is_class(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    kind = model.model_fields.get("kind")
    return typing.get_args(kind.annotation) if kind else ()
