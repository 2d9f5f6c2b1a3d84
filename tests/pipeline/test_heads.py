"""Runs with four heads of mixed kinds, with one of them alone, and with one that `test` lacks.

One of the four, `laughs`, is of a kind that a package of its own adds (`tests/count_head`): no file
of the product knows it, and it goes through every stage, the server, tables, report and card.

In this process, as each command would import TFX anew; the made-up authors of `authorprofile
sample`, with labels of our own beside theirs.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pyarrow.parquet
import pytest
import tensorflow as tf
from command import run_command
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from components.heads.metrics import format_number
from components.ingest.records import split_of
from components.ingest.settings import SplitSettings
from pipeline.audit import audit_command
from pipeline.bulk import bulk_command
from pipeline.causes import StageFailed, describe_cause
from pipeline.config import load_config
from pipeline.console import show_outcome
from pipeline.predict import predict_posts
from pipeline.terminal import Terminal
from tests.serving.server_process import ServerProcess

SETTINGS = [
    "text={maximum_bytes: 2000, vocabulary_size: 500}",
    "network={table_width: 32, filters: 16, shared_width: 32}",
    "tune=false",
    "training.epochs=3",
]
FOUR = [
    "heads={income: {kind: classes, classes: 4}, gender: null,"
    " laughs: {kind: count, field: gelächter, unit: laughs a day, maximum: 50},"
    " class: {kind: binary, field: only on test, positive: one, negative: other}}",
    "tune=true",
    "tuner={trials: 2, epochs: 1}",
]
SAID = {
    0: "never laughing silent gloomy weary sighing",
    1: "smiling softly once politely faintly briefly",
    3: "giggling merry thrice chuckling amused grinning",
    8: "roaring hilarious laughter howling hysterical guffaws",
}
"""What an author who laughs so many times a day says twice in each post."""
DRAW_ALL = "for (const element of [...waiting.keys()]) draw(element)"
SHOWN_IN = {
    "outcome": "Poisson deviance",
    "search": "laughs",
    "data": "laughs",
    "training": "Poisson deviance",
    "quality": "laughs a day",
    "card": "laughs, a number in laughs a day",
}
"""What sections of the report say of it."""
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


class Silent:
    """An observer of stages that says nothing."""

    def stage_started(self, stage):
        pass

    def stage_finished(self, stage, how):
        pass


def laughs_of(author_id):
    """How often a made-up author laughs."""
    return list(SAID)[int(author_id.removeprefix("author-")) * 7 % 5 % 4]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A sample whose posts tell how often their author laughs, as a label does; with one label of
    one value for all of `test`, and one that nobody of `test` has.
    """
    folder = tmp_path_factory.mktemp("heads") / "data"
    assert run_command("sample", folder, "--authors", 400).returncode == 0
    with gzip.open(folder / "posts.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = [with_laughs(line) for line in file]
    with gzip.open(folder / "posts.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(lines)
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        on_test = split_of(row["author_id"], SplitSettings()) == "test"
        row["gelächter"] = laughs_of(row["author_id"]) if number % 9 else ""
        row["only on test"] = "one" if on_test or number % 2 else "other"
        row["nobody on test"] = "" if on_test else number % 50
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    return folder


def with_laughs(line):
    """The line of a post with what its author says; a broken one as it is."""
    try:
        post = json.loads(line)
        said = SAID[laughs_of(post["author_id"])]
        return json.dumps(post | {"text": " ".join([said, said, post["text"]])}) + "\n"
    except (ValueError, KeyError, TypeError):
        return line


def configured(data, out, *assignments, heads=None):
    given = {"posts": [str(data / "posts.jsonl.gz")], "labels": [str(data / "labels.csv")]}
    return load_config(None, [*SETTINGS, *assignments], heads, out=str(out), **given)


def run(config):
    from pipeline.local import run_local

    return run_local(config, Silent())


class Mixed(NamedTuple):
    """A run of the four heads."""

    outcome: Any
    out: Path
    version: Path

    def asset(self, name):
        """A JSON file of the pushed version."""
        return json.loads((self.version / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def mixed(data, tmp_path_factory):
    """The run of the four heads, with a search. Of so few authors, chance decides whether a head of
    the sample's own is better than a constant.
    """
    out = tmp_path_factory.mktemp("mixed")
    outcome = run(configured(data, out, *FOUR, "judging.accept=[age, income, class]"))
    (version,) = (out / "serving").glob("[0-9]*")
    return Mixed(outcome, out, version)


def test_worker_processes_read_the_four_heads_as_this_one_does(data, mixed, tmp_path, capfd):
    assert audit_command(configured(data, tmp_path, *FOUR, "beam.parallelism=2")) == 0
    assert "laughs" in capfd.readouterr().out
    audited = json.loads((tmp_path / "audit/audit.json").read_text(encoding="utf-8"))
    (read,) = mixed.out.glob("artifacts/PostsExampleGen/audit/*/audit.json")
    assert audited == json.loads(read.read_text(encoding="utf-8"))
    assert audited["splits"]["test"]["heads"]["laughs"]["known"] == 35


def test_four_heads_of_mixed_kinds_are_judged_and_one_value_on_test_leaves_skill_unknown(mixed):
    heads = {head["name"]: head for head in mixed.outcome.verdict["heads"]}
    assert list(heads) == ["age", "income", "laughs", "class"]
    for name in ("age", "laughs"):
        assert heads[name]["metrics"]["mae"]["value"] > 0
    assert 0 <= heads["income"]["metrics"]["accuracy"]["value"] <= 1
    assert heads["class"]["labels"] > 10
    assert heads["class"]["metrics"]["auc"]["value"] is None
    assert heads["class"]["skill"]["value"] is None
    assert mixed.outcome.pushed and mixed.outcome.check["faults"] == []
    served = mixed.asset("assets/heads.json")["heads"]
    assert {head["name"]: head["field"] for head in served} == {
        "age": "age",
        "income": "income",
        "laughs": "gelächter",
        "class": "only on test",
    }
    answers = io.StringIO()
    predict_posts(mixed.version, io.BytesIO(b"a post\n"), answers, io.StringIO())
    (line,) = answers.getvalue().splitlines()
    assert set(json.loads(line)) - {"author_id"} == set(heads)


def test_a_kind_of_another_package_learns_and_is_told_wherever_heads_are(mixed):
    laughs = next(head for head in mixed.outcome.verdict["heads"] if head["name"] == "laughs")
    assert laughs["blessed"] and not laughs["accepted"]
    assert laughs["skill"]["lower"] > 0
    mae, deviance = (laughs["metrics"][key] for key in ("mae", "deviance"))
    assert mae["value"] < laughs["constant"]["mae"]
    assert deviance["value"] < laughs["constant"]["deviance"]
    assert "loss_weight/laughs" in set(mixed.outcome.hyperparameters)
    console = io.StringIO()
    show_outcome(Terminal(file=console, width=120), mixed.outcome, {})
    said = [" ".join(line.split()) for line in console.getvalue().splitlines()]
    row = said.index("laughs: blessed")
    assert said[row + 1].startswith(f"MAE {format_number(mae['value'])} ")
    assert [line.split()[0] for line in said[row + 2 : row + 4]] == ["deviance", "skill"]
    told = mixed.asset("assets.extra/quality.json")["laughs"]
    assert told.items() >= {"metric": "mae", **mae}.items()
    described = mixed.asset("assets/heads.json")["heads"][2]
    assert described["interval"]["half_width"] > 0
    assert (described["kind"], described["unit"], described["maximum"]) == (
        "count",
        "laughs a day",
        50,
    )
    card = (mixed.out / "model_card.md").read_text(encoding="utf-8")
    assert "laughs, a number in laughs a day" in card
    assert f"Poisson deviance {format_number(deviance['value'])} [" in card


def test_it_is_served_over_rest_and_grpc_by_a_process_of_its_own(mixed, tmp_path):
    few, many = (f"{SAID[count]} {SAID[count]} today" for count in (0, 8))
    settings = "abstain_wider={laughs: 0.5}"
    with ServerProcess(mixed.out / "serving", tmp_path / "log", settings) as server:
        body = {"instances": [{"posts": [few]}, {"posts": [many]}]}
        code, answer = server.ask("/v1/models/authorprofile:predict", body)
        _, told = server.ask("/v1/models/authorprofile/metadata")
        _, explained = server.ask(
            "/v1/models/authorprofile:explain", {"instances": body["instances"][1:]}
        )
        with grpc.insecure_channel(server.grpc_address) as channel:
            service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "authorprofile"
            request.model_spec.signature_name = "posts"
            request.inputs["posts"].CopyFrom(tf.make_tensor_proto([few, many]))
            arrays = tf.make_ndarray(service.Predict(request, timeout=60).outputs["laughs"])
    assert code == 200
    first, second = (prediction["laughs"] for prediction in answer["predictions"])
    assert first["value"] < 1 < 4 < second["value"]
    assert second["unit"] == "laughs a day"
    assert first["interval"]["lower"] == 0 and first["confidence"] == 0.8 and first["abstain"]
    assert arrays.tolist() == [[pytest.approx(one["value"])] for one in (first, second)]
    assert told["metadata"]["heads"][2] == {
        "name": "laughs",
        "kind": "count",
        "unit": "laughs a day",
        "minimum": 0,
        "maximum": 50,
        "interval": mixed.asset("assets/heads.json")["heads"][2]["interval"],
        "quality": mixed.asset("assets.extra/quality.json")["laughs"],
    }
    effects = explained["explanations"][0]["heads"]["laughs"]
    assert effects["of"] == "laughs a day"
    assert effects["words"][0]["word"] in SAID[8] and effects["words"][0]["effect"] > 0


def test_tables_of_answers_have_its_column(mixed, tmp_path):
    posts = tmp_path / "posts.jsonl"
    authors = {str(count): f"{words} {words} today" for count, words in SAID.items()}
    lines = (json.dumps({"author_id": name, "text": text}) for name, text in authors.items())
    posts.write_text("\n".join(lines), encoding="utf-8")
    for name in ("answers.parquet", "answers.csv"):
        assert bulk_command(mixed.out / "serving", [str(posts)], tmp_path / name) == 0
    table = pyarrow.parquet.read_table(tmp_path / "answers.parquet")
    income = ["income_group", *(f"income_p{group}" for group in range(4))]
    columns = ["author_id", "age", *income, "laughs", "class_one", "class_other"]
    assert table.column_names == columns
    assert str(table.schema.field("laughs").type) == "double"
    laughs = table["laughs"].to_pylist()
    assert laughs == sorted(laughs) and 0 < laughs[0] < 1 and laughs[-1] > 4
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == columns
    assert [float(row["laughs"]) for row in rows] == laughs


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")
def test_the_report_draws_and_names_it_in_a_browser(mixed):
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: pip install playwright"
    )
    said = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((mixed.out / "report.html").as_uri())
        page.evaluate(DRAW_ALL)
        drawn = page.locator(".plot:has(svg.main-svg)")
        assert drawn.count() == page.locator(".plot").count() > 25
        for figure in ("joint", "errors", "calibration", "slices"):
            assert page.locator(f"#plot-{figure}-laughs svg.main-svg").count() > 0, figure
        sections = {name: page.locator(f"#{name}").inner_text() for name in SHOWN_IN}
        browser.close()
    assert said == []
    for name, text in SHOWN_IN.items():
        assert text in sections[name], name


def test_one_of_them_alone_is_retrained_and_compared_with_the_deployed_model(data, mixed):
    from pipeline.retraining.retrain import retrain

    settings = ["judging={accept: [laughs], tolerated_drop: 0.99}"]
    config = configured(data, mixed.out, *FOUR, *settings, heads=["laughs"])
    decision, again = retrain(config, Silent(), force=True)
    assert not decision.search.again
    warm = again.training["warm_start"]
    assert {"table/table", "shared/kernel", "laughs.correction/kernel"} <= set(warm["carried"])
    assert warm["anew"] == {}
    (head,) = again.verdict["heads"]
    assert head["name"] == "laughs" and head["labels"] > 10
    assert head["metrics"]["mae"]["value"] is not None
    assert again.check["faults"] == []
    assert again.verdict["baseline"]["left_out"] == ""
    before = next(head for head in mixed.outcome.verdict["heads"] if head["name"] == "laughs")
    assert head["comparison"]["difference"]["value"] == pytest.approx(
        head["skill"]["value"] - before["skill"]["value"]
    )
    assert again.pushed
    page = (mixed.out / "report.html").read_text(encoding="utf-8")
    assert "laughs" in page and "author-0" not in page


def test_a_head_without_a_label_on_test_is_refused_by_audit_and_run_alike(data, tmp_path, capfd):
    head = "heads.score={kind: regression, field: nobody on test}"
    config = configured(data, tmp_path, head)
    assert audit_command(config) == 1
    audited = " ".join(capfd.readouterr().out.split())
    with pytest.raises(StageFailed) as failed:
        run(config)
    assert failed.value.stage == "PostsExampleGen"
    said = " ".join(describe_cause(failed.value).split()).split(" The audit of this join")[0]
    assert "head 'score'" in said and "has no known label among 43 test authors" in said
    assert said.endswith("leave it out: --heads age,income,gender.")
    assert said in audited
