"""Reads the bodies of TensorFlow Serving's REST protocol, and the posts of raw authors.

Enters: bytes from anywhere. Leaves: a `Question`: strings for one signature; or a `Refusal` whose
message never quotes a text. Called by `rest` and, for the parts they share, by `inference` and
`rpc`. Source of the form: https://www.tensorflow.org/tfx/serving/api_rest#predict_api

    {"instances": [{"posts": ["...", "..."]}, ...]}         authors, answers described for people
    {"instances": [{"b64": "..."}, ...]}                    serialized tf.Examples, as there
    {"signature_name": "posts", "instances": ["...", ...]}  any signature that takes strings
    {"inputs": {"examples": [{"b64": "..."}]}}              columns in place of rows

`"described": true` or `false`, which TensorFlow Serving has not, chooses the form of the answers.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson
from google.protobuf.message import DecodeError
from tensorflow.core.example import example_pb2

from components.serving.server.loaded import POSTS, LoadedVersion, Signature
from components.serving.server.refusals import Refusal
from components.serving.server.settings import ServerSettings

DEFAULT_SIGNATURE = "serving_default"
_KEYS = frozenset({"signature_name", "instances", "inputs", "described"})
_FORM = 'Send {"instances": [{"posts": ["...", "..."]}]}'


@dataclass(frozen=True)
class Question:
    """What a request asks of one version of the model."""

    version: LoadedVersion
    signature: str
    rows: list[bytes]
    described: bool = False
    columns: bool = False


def read_json(body: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises Refusal."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The parser's message may quote the body; its place does not.
        raise Refusal(
            f"The body must be JSON in UTF-8; it is not, at line {error.lineno}, column "
            f"{error.colno}. {_FORM}."
        ) from None
    if not isinstance(value, dict):
        raise Refusal(f"The body must be a JSON object; it is {_kind(value)}. {_FORM}.")
    return value


def read_question(body: bytes, version: LoadedVersion, settings: ServerSettings) -> Question:
    """A predict request. Raises Refusal."""
    request = read_json(body)
    unknown = sorted(set(request) - _KEYS)
    if unknown:
        raise Refusal(f"A request has the keys {sorted(_KEYS)}; this one has {len(unknown)} other.")
    if ("instances" in request) == ("inputs" in request):
        raise Refusal(f"A request must have either 'instances' or 'inputs'. {_FORM}.")
    described = request.get("described")
    if not isinstance(described, bool | None):
        raise Refusal(f"'described' must be true or false; it is {_kind(described)}.")
    name = request.get("signature_name") or None
    if not isinstance(name, str | None):
        raise Refusal(f"'signature_name' must be a string; it is {_kind(name)}.")
    columns = "inputs" in request
    values = _column(request["inputs"]) if columns else request["instances"]
    if columns and isinstance(values, dict):
        values = _named_column(values, version, name or DEFAULT_SIGNATURE)
    check_count(values, "inputs" if columns else "instances", settings.max_instances)
    raw = [isinstance(value, dict) and isinstance(value.get(POSTS), list) for value in values]
    if any(raw) and name in (None, POSTS) and not columns:
        rows = read_authors(values, version, settings)
        return Question(version, POSTS, rows, described is not False)
    signature = find_signature(version, name or DEFAULT_SIGNATURE)
    rows = [
        _text(value, signature.argument, f"instance {index}") for index, value in enumerate(values)
    ]
    check_rows(signature, rows, version, settings)
    return Question(version, name or DEFAULT_SIGNATURE, rows, described is True, columns)


def _column(inputs: Any) -> Any:
    return [inputs] if isinstance(inputs, str) or _is_b64(inputs) else inputs


def _named_column(values: dict[str, Any], version: LoadedVersion, name: str) -> Any:
    argument = find_signature(version, name).argument
    if set(values) != {argument}:
        raise Refusal(f"'inputs' of signature {name} must have the one key {argument!r}.")
    return _column(values[argument])


def check_count(values: Any, key: str, most: int) -> None:
    """Refuses what is no list of at least one and at most so many."""
    if not isinstance(values, list):
        raise Refusal(f"{key!r} must be a list; it is {_kind(values)}. {_FORM}.")
    if not values:
        raise Refusal(f"{key!r} must hold at least one; it is empty.")
    if len(values) > most:
        raise Refusal(
            f"A request holds at most {most} authors; this one holds {len(values)}. "
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
        if not isinstance(value, dict) or set(value) != {POSTS}:
            raise Refusal(
                f"Instance {index} must be an object with the one key 'posts', as others of this "
                f"request are; it is {_kind(value)}."
            )
        rows.append(join_posts(value[POSTS], version.served.separator, settings, index))
    return rows


def join_posts(posts: Any, separator: str, settings: ServerSettings, index: int) -> bytes:
    """One author's posts as the model takes them: UTF-8, joined by the separator."""
    if not isinstance(posts, list) or not posts:
        raise Refusal(f"Instance {index}: 'posts' must be a list of at least one string.")
    if len(posts) > settings.max_posts:
        raise Refusal(
            f"An author has at most {settings.max_posts} posts; instance {index} has {len(posts)}."
        )
    for number, post in enumerate(posts):
        if not isinstance(post, str):
            raise Refusal(
                f"Instance {index}: every post must be a string; post {number} is {_kind(post)}."
            )
    return separator.join(post.replace(separator, " ") for post in posts).encode()


def _text(value: Any, argument: str, place: str) -> bytes:
    """A string as TensorFlow Serving's JSON gives it. Raises Refusal."""
    if isinstance(value, dict) and set(value) == {argument}:
        value = value[argument]
    if isinstance(value, str):
        return value.encode()
    if _is_b64(value):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError):
            raise Refusal(f"{place}: 'b64' must be base64; it is not.") from None
    _refuse_value(value, argument, place)


def _refuse_value(value: Any, argument: str, place: str) -> NoReturn:
    raise Refusal(
        f"{place} must be a string, {{'b64': base64}} or {{'{argument}': ...}}; it is "
        f"{_kind(value)}. {_FORM}."
    )


def _is_b64(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str)


def check_rows(
    signature: Signature, rows: Sequence[bytes], version: LoadedVersion, settings: ServerSettings
) -> None:
    """Refuses rows that are no text, no tf.Example, or hold too many posts."""
    separator = version.served.separator.encode()
    for index, row in enumerate(rows):
        if signature.argument == POSTS:
            posts: Sequence[bytes] = row.split(separator)
        else:
            posts = _posts_of_example(row, index)
        if len(posts) > settings.max_posts:
            raise Refusal(
                f"An author has at most {settings.max_posts} posts; instance {index} has "
                f"{len(posts)}."
            )
        try:
            for post in posts:
                post.decode()
        except UnicodeDecodeError:
            raise Refusal(f"Instance {index}: posts must be UTF-8; they are not.") from None


def _posts_of_example(row: bytes, index: int) -> Sequence[bytes]:
    try:
        message = example_pb2.Example.FromString(row)
    except DecodeError:
        raise unreadable(index) from None
    return list(message.features.feature[POSTS].bytes_list.value)


def unreadable(index: int) -> Refusal:
    """A row that the model cannot read."""
    return Refusal(
        f"Instance {index} must be a serialized tf.Example whose feature 'posts' is a bytes_list; "
        f"the model cannot read it. For plain text: {_FORM}."
    )


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")
