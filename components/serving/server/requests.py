"""Reads the bodies of TensorFlow Serving's REST protocol.

Enters: bytes from anywhere. Leaves: a `Question`: strings for one signature; or a `Refusal` whose
message never quotes a text. Source of the form:
https://www.tensorflow.org/tfx/serving/api_rest#predict_api

    {"instances": [{"posts": ["...", "..."]}, ...]}         authors, answers described for people
    {"instances": [{"author_id": 7, "posts": ["..."]}]}     the same; the answer repeats the id
    {"instances": [{"b64": "..."}, ...]}                    serialized tf.Examples, as there
    {"signature_name": "posts", "instances": ["...", ...]}  any signature that takes strings
    {"inputs": {"examples": [{"b64": "..."}]}}              columns in place of rows
    {"inputs": {"posts": ["...", ...]}}                     the same; one string per author

`"described": true` or `false`, which TensorFlow Serving has not, chooses the form of the answers.
Blank posts are left out. Refused are an author whose posts are all blank, an unknown key, a key
that an object repeats, and more keys, objects or values than a request can need (`bodies`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.serving.server.authors import join_posts, sound_rows
from components.serving.server.bodies import FORM, kind_of, read_json
from components.serving.server.loaded import POSTS, LoadedVersion, Signature
from components.serving.server.refusals import Refusal
from components.serving.server.settings import ServerSettings

DEFAULT_SIGNATURE = "serving_default"
AUTHOR_ID = "author_id"
_KEYS = frozenset({"signature_name", "instances", "inputs", "described"})


@dataclass(frozen=True)
class Question:
    """What a request asks of one version of the model."""

    version: LoadedVersion
    signature: str
    rows: list[bytes]
    described: bool = False
    columns: bool = False
    ids: Sequence[str | int | None] = ()


def read_question(body: bytes, version: LoadedVersion, settings: ServerSettings) -> Question:
    """A predict request. Raises Refusal."""
    request = read_json(body, settings)
    unknown = len(request.keys() - _KEYS)
    if unknown:
        raise Refusal(
            f"A request has the keys {sorted(_KEYS)}; this one has {unknown} other. {FORM}."
        )
    if ("instances" in request) == ("inputs" in request):
        raise Refusal(f"A request must have either 'instances' or 'inputs'. {FORM}.")
    described = request.get("described")
    if not isinstance(described, bool | None):
        raise Refusal(f"'described' must be true or false; it is {kind_of(described)}.")
    name = request.get("signature_name")
    if not isinstance(name, str | None):
        raise Refusal(f"'signature_name' must be a string; it is {kind_of(name)}.")
    # TensorFlow Serving takes an empty one for none.
    name = name or None
    columns = "inputs" in request
    values = _column(request["inputs"]) if columns else request["instances"]
    if columns and isinstance(values, dict):
        name, values = _named_column(values, version, name)
    check_count(values, "inputs" if columns else "instances", settings.max_instances)
    if not columns and name in (None, POSTS) and any(_is_author(v, name) for v in values):
        rows, ids = read_authors(values, version, settings), read_ids(values)
        return Question(version, POSTS, rows, described is not False, ids=ids)
    signature = find_signature(version, name or DEFAULT_SIGNATURE)
    # Who names no signature is told of authors.
    form = "" if name or columns else POSTS
    rows = [
        _text(value, signature.argument, f"Instance {index}", form)
        for index, value in enumerate(values)
    ]
    rows = sound_rows(signature, rows, version, settings)
    return Question(version, name or DEFAULT_SIGNATURE, rows, described is True, columns)


def _is_author(value: Any, name: str | None) -> bool:
    """Whether an instance is an author; with the signature's name, `posts` may be its argument."""
    if not isinstance(value, dict) or POSTS not in value:
        return False
    return name is None or isinstance(value[POSTS], list)


def _column(inputs: Any) -> Any:
    return [inputs] if isinstance(inputs, str) or _is_b64(inputs) else inputs


