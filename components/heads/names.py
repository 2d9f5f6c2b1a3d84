"""Names of what belongs to a head, so that nothing named after one is taken for another's.

What is nobody's to read has a separator in its name (`internal_name`) that no head's name may hold;
what people read, the columns of a table of predictions among it, is held by `check_names` against
all other heads' names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.heads.base import Head

ANSWER = "answer"
"""Of a head's last layer; its output has the head's own name."""
SEPARATOR = "."
"""Between a head's name and a part of it; no head's name has it."""
KNOWN_LOSS = "known.loss"
"""Keras's metric of a head's loss over known labels; Keras puts it behind the head's name and _."""
EARLIER_KNOWN_LOSS = "known_loss"
"""What an earlier release called it, in what its trainings left."""
LONGEST_NAME = 64
_FORM = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,{LONGEST_NAME - 1}}}", re.ASCII)
_RESERVED = {
    "author_id": "the author's id has it, among labels and in predictions",
    "posts": "the posts have it, among examples and in the served model",
    "tokens": "the tokens have it, among transformed examples",
    "answers": "the Open Inference Protocol's output of answers described for people has it",
    "val": "Keras puts it before the name of each loss on `eval`",
}
_SHOWN = 80


def internal_name(head_name: str, part: str) -> str:
    """Name of a column, an output or a layer that belongs to a head, and can be no other head's.

    >>> internal_name("age", "known")
    'age.known'
    """
    return f"{head_name}{SEPARATOR}{part}"


def check_names(heads: Mapping[str, Head]) -> None:
    """Checks the names of all heads.

    Args:
        heads: declared heads by name.

    Raises:
        ValueError: a name has the wrong form or is reserved, or two heads would share a name.
    """
    for name, head in heads.items():
        _check_form(name, head.field)
    taken: dict[str, str] = {}
    for name, head in heads.items():
        own = {used.casefold(): used for used in _names_used(head)}
        for folded, used in own.items():
            if folded in _RESERVED:
                raise ValueError(
                    f"heads: {name} would have in predictions the column {_shown(used)}, which is "
                    f"reserved: {_RESERVED[folded]}. Rename the head"
                )
            if folded in taken:
                raise ValueError(_shared(taken[folded], name, used))
        taken |= dict.fromkeys(own, name)


def _check_form(name: str, given_field: str) -> None:
    is_short = given_field.isprintable() and 0 < len(given_field) <= LONGEST_NAME
    # The author's id is no label.
    is_label = is_short and given_field != "author_id"
    field = _shown(given_field) if is_label else "..."
    if not _FORM.fullmatch(name):
        raise ValueError(
            f"heads: a name has 1 to {LONGEST_NAME} letters a to z, digits and _, and begins with "
            f"a letter; got {_shown(name)}. A field of the labels may have any name; write "
            f"heads.{_suggested(name)}: {{field: {field}}}"
        )
    if name.casefold() in _RESERVED:
        raise ValueError(
            f"heads: the name {name} is reserved: {_RESERVED[name.casefold()]}. Rename the head; "
            f"write heads.{name}_label: {{field: {field}}}"
        )


def _names_used(head: Head) -> list[str]:
    # `val_<head>` is what Keras calls what it measures of the head on `eval`.
    return [head.name, f"val_{head.name}", *head.columns]


def _shared(first: str, second: str, used: str) -> str:
    if first.casefold() == second.casefold():
        return f"heads: {first} and {second} differ by case alone; rename one of them"
    what = "be measured as" if used.startswith("val_") else "have in predictions the column"
    return f"heads: {first} and {second} would both {what} {_shown(used)}; rename one of them"


def _shown(name: str) -> str:
    """A name as it may be printed: without control characters, and not too long."""
    printable = "".join(sign if sign.isprintable() else "?" for sign in name)
    short = printable if len(printable) <= _SHOWN else f"{printable[:_SHOWN]}..."
    return short if _FORM.fullmatch(short) or short.isalnum() else repr(short)


def _suggested(name: str) -> str:
    """A name of the right form that is like the one given.

    >>> _suggested("größe"), _suggested("2nd job"), _suggested("возраст")
    ('groesse', 'head_2nd_job', 'head')
    """
    spelt = name.lower()
    for letter, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        spelt = spelt.replace(letter, letters)
    plain = unicodedata.normalize("NFKD", spelt).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not plain[:1].isalpha():
        plain = f"head_{plain}".rstrip("_")
    return plain if len(plain) <= LONGEST_NAME else "head"
