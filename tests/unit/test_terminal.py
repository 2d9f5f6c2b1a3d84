"""What is printed is what was given: nothing of a person's is markup, and nothing is cut."""

import ast
import io
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.text import Text

from components.heads.declared import DEFAULT_HEADS, parse_heads
from components.ingest.sources import SourceFile
from components.ingest.summary import CauseCount, FileCounts, JoinSummary
from components.serving.bulk.run import BulkSummary
from pipeline.audit import show_summary as show_audit
from pipeline.bulk import show_summary as show_prediction
from pipeline.cloud.follow import show as show_steps
from pipeline.cloud.target import State, Step
from pipeline.console import RunConsole, show_outcome
from pipeline.deploy.findings import Finding, show
from pipeline.deploy.rehearsal.console import RehearsalConsole
from pipeline.terminal import Terminal, plain_table

NAMES = [
    "posts[old].jsonl",
    "[red]posts[/red].jsonl",
    "posts[/].jsonl",
    "[bold]",
    ":smile:",
    "\\[x]",
    "[link=file:x]here",
    "größe 日本.csv",
]


def printed(show, width=None):
    stream = io.StringIO()
    show(Terminal(file=stream, **({"width": width} if width else {})))
    return stream.getvalue()


def in_cells(text):
    """The text of a table's first column, its folded lines put together again."""
    rows = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    return "".join(row[1].strip() for row in rows)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "show",
    [
        lambda name: lambda terminal: terminal.say(name),
        lambda name: lambda terminal: terminal.say("File: ", Text(name), style="red"),
        lambda name: lambda terminal: terminal.print(name),
        lambda name: lambda terminal: RunConsole(terminal.file).say(f"ingest failed: {name}"),
        lambda name: lambda terminal: show_steps([Step(name, State.FAILED)], {}, terminal),
        lambda name: lambda terminal: RehearsalConsole(terminal.file).told(name, "done", 1),
    ],
)
def test_a_line_shows_a_name_whole(name, show):
    assert name in printed(show(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [40, 120])
def test_a_table_shows_a_name_whole(name, width):
    table = plain_table("file", "note", title=name)
    table.add_row(name, "fine")
    assert in_cells(printed(lambda terminal: terminal.print(table), width)) == name


@pytest.mark.parametrize("name", NAMES)
def test_an_audit_and_a_prediction_show_a_files_name_whole(name):
    path = f"/data/{name}"
    faults = {"not valid JSON": CauseCount(records=1, first_line=2)}
    files = [FileCounts(kind="posts", file=path, read=2, used=1, set_aside=faults)]
    summary = JoinSummary.from_tally(
        {}, [SourceFile("posts", path, 10)], parse_heads(DEFAULT_HEADS)
    )
    summary = summary.model_copy(update={"files": files})
    shown = printed(lambda terminal: show_audit(terminal, summary), 200)
    assert f" {path} " in shown
    answered = BulkSummary(files, authors=1)
    shown = printed(lambda terminal: show_prediction(terminal, answered))
    assert f"  {path}: 2 read, 1 used, 1 set aside" in shown


@pytest.mark.parametrize("name", NAMES)
def test_a_finding_shows_a_pattern_whole(name):
    finding = Finding("patterns", "fault", name, f"look for {name}")
    shown = printed(lambda terminal: show([finding], terminal, name), 200)
    assert shown.count(name) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_run_shows_its_folders_whole_and_a_command_that_a_shell_can_take(name):
    verdict = {"confidence": 0.9, "authors": 43, "split": "test", "heads": []}
    outcome = SimpleNamespace(
        verdict=verdict,
        hyperparameters={},
        training={},
        check={},
        pushed=True,
        serving_path=f"/runs/{name}/serving/1",
        report=f"/runs/{name}/report.html",
    )
    shown = printed(lambda terminal: show_outcome(terminal, outcome, {}))
    assert f"In service: {outcome.serving_path}\n" in shown
    assert f"Report:     {outcome.report}\n" in shown
    command = next(line for line in shown.splitlines() if "authorprofile predict" in line)
    assert shlex.split(command.partition("|")[2])[-1] == f"/runs/{name}/serving"


def test_a_long_path_is_folded_in_a_table_and_one_line_elsewhere():
    path = "/data/" + "/".join(f"folder-{number:02}" for number in range(30))
    table = plain_table("file", "read", "cause", right=("read",))
    table.add_row(path, "1,000", "not valid JSON " * 5)
    assert in_cells(printed(lambda terminal: terminal.print(table), 60)) == path
    assert printed(lambda terminal: terminal.say(path), 60) == f"{path}\n"


@pytest.mark.parametrize("columns", ["0", "1", "00", "19", "1000000000000"])
def test_an_absurd_width_prints_as_usual(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    table = plain_table("file", "read")
    table.add_row("posts.jsonl", "1")

    def show(terminal):
        terminal.print("a line")
        terminal.print(table)

    shown = printed(show)
    monkeypatch.setenv("COLUMNS", "80")
    assert shown == printed(show)
    assert "posts.jsonl" in shown


@pytest.mark.parametrize("columns", ["20", "60", "200"])
def test_any_other_width_is_kept(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert Terminal(file=io.StringIO()).width == int(columns)


def test_what_is_under_way_is_text():
    with Terminal(file=io.StringIO()).status("reading posts[old].jsonl") as status:
        assert str(status.renderable.text) == "reading posts[old].jsonl"


def test_every_module_prints_through_the_terminal():
    """Neither a Console of rich's own nor its markup is used anywhere else."""
    root = Path(__file__).parents[2]
    files = [path for top in ("components", "pipeline") for path in (root / top).rglob("*.py")]
    found = {
        (str(path.relative_to(root)), f"{node.module}.{name.name}")
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rich"
        for name in node.names
    }
    allowed = {"rich.box", "rich.table.Table", "rich.text.Text", "rich.filesize", "rich.progress"}
    others = {
        (file, name)
        for file, name in found
        if name not in allowed and not name.startswith("rich.progress.")
    }
    assert {file for file, _ in others} == {"pipeline/terminal.py"}
    assert not [
        str(path.relative_to(root))
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import) and any(n.name.startswith("rich") for n in node.names)
    ]


def test_every_table_is_one_that_folds():
    root = Path(__file__).parents[2]
    files = [path for top in ("components", "pipeline") for path in (root / top).rglob("*.py")]
    made = {
        str(path.relative_to(root))
        for path in files
        # The table of the network's terms is another one.
        if "from rich" in path.read_text()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in ("Table", "Console")
    }
    assert made == {"pipeline/terminal.py"}
