"""In which encoding a text file is: its first block in, how its lines are decoded out.

A byte-order mark tells. Else a file is UTF-8, or in `ingest.encoding` where its first block is not
UTF-8: not line by line, since a short line may be valid in both ("Spaß…" in windows-1252, the Thai
for female in windows-874). Only where that block is UTF-8, or ASCII alone, lines may be of either.

In most encodings ASCII is itself, line ends included, and each line is decoded on its own. Files in
the others, such as UTF-16, are recoded before they have lines.
"""

from __future__ import annotations

import codecs
import functools
import re
from typing import NamedTuple

from components.ingest.unreadable import Refused

_BOMS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (b"\x84\x31\x95\x33", "GB18030"),
)
_ASCII = bytes(range(128))
# What means something else than itself in ISO-2022-JP and in escaped Unicode.
_ESCAPES = rb"\u0041" + b"\x1b$B0!\x1b(B"
_VALID_FOR_INVALID = 3
_TELLING = 8


class Encoding(NamedTuple):
    """That of a file: its name, and by what each line is decoded, the first that allows it."""

    name: str = "UTF-8"
    of_lines: tuple[str, ...] = ("UTF-8",)

    @property
    def is_recoded(self) -> bool:
        """Whether the file is recoded to UTF-8 before it has lines."""
        return self.name not in self.of_lines

    def decode(self, line: bytes) -> str:
        """The text of a line.

        Raises:
            UnicodeDecodeError: no encoding allows it.
        """
        try:
            return line.decode(self.of_lines[0])
        except UnicodeDecodeError:
            if len(self.of_lines) == 1:
                raise
            return line.decode(self.of_lines[1])


UTF8 = Encoding()


def encoding_of(head: bytes, is_whole: bool, given: str) -> Encoding:
    r"""The encoding of a file.

    Args:
        head: its first bytes, decompressed.
        is_whole: whether that is all of it.
        given: the encoding of what is not UTF-8 and has no byte-order mark.

    Example:
        b"Caf\xe9\n", "windows-1252" -> Encoding("windows-1252", ("windows-1252",))
        b"Caf\xc3\xa9\n", "windows-1252" -> Encoding("windows-1252", ("UTF-8", "windows-1252"))
    """
    told = next((name for bom, name in _BOMS if head.startswith(bom)), "")
    if told or given == "UTF-8":
        return Encoding(told or given)
    if _has_lines_of_bytes(given):
        return Encoding(given, ("UTF-8", given) if _looks_like_utf8(head, is_whole) else (given,))
    # The bytes of ASCII say nothing where the encoding has the same.
    is_told = not head.isascii() or b"a".decode(given, "replace") != "a"
    is_utf8 = is_told and b"\0" not in head and _looks_like_utf8(head, is_whole)
    return UTF8 if is_utf8 else Encoding(given)


def head_text(head: bytes, is_whole: bool, encoding: Encoding) -> tuple[str, bool]:
    """The text of a file's first bytes, and whether the encoding allows all of it.

    Raises:
        Refused: the encoding asks for a byte-order mark that is not there.
    """
    if encoding.is_recoded:
        return _decoded(head, is_whole, encoding.name)
    lines = head.splitlines(keepends=True)
    ended = [True] * (len(lines) - 1) + [is_whole]
    found = [_line_text(*line, encoding) for line in zip(lines, ended, strict=True)]
    return "".join(text for text, _ in found), all(is_valid for _, is_valid in found)


def _line_text(line: bytes, is_ended: bool, encoding: Encoding) -> tuple[str, bool]:
    found = [_decoded(line, is_ended, name) for name in encoding.of_lines]
    return next((one for one in found if one[1]), found[0])


def _decoded(head: bytes, is_whole: bool, encoding: str) -> tuple[str, bool]:
    decoder = codecs.getincrementaldecoder(encoding)
    try:
        return decoder("strict").decode(head, is_whole), True
    except UnicodeError:
        pass
    try:
        return decoder("replace").decode(head, is_whole), False
    except UnicodeError:
        # It has no replacement for a byte-order mark alone.
        raise Refused(
            f"must begin with a byte-order mark, since ingest.encoding is {encoding}; it does not. "
            f"Set ingest.encoding to what it is: {encoding}-le, {encoding}-be, utf-8 or another."
        ) from None


def _looks_like_utf8(head: bytes, is_whole: bool) -> bool:
    """Whether nearly all that is not ASCII is valid, or too little of it is there to tell.

    Damaged characters make a file no other encoding's; a few bytes of another may be valid.
    """
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head, is_whole)
    invalid = len(re.findall("[\udc80-\udcff]", text))
    valid = len(re.findall(r"[^\x00-\x7f]", text)) - invalid
    if not is_whole and invalid < _TELLING:
        return True
    return valid >= _VALID_FOR_INVALID * invalid


@functools.cache
def _has_lines_of_bytes(encoding: str) -> bool:
    """Whether ASCII is itself in it, line ends in particular, whatever stands before them."""
    try:
        if (_ASCII + _ESCAPES).decode(encoding) != (_ASCII + _ESCAPES).decode("ascii"):
            return False
    except UnicodeError:
        return False
    ends = (bytes([byte]) + b"\r\n" for byte in range(128, 256))
    return all(line.decode(encoding, "replace").endswith("\r\n") for line in ends)
