"""What the quality command's tables say of folders of results that are written by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.quality.less import compare, score, verdict
from benchmarks.quality.table import main, make_table
from components.heads.declared import DEFAULT_HEADS, heads_to_json, parse_heads

HEADS = parse_heads({name: DEFAULT_HEADS[name] for name in ("age", "gender")})
AGES = np.random.default_rng(5).uniform(20, 60, 400)


def results(row, off, sure, fold=0, authors=range(400), **more):
    """A result whose ages are off by up to so many years, and that is so sure of the gender."""
    terms = {"age": {}, "gender": {}}
    for number in authors:
        age, female = AGES[number], float(number % 2)
        answer = age + off * (-1, 1)[number % 3 == 0]
        chance = 0.5 + sure * (female - 0.5)
        for head, label, given in zip(HEADS, (age, female), (answer, chance), strict=True):
            found = head.terms(np.array([label]), np.array([given]))
            terms[head.name][f"a{number}"] = [float(value) for value in found]
    return {"row": row, "fold": fold, "seed": 1, "seconds": 8.0, "terms": terms, **more}


def write(folder, *found, folds=5, heads=None):
    folder.mkdir(exist_ok=True)
    told = {"folds": folds, "settings": {"heads": heads or heads_to_json(HEADS)}}
    (folder / "measured.json").write_text(json.dumps(told))
    for one in found:
        name = f"{one['row'].replace(':', '-')}-fold{one['fold']}-seed1.json"
        (folder / name).write_text(json.dumps(one))
    return folder


def compared(folder, less):
    """{row: cells} of the table of differences."""
    title = f"| less `{less}` |"
    table = make_table(folder, HEADS, [less]).split("\n\n")
    (lines,) = [block.splitlines() for block in table if block.startswith(title)] or [[]]
    return {cells[0]: cells[1:] for cells in (line[2:-2].split(" | ") for line in lines[2:])}


def test_a_row_of_other_folds_has_no_difference(tmp_path):
    halves = range(200), range(200, 400)
    write(tmp_path, results("tuner", 5, 0.3, 0, halves[0]), results("hand", 5, 0.3, 1, halves[1]))
    assert "less `tuner`" not in make_table(tmp_path, HEADS)
    write(tmp_path, results("equal", 5, 0.3))
    assert list(compared(tmp_path, "tuner")) == ["equal"]


def test_the_row_of_another_folder_is_subtracted(tmp_path):
    old = write(tmp_path / "old", results("equal", 8, 0.3))
    new = write(tmp_path / "new", results("equal", 5, 0.3), results("tuner", 4, 0.3))
    cells = compared(new, f"equal@{old}")
    assert list(cells) == ["equal", "tuner"]
    assert cells["equal"][0] == "-3.00 [-3.00, -3.00]"
    assert cells["tuner"][0] == "-4.00 [-4.00, -4.00]"
    assert list(compared(new, "equal")) == ["tuner"]


def test_of_several_rows_the_best_of_each_head_is_subtracted_and_named(tmp_path):
    rows = results("linear", 3, 0.1), results("sklearn:pairs", 6, 0.5)
    cells = compared(write(tmp_path, results("tuner", 4, 0.6), *rows), "linear,sklearn:pairs")
    assert list(cells) == ["tuner"]
    assert cells["tuner"][0].startswith("+1.00")
    assert cells["tuner"][-1].split(", ")[:2] == [
        "age below `linear`",
        "gender above `sklearn:pairs`",
    ]
    # Best of what was measured alone would be another question.
    assert compared(tmp_path, "linear,sklearn:words") == {}


def test_a_row_of_fewer_authors_is_compared_with_one_of_as_few(tmp_path):
    rows = [results(*row) for row in (("tuner", 4, 0.6), ("fewer:50:tuner", 8, 0.2))]
    rows += [results(*row) for row in (("equal", 5, 0.5), ("fewer:50", 9, 0.2))]
    cells = compared(write(tmp_path, *rows), "equal")
    assert {row: found[0].split()[0] for row, found in cells.items()} == {
        "fewer:50:tuner": "-1.00",
        "tuner": "-1.00",
    }


def test_the_mean_skill_is_that_of_the_heads_with_an_interval_of_its_own(tmp_path):
    folder = write(tmp_path, results("tuner", 5, 0.4), results("equal", 6, 0.4))
    line = next(line for line in make_table(folder, HEADS).splitlines() if "| tuner" in line)
    found = [score(head, [results("tuner", 5, 0.4)]).found()["skill"][0] for head in HEADS]
    assert line.split(" | ")[6].split()[0] == f"{np.mean(found):.3f}"
    less = compared(folder, "tuner")["equal"]
    age, gender, mean = (float(less[place].split()[0]) for place in (1, 3, 4))
    assert gender == 0 and mean == pytest.approx(age / 2, abs=0.001) and age < -0.05
    assert less[-1] == "age below, gender not below, mean below"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((0.001, 0.0001, 0.002), "above"),
        ((0.02, 0.0, 0.04), "not below"),
        ((-0.005, -0.02, 0.0), "not below"),
        ((-0.0051, -0.02, 0.01), "below"),
        ((-0.002, -0.003, -0.001), "below"),
        ((0.1, float("nan"), float("nan")), "undecided"),
    ],
)
def test_the_verdict_asks_for_a_whole_interval_or_a_negligible_loss(found, said):
    assert verdict(*found) == said


def test_processors_seconds_stand_beside_those_of_the_clock(tmp_path):
    rows = results("tuner", 5, 0.4, cpu_seconds=11.0), results("equal", 5, 0.4)
    lines = make_table(write(tmp_path, *rows), HEADS).splitlines()
    assert lines[0].endswith("| seconds a fold | CPU seconds |")
    assert lines[2].endswith("| 8 | unknown |") and lines[3].endswith("| 8 | 11 |")


def test_the_command_prints_the_tables_of_a_folder(tmp_path, capsys):
    declared = json.dumps(json.loads(heads_to_json(HEADS))["heads"])
    # Earlier commits told the heads as a list alone.
    for name, heads in (("new", None), ("old", declared)):
        write(tmp_path / name, results("equal", 5, 0.4), results("tuner", 5, 0.4), heads=heads)
        assert main([str(tmp_path / name), "--less", "tuner", "--less", "equal"]) == 0
        printed = capsys.readouterr().out
        assert "less `tuner`" in printed and "less `equal`" in printed
        assert main([str(tmp_path / name)]) == 0
        assert "less `tuner`" in capsys.readouterr().out


def test_folders_that_cannot_be_compared_are_refused(tmp_path, capsys):
    new, old = write(tmp_path / "new", results("tuner", 5, 0.4)), tmp_path / "old"
    assert main([str(new), "--less", f"tuner@{old}"]) == 2
    assert f"{old} is no folder of results" in capsys.readouterr().err
    write(old, results("tuner", 5, 0.4), folds=3)
    assert main([str(new), "--less", f"tuner@{old}"]) == 2
    assert f"{old} has another number of folds than {new}" in capsys.readouterr().err
    assert main([str(tmp_path / "none")]) == 2


def test_a_difference_is_of_the_authors_that_both_judge_and_its_interval_is_paired():
    # Errors differ widely between authors, and by 1 year between the two rows.
    def run(authors, more):
        terms = {f"a{n}": [1, n, n * n, (n + more) ** 2, n + more] for n in authors}
        return [{"terms": {"age": terms}}]

    ours, theirs = run(range(40), 1), run(range(20, 60), 0)
    found = compare(HEADS[0], ours, {"equal": theirs}).found()["mae"]
    assert found == pytest.approx((1, 1, 1))
    alone = score(HEADS[0], ours).found()["mae"]
    assert alone[2] - alone[1] > 3
