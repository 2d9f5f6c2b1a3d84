"""An author's posts to the one text that the model takes, whichever protocol brought them.

Enters: posts as a list, a text or a serialized tf.Example. Leaves: bytes without blank posts, which
training leaves out too; or a `Refusal` that names the instance and never quotes a text. An author
of blank posts alone is refused: the model would answer the average author.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.example import example_pb2

from components.serving.server.bodies import FORM, kind_of, most_names, read_message
from components.serving.server.loaded import POSTS, LoadedVersion, Signature
from components.serving.server.refusals import Refusal
from components.serving.server.settings import ServerSettings


def join_posts(posts: Any, separator: str, settings: ServerSettings, index: int) -> bytes:
    """One author's posts as the model takes them: UTF-8, joined by the separator."""
    if not isinstance(posts, list) or not posts:
        what = "an empty one" if posts == [] else kind_of(posts)
        raise Refusal(
            f"Instance {index}: 'posts' must be a list of at least one string; it is {what}. "
            f"{FORM}."
        )
    _check_number(len(posts), settings, index)
    for number, post in enumerate(posts):
        if not isinstance(post, str):
            raise Refusal(
                f"Instance {index}: every post must be a string; post {number} is {kind_of(post)}."
            )
    kept = [post.replace(separator, " ") for post in posts if not _is_blank(post)]
    return separator.join(_some(kept, index)).encode()


def sound_rows(
    signature: Signature, rows: Sequence[bytes], version: LoadedVersion, settings: ServerSettings
) -> list[bytes]:
    """Rows for a signature without their blank posts.

    Raises:
        Refusal: one is no text, no tf.Example, blank, or holds too many posts.
    """
    if signature.argument == POSTS:
        separator = version.served.separator
        return [_sound_text(row, separator, settings, index) for index, row in enumerate(rows)]
    return [_sound_example(row, settings, index) for index, row in enumerate(rows)]


def _sound_text(row: bytes, separator: str, settings: ServerSettings, index: int) -> bytes:
    _check_number(row.count(separator.encode()) + 1, settings, index)
    posts = decoded([row], index)[0].split(separator)
    return separator.join(_some([post for post in posts if not _is_blank(post)], index)).encode()


def _sound_example(row: bytes, settings: ServerSettings, index: int) -> bytes:
    try:
        message = read_message(row, example_pb2.Example, most_names(settings))
    except DecodeError:
        raise unreadable(index) from None
    if message.features.feature[POSTS].WhichOneof("kind") != "bytes_list":
        raise unreadable(index)
    posts = message.features.feature[POSTS].bytes_list.value
    _check_number(len(posts), settings, index)
    texts = decoded(posts, index)
    kept = [post for post, text in zip(posts, texts, strict=True) if not _is_blank(text)]
    _some(kept, index)
    if len(kept) == len(posts):
        return row
    posts[:] = kept
    return bytes(message.SerializeToString())


def _check_number(posts: int, settings: ServerSettings, index: int) -> None:
    if posts > settings.max_posts:
        raise Refusal(
            f"An author has at most {settings.max_posts} posts; instance {index} has {posts}."
        )


def decoded(posts: Sequence[bytes], index: int) -> list[str]:
    """Posts as text. Raises Refusal."""
    try:
        return [post.decode() for post in posts]
    except UnicodeDecodeError:
        raise Refusal(f"Instance {index}: posts must be UTF-8; they are not.") from None


def _is_blank(post: str) -> bool:
    """Whether `strip` would leave nothing; no copy is made, as it would be of most posts."""
    return not post or post.isspace()


def _some(kept: list[Any], index: int) -> list[Any]:
    if not kept:
        raise Refusal(
            f"Instance {index}: at least one post must hold more than white space; all are blank. "
            "Leave the author out."
        )
    return kept


def unreadable(index: int) -> Refusal:
    """A row that the model cannot read."""
    return Refusal(
        f"Instance {index} must be a serialized tf.Example whose feature 'posts' is a bytes_list; "
        f"the model cannot read it. For plain text: {FORM}."
    )
