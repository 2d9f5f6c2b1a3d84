"""A run's report in the run's folder: placed there when a run ends, opened or drawn anew later.

Enters: the `Report` artifact of a run, or the folder of a run. Leaves: `report.html`, `report.json`
and `model_card.md` in that folder; `config.yaml`, with which the commands on the page repeat the
run. Imports neither TensorFlow nor TFX.
"""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import yaml
from pydantic import ValidationError

from components.comparison import COMPARISON_FILE
from components.field_errors import describe_first
from components.heads.declared import DEFAULT_HEADS
from components.report.record import CARD_FILE, PAGE_FILE, RECORD_FILE, RunRecord, read_rows
from components.training.searched import SETTINGS as SEARCHED
from pipeline.config import PATH_KEYS, Config
from pipeline.deploy.files import write_together

CONFIG_FILE, OTHER_CONFIG_FILE = "config.yaml", "config.run.yaml"
CONFIG_HEADER = "# The whole configuration of the last run in this folder, written when it ended.\n"


def place_report(artifact: Path, out: Path) -> Path:
    """Copies the artifact's files into the run's folder; returns the page's path there.

    A run that failed before a model was judged has no card; the last one stays.
    """
    names = [RECORD_FILE, PAGE_FILE, *([CARD_FILE] if (artifact / CARD_FILE).exists() else [])]
    write_together({out / name: (artifact / name).read_bytes() for name in names})
    return out / PAGE_FILE


def settings_path(out: Path) -> Path:
    """Where a run's configuration is written; a `config.yaml` that people wrote is left alone."""
    path = out / CONFIG_FILE
    if path.exists() and not path.read_bytes().startswith(CONFIG_HEADER.encode()):
        return out / OTHER_CONFIG_FILE
    return path


def write_config(config: Config, path: Path) -> None:
    """Writes the run's whole configuration, paths absolute, so that one file repeats the run."""
    values = config.model_dump(mode="json")
    for key in PATH_KEYS:
        value = values[key]
        values[key] = [_absolute(v) for v in value] if isinstance(value, list) else _absolute(value)
    # A default that is written would be a value that is set, which leaves the search.
    for section, field in SEARCHED.values():
        if field not in getattr(config, section).model_fields_set:
            del values[section][field]
    set_in_space = config.tuner.space.model_fields_set
    values["tuner"]["space"] = {
        name: given for name, given in values["tuner"]["space"].items() if name in set_in_space
    }
    # A default head that is not named would come back.
    left_out = dict.fromkeys(name for name in DEFAULT_HEADS if name not in values["heads"])
    values["heads"] = {**values["heads"], **left_out}
    text = CONFIG_HEADER + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    write_together({path: text.encode()})


def _absolute(path: str) -> str:
    return path if not path or "://" in path else str(Path(path).absolute())


def report_command(run: Path, rebuild: bool = False, open_browser: bool = False) -> int:
    """Prints the path of a run's report, drawn anew where that is asked for or needed.

    It is needed where the page is missing, or older than `comparison.json` in the same folder.

    Args:
        run: the run's folder.
        rebuild: draw it anew whatever is there.
        open_browser: show it in the browser.

    Returns:
        The exit code: 0, or 1 where the folder holds no report.
    """
    page = run / PAGE_FILE
    if rebuild or _is_stale(page, run / COMPARISON_FILE):
        try:
            rebuild_report(run)
        except FileNotFoundError:
            print(
                f"A report is drawn from {RECORD_FILE} in the run's folder; {run} has none. Name "
                "the folder of a run that has ended (--out of `authorprofile run`).",
                file=sys.stderr,
            )
            return 1
        except (ValidationError, ValueError) as error:
            told = describe_first(error, RunRecord)
            print(f"{run} holds no report that this version can read: {told}", file=sys.stderr)
            return 1
    print(page.resolve())
    if open_browser:
        webbrowser.open(page.resolve().as_uri())
    return 0


def _is_stale(page: Path, comparison: Path) -> bool:
    if not page.exists():
        return True
    return comparison.exists() and comparison.stat().st_mtime > page.stat().st_mtime


def rebuild_report(run: Path) -> None:
    """Draws page and card from the run's record, and its comparison where there is one.

    Raises:
        FileNotFoundError: the folder has no record.
        ValueError: record or comparison hold something else.
    """
    record = RunRecord.model_validate_json((run / RECORD_FILE).read_bytes())
    comparison = run / COMPARISON_FILE
    if comparison.exists():
        rows = read_rows(comparison.read_text(encoding="utf-8"))
        record = record.model_copy(update={"comparison": rows})
    from components.report.page import render_files

    files = render_files(record).items()
    write_together({run / name: text.encode() for name, text in files if name != RECORD_FILE})
