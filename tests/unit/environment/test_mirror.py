"""Which of a machine's apt sources is the Debian archive of its own release."""

from __future__ import annotations

from pathlib import Path

import pytest
from mirror import Archive, debian_archive

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
STANZA = f"""\
Types: deb
# http://snapshot.example.org/archive/debian/20250520T000000Z
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}
"""
SECURITY = """
Types: deb
URIs: http://mirror.example.org/debian-security
Suites: bookworm-security
Components: main
"""


def _archive(folder: Path, **sources: str) -> Archive | None:
    """The archive found where each keyword is a file of sources; `__` stands for a dot."""
    (folder / "sources.list.d").mkdir()
    for name, text in sources.items():
        place = folder if name == "sources__list" else folder / "sources.list.d"
        (place / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return debian_archive(folder, "bookworm")


def test_a_stanza_gives_the_address_and_the_keyring(tmp_path: Path) -> None:
    found = _archive(tmp_path, debian__sources=SECURITY + "\n" + STANZA)
    assert found == Archive("http://mirror.example.org/debian", KEYRING)


@pytest.mark.parametrize("no", ["no", "No", "false", "off"])
def test_a_disabled_stanza_is_not_used(tmp_path: Path, no: str) -> None:
    assert _archive(tmp_path, debian__sources=f"{STANZA}Enabled: {no}\n") is None


def test_a_source_of_source_packages_is_not_used(tmp_path: Path) -> None:
    assert _archive(tmp_path, debian__sources=STANZA.replace("deb\n", "deb-src\n", 1)) is None


def test_a_file_that_apt_does_not_read_is_not_used(tmp_path: Path) -> None:
    assert _archive(tmp_path, debian__sources__disabled=STANZA) is None


def test_a_key_within_the_stanza_travels_whole(tmp_path: Path) -> None:
    block = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n# a comment\n mDMEZQ\n -----END-----"
    found = _archive(tmp_path, debian__sources=STANZA.replace(f" {KEYRING}", block))
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEZQ\n -----END-----"
    assert found == Archive("http://mirror.example.org/debian", key)


def test_a_one_line_source_gives_the_address_and_the_keyring(tmp_path: Path) -> None:
    text = (
        "deb cdrom:[Debian GNU/Linux 12.1.0 _Bookworm_ - Official amd64 DVD]/ bookworm main\n"
        "# deb http://off.example.org/debian bookworm main\n"
        "deb-src http://mirror.example.org/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/keys/debian.gpg] https://mirror.example.org/debian/ "
        "bookworm main non-free # the near one\n"
    )
    found = _archive(tmp_path, sources__list=text)
    assert found == Archive("https://mirror.example.org/debian/", "/keys/debian.gpg")


def test_a_one_line_source_without_options_leaves_the_keys_to_apt(tmp_path: Path) -> None:
    found = _archive(tmp_path, near__list="deb ftp://mirror.example.org/debian bookworm main\n")
    assert found == Archive("ftp://mirror.example.org/debian", "")


def test_another_vendors_archive_for_this_release_gives_way_to_debians(tmp_path: Path) -> None:
    vendor = "deb https://apt.example.com bookworm main\n"
    debian = "deb http://mirror.example.org/debian bookworm main\n"
    found = _archive(tmp_path, a__list=vendor, b__list=debian)
    assert found == Archive("http://mirror.example.org/debian", "")


def test_a_list_of_mirrors_counts_as_an_archive(tmp_path: Path) -> None:
    address = "mirror+file:///etc/apt/mirrors/debian.list"
    stanza = STANZA.replace("http://mirror.example.org/debian\n", f"{address}\n", 1)
    assert _archive(tmp_path, debian__sources=stanza) == Archive(address, KEYRING)


def test_another_release_or_distribution_has_no_archive(tmp_path: Path) -> None:
    ubuntu = "deb http://archive.example.org/ubuntu jammy main universe\n"
    assert _archive(tmp_path, sources__list=ubuntu, debian__sources=SECURITY) is None
