"""Where this machine gets Debian's packages from, read from its own apt configuration.

Enters: the apt folder (`sources.list.d/*.sources`, `sources.list`, `sources.list.d/*.list`) and the
codename of the running release. Leaves: the archive's address and the keyring that vouches for it,
as apt writes them. Called by `runtime.py`. Standard library only.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

APT_FOLDER = Path("/etc/apt")

# deb [option=value ...] address suite component ...  # comment
ONE_LINE = re.compile(
    r"^\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#\n]+)",
    re.MULTILINE,
)
NO = ("no", "false", "without", "off", "disable")


class Archive(NamedTuple):
    """A Debian archive; `signed_by` is empty where apt's own trusted keys vouch for it."""

    uris: str
    signed_by: str


def host_codename() -> str:
    """The codename of the Debian release that runs here ("bookworm"); empty on another system."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    return release.get("VERSION_CODENAME", "") if release.get("ID") == "debian" else ""


def debian_archive(apt_folder: Path, codename: str) -> Archive | None:
    """The archive that serves the running release, None where no source names one.

    An archive is known by its suite and component, as its address can be a mirror list or a
    company's proxy. Other vendors use Debian's codenames too, so an address that ends as Debian's
    mirrors do goes first.

    Args:
        apt_folder: where apt is configured, `/etc/apt`.
        codename: the suite to look for, such as "bookworm".
    """
    found = [*_from_stanzas(apt_folder, codename), *_from_lines(apt_folder, codename)]
    found.sort(key=lambda archive: not re.search(r"/debian/?$", archive.uris))
    return found[0] if found else None


def _from_stanzas(apt_folder: Path, codename: str) -> Iterator[Archive]:
    for path in sorted(apt_folder.glob("sources.list.d/*.sources")):
        for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            fields = _fields(block)
            if (
                "deb" in fields.get("types", "").split()
                and codename in fields.get("suites", "").split()
                and "main" in fields.get("components", "").split()
                and fields.get("enabled", "yes").lower() not in NO
            ):
                yield Archive(fields.get("uris", ""), fields.get("signed-by", ""))


def _fields(block: str) -> dict[str, str]:
    """The fields of one stanza, names in lower case; an indented line continues its field."""
    fields: dict[str, str] = {}
    name = ""
    for line in block.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            fields[name] = fields.get(name, "") + "\n" + line
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def _from_lines(apt_folder: Path, codename: str) -> Iterator[Archive]:
    paths = [apt_folder / "sources.list", *sorted(apt_folder.glob("sources.list.d/*.list"))]
    for path in paths:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for match in ONE_LINE.finditer(text):
            if match["suite"] == codename and "main" in match["components"].split():
                key = re.search(r"(?:^|\s)signed-by=(\S+)", match["options"] or "")
                yield Archive(match["uri"], key[1] if key else "")
