"""What a file is by the first bytes that its format prescribes, whatever its name says.

Enters: the first block of a file. Leaves: the compression, or `Refused` for a format that is not
read. Sources: each format's specification; most are listed in the magic files of file(1).
"""

from __future__ import annotations

import re

from components.ingest.unreadable import Refused

PARQUET = b"PAR1"
_COMPRESSED = {
    ".gz": re.compile(rb"\x1f\x8b"),
    ".bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    ".xz": re.compile(rb"\xfd7zXZ\x00"),
    ".zst": re.compile(rb"\x28\xb5\x2f\xfd"),
}
_UNPACK = "Unpack it and give the files in it."
_EXPORT = "Export its rows as CSV, JSON Lines or Parquet."
_OTHERS = (
    (rb"PK[\x03\x05]", f"is a zip archive or an Office document. {_UNPACK} Save a sheet as CSV."),
    (rb"7z\xbc\xaf\x27\x1c", f"is a 7z archive. {_UNPACK}"),
    (rb"Rar!\x1a\x07", f"is a RAR archive. {_UNPACK}"),
    (rb".{257}ustar", f"is a tar archive. {_UNPACK}"),
    (rb"\x04\x22\x4d\x18", "is compressed with LZ4. Give it as gzip, bzip2, xz or zstd."),
    (rb"\x1f\x9d", "is compressed with compress (.Z). Give it as gzip, bzip2, xz or zstd."),
    (rb"\xd0\xcf\x11\xe0", "is an old Office document. Save the sheet as CSV."),
    (rb"%PDF-", f"is a PDF document. {_EXPORT}"),
    (rb"\{\\rtf", f"is an RTF document. {_EXPORT}"),
    (rb"SQLite format 3\x00", f"is an SQLite database. {_EXPORT}"),
    (rb"Obj\x01", f"is an Avro file. {_EXPORT}"),
    (rb"ARROW1\x00|FEA1[\x00-\x1f]", f"is an Arrow or Feather file. {_EXPORT}"),
    (rb"\x89HDF", f"is an HDF5 file. {_EXPORT}"),
    (rb"\s*<(?i:!doctype|html|\?xml)", f"is HTML or XML. {_EXPORT}"),
)
_OTHER_FORMATS = [(re.compile(magic, re.DOTALL), reason) for magic, reason in _OTHERS]


def compression_of(head: bytes) -> str:
    r"""The compression by its first bytes, whatever the name says; empty for none.

    >>> compression_of(b"\x1f\x8b\x08"), compression_of(b"{")
    ('.gz', '')
    """
    return next((name for name, magic in _COMPRESSED.items() if magic.match(head)), "")


def refuse_others(head: bytes) -> None:
    """Raises Refused for what is compressed or of a format that is not read."""
    if compression_of(head):
        raise Refused("is compressed twice. Decompress it once.")
    for magic, reason in _OTHER_FORMATS:
        if magic.match(head):
            raise Refused(reason)