def _named_column(
    values: dict[str, Any], version: LoadedVersion, name: str | None
) -> tuple[str, Any]:
    """A signature's name and its one input; the input's name tells the signature if need be."""
    names = [name] if name else [n for n in (POSTS, DEFAULT_SIGNATURE) if n in version.signatures]
    known = {find_signature(version, each).argument: each for each in names}
    if len(values) != 1 or not known.keys() >= values.keys():
        others = len(values.keys() - known.keys())
        raise Refusal(
            f"'inputs' must be a list or an object of one key, {' or '.join(map(repr, known))}; "
            f"it has {len(values)} keys, {others} of them other. For several posts per author: "
            f"{FORM}."
        )
    ((argument, value),) = values.items()
    return known[argument], _column(value)


def check_count(values: Any, key: str, most: int) -> None:
    """Refuses what is no list of at least one and at most so many."""
    if not isinstance(values, list):
        raise Refusal(f"{key!r} must be a list; it is {kind_of(values)}. {FORM}.")
    if not values:
        raise Refusal(f"{key!r} must hold at least one; it is empty.")
    check_number(len(values), most)


def check_number(authors: int, most: int) -> None:
    """Refuses more authors."""
    if authors > most:
        raise Refusal(
            f"A request holds at most {most} authors; this one holds {authors}. "
            "Send several requests."
        )


def find_signature(version: LoadedVersion, name: str) -> Signature:
    """A signature by its name. Raises Refusal."""
    if name not in version.signatures:
        raise Refusal(
            f"The model's signatures are {sorted(version.signatures)}; the one asked for is none "
            "of them.",
        )
    return version.signatures[name]


def read_authors(
    values: Sequence[Any], version: LoadedVersion, settings: ServerSettings
) -> list[bytes]:
    """Authors given as lists of posts, each joined to the one string that the model takes."""
    rows = []
    for index, value in enumerate(values):
        if not isinstance(value, dict) or POSTS not in value:
            what = f"{kind_of(value)} without it" if isinstance(value, dict) else kind_of(value)
            raise Refusal(
                f"Instance {index} must be an object with the key 'posts', as others of this "
                f"request are; it is {what}."
            )
        others = len(value.keys() - {POSTS, AUTHOR_ID})
        if others:
            raise Refusal(
                f"An instance has the key 'posts' and, if you like, 'author_id'; instance {index} "
                f"has {others} other."
            )
        rows.append(join_posts(value[POSTS], version.served.separator, settings, index))
    return rows


def read_ids(values: Sequence[dict[str, Any]]) -> list[str | int | None]:
    """What the client calls its authors, None where it does not say; the answers repeat it."""
    ids = [value.get(AUTHOR_ID) for value in values]
    for index, value in enumerate(ids):
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if value is None or is_number or (isinstance(value, str) and value.strip()):
            continue
        what = "blank" if isinstance(value, str) else kind_of(value)
        raise Refusal(
            f"Instance {index}: 'author_id' must be text that is not blank, or a whole number of "
            f"64 bits; it is {what}."
        )
    return ids


def _text(value: Any, argument: str, place: str, usual: str) -> bytes:
    """A string as TensorFlow Serving gives it; `usual`: the key to tell of. Raises Refusal."""
    if isinstance(value, dict) and set(value) == {argument}:
        value = value[argument]
    if isinstance(value, str):
        return value.encode()
    if _is_b64(value):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise Refusal(f"{place}: 'b64' must be base64; it is not.") from None
    what = "an object of other keys" if isinstance(value, dict) else kind_of(value)
    if usual:
        raise Refusal(f"{place} must be an object with the key {usual!r}; it is {what}. {FORM}.")
    raise Refusal(
        f"{place} must be a string, {{'b64': base64}} or {{'{argument}': ...}}; it is {what}."
    )


def _is_b64(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str)
