"""The page and the card: every section, for any heads, whatever is missing."""

from __future__ import annotations

import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from components.report.card import card_markdown
from components.report.page import SECTIONS, render_files, render_page
from components.report.record import RunRecord, read_rows, read_trials
from components.report.sections_quality import slice_order
from components.report.sections_search import retrain_command


class Reader(HTMLParser):
    """Collects ids, tags and text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self._inside.append(tag)
        self.tags.append((tag, attributes))
        self.ids += [attributes["id"]] if attributes.get("id") else []  # type: ignore[list-item]

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._inside):
            self.text += data


@pytest.fixture(scope="module")
def page(record: RunRecord) -> str:
    return render_page(record)


@pytest.fixture(scope="module")
def reader(page: str) -> Reader:
    return Reader(page)


def test_every_section_is_there_for_heads_of_any_name(reader: Reader) -> None:
    assert {identifier for identifier, *_ in SECTIONS} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))
    for name in ("height", "party", "smoker"):
        assert {f"plot-loss-{name}", f"plot-slices-{name}"} <= set(reader.ids)
    assert {"plot-abstention-party", "plot-abstention-smoker"} <= set(reader.ids)
    assert {"plot-joint-height", "plot-confusion-party", "plot-roc-smoker"} <= set(reader.ids)
    assert {"plot-cross-height-party", "plot-tradeoff-party-smoker", "plot-times"} <= set(
        reader.ids
    )
    for word in ("income", "gender", "dollars"):
        assert word not in reader.text


def test_notes_on_records_stand_beside_what_was_set_aside(reader: Reader) -> None:
    row = r"/data/<posts>.jsonl\s*timestamp not readable\s*1,200\s*5"
    assert re.search(row, reader.text)


def test_the_coverage_of_an_interval_stands_beside_what_was_promised(reader: Reader) -> None:
    sentence = r"the answer ± 6 cm, is meant to hold 80% of the true labels; it held 7\d\.\d%"
    assert re.search(sentence, reader.text)


def test_every_figure_says_in_words_what_it_shows(reader: Reader) -> None:
    plots = [attributes for _, attributes in reader.tags if attributes.get("class") == "plot"]
    assert len(plots) > 25
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in plots)


def test_the_page_asks_nothing_of_the_network(page: str, reader: Reader) -> None:
    for tag, attributes in reader.tags:
        assert "src" not in attributes and (tag == "a" or "href" not in attributes)
        assert (attributes.get("href") or "#").startswith("#")
    assert "default-src 'none'" in page


def test_the_outcome_names_what_blocked_and_what_changed(reader: Reader) -> None:
    assert "Not blessed: party fell short." in reader.text
    assert "party blocked: it falls short by 0.010." in reader.text
    assert "2026-11-23 05:17 UTC" in reader.text
    assert re.search(r"authors in train\s*380\s*400", reader.text)
    assert re.search(r"training.loss_weights\s*party 1\s*party 2", reader.text)
    assert not re.search(r"training.dropout\s*0.2\s*0.2", reader.text)


def test_every_contender_stands_beside_this_run_with_every_score(reader: Reader) -> None:
    titles = r"score\s*linear baseline\s*constant baseline\s*deployed model\s*verdict"
    assert re.search(titles, reader.text)
    others = r"6.35 \[6.30, 6.40\]\s*0.500\s*6.60 \[6.55, 6.65\]"
    row = rf"mean absolute error, cm\s*6.10 \[6.05, 6.15\]\s*{others}"
    assert re.search(row, reader.text)
    others = r"0.280 \[0.230, 0.330\]\s*0.000\s*0.200 \[0.150, 0.250\]"
    assert re.search(rf"skill\s*0.300 \[0.250, 0.350\]\s*{others}", reader.text)
    assert "beside the linear baseline and the deployed model." in reader.text


def test_what_the_shared_network_adds_is_drawn_and_said_of_each_head(reader: Reader) -> None:
    assert "plot-outcome-added" in reader.ids
    added = "height: the shared network adds 0.020 [0.010, 0.050] of skill to the linear baseline."
    few = (
        "450 authors are too few for the shared network to add to party "
        "(0.020 [-0.010, 0.050] of skill)."
    )
    # Once in the outcome, once with the head, once on the card.
    assert [reader.text.count(sentence) for sentence in (added, few)] == [3, 3]
    falls = (
        "0.020 [-0.010, 0.050] without the pool, by 0.110 [0.080, 0.140] without the convolution"
    )
    # In the outcome and on the card.
    assert reader.text.count(f"height: skill falls by {falls}") == 2


def test_the_training_names_the_network_and_what_is_kept_of_each_step(reader: Reader) -> None:
    assert re.search(r"network\s*multi-head Conv1D network, 1,234 parameters", reader.text)
    assert re.search(r"parameters of the linear baseline\s*567", reader.text)
    assert re.search(r"learned from\s*450 authors", reader.text)
    kept = "party: of its correction 93 % is kept, of its answer 98 %; of the linear baseline's"
    assert kept in reader.text


def test_a_run_of_before_the_linear_baseline_is_drawn_without(record: RunRecord) -> None:
    heads = [
        {key: value for key, value in head.items() if key != "linear_baseline"}
        for head in record.verdict["heads"]
    ]
    told = {"parameters": 1234, "epochs": [], "settings": {}}
    before = {"verdict": {**record.verdict, "heads": heads}, "training": told}
    reader = Reader(render_page(record.model_copy(update=before)))
    assert "outcome-added" not in " ".join(reader.ids)
    assert "shared network" not in reader.text and "is kept" not in reader.text
    assert re.search(r"network\s*1,234 parameters", reader.text)
    assert re.search(r"6.10 \[6.05, 6.15\]\s*0.500\s*6.60 \[6.55, 6.65\]", reader.text)


def test_what_users_name_is_never_markup(record: RunRecord) -> None:
    reason = "<img src=x onerror=alert(1)>"
    heads = [{**head, "reason": reason, "unit": "</script>"} for head in record.verdict["heads"]]
    answers = {**record.answers["heads"]}
    answers["height"] = {**answers["height"], "unit": "</script><b>"}
    evil = record.model_copy(
        update={
            "verdict": {**record.verdict, "heads": heads},
            "answers": {**record.answers, "heads": answers},
        }
    )
    page = render_page(evil)
    found = Reader(page)
    assert not [tag for tag, _ in found.tags if tag in ("img", "b", "posts")]
    assert "/data/<posts>.jsonl" in found.text
    assert reason in found.text
    assert '"/data/<posts>' not in page


def test_heads_as_another_release_declared_them_are_drawn(record: RunRecord, page: str) -> None:
    def other(head: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in head.items() if key != "exact"} | {"retired": 1}

    answers = {name: other(head) for name, head in record.answers["heads"].items()}
    update = {
        "heads": [other(head) for head in record.heads],
        "answers": {**record.answers, "heads": answers},
    }
    assert render_page(record.model_copy(update=update)) == page


def test_what_is_missing_is_said(bare_record: RunRecord) -> None:
    text = Reader(render_page(bare_record)).text
    for sentence in (
        "Not run. A comparison trains",
        "No search was run",
        "This is the first run of its name",
        "The join left no audit.json",
        "there is no earlier span",
        "The Trainer left no training.json",
        "answers on test were not counted",
    ):
        assert sentence in text, sentence
    assert "Every head is blessed. Nothing was pushed." in text


def test_a_run_that_failed_says_where_and_why_and_what_it_did_not_reach(record: RunRecord) -> None:
    stages = [{"stage": "blessing", "seconds": 2.5, "reused": False}]
    failed = RunRecord(
        heads=record.heads,
        failure={"stage": "training", "cause": "<A rule> was broken."},
        audit=record.audit,
        trials=record.trials,
        titles={"blessing": "judging"},
        history={"run": "2026-11-23T05:17:00+00:00", "stages": stages},
    )
    files = render_files(failed)
    assert set(files) == {"report.json", "report.html"}
    reader = Reader(files["report.html"])
    assert "Failed in training. Nothing was pushed. What was in service stays there." in reader.text
    assert "<A rule> was broken." in reader.text
    assert re.search(r"judging\s*2.5 s", reader.text)
    assert {"plot-trials", "plot-set-aside", "quality", "card"} <= set(reader.ids)
    # Of a comparison, training, quality, drift and a card.
    assert reader.text.count("Not reached.") == 5
    pushed = failed.model_copy(update={"pushed": "/serving/1"})
    text = Reader(render_page(pushed)).text
    assert "Failed in training. The model was pushed before: /serving/1" in text


def test_a_search_without_skills_of_heads_is_drawn_without_a_tradeoff(record: RunRecord) -> None:
    results = '[{"trial_id": "0", "score": 0.2, "loss_weight/party": 2.0}]'
    page = render_page(record.model_copy(update={"trials": read_trials("", results)}))
    reader = Reader(page)
    assert "plot-trials" in reader.ids
    assert "this search kept no skill of each head" in reader.text


def test_trials_come_best_first_and_unfinished_ones_not_at_all() -> None:
    scores = {"0": 0.1, "1": None, "2": 0.3, "3": float("nan")}
    trials = [{"trial": trial, "score": score} for trial, score in scores.items()]
    found = read_trials(json.dumps(trials), "")
    assert [trial["trial"] for trial in found] == ["2", "0"]
    assert read_trials("", "") == []


def test_hyperbands_own_bookkeeping_is_no_hyperparameter() -> None:
    chosen = {"dropout": 0.2, "tuner/epochs": 3}
    trials = [{"trial": "0", "score": 0.1, "skills": {}, "hyperparameters": chosen}]
    (found,) = read_trials(json.dumps(trials), "")
    assert found["hyperparameters"] == {"dropout": 0.2}


def test_the_command_of_a_trial_trains_with_its_weights_and_without_a_search(
    record: RunRecord, tmp_path: Path
) -> None:
    from pipeline.config import load_config

    (tmp_path / "config.yaml").write_text(
        "posts: [p.jsonl]\nlabels: [l.csv]\n"
        "heads: {age: null, income: null, gender: null, height: {kind: regression},\n"
        "  party: {kind: classes}, smoker: {kind: binary}}\n"
    )
    trial = record.trials[1]
    others = {"network": "wide", "weight_decay": 0.01, "label_smoothing": 0.05}
    trial = {**trial, "hyperparameters": {**trial["hyperparameters"], **others}}
    words = shlex.split(retrain_command(record, trial))
    assert words[:3] == ["authorprofile", "run", "runs/my run/config.yaml"]
    assignments = [word for place, word in enumerate(words) if words[place - 1] == "--set"]
    config = load_config(tmp_path / "config.yaml", assignments)
    assert config.tune is False
    assert config.training.loss_weights == {"height": 1.0, "party": 1.5, "smoker": 1.5}
    assert (config.training.learning_rate, config.training.dropout) == (0.001, 0.2)
    assert (config.training.weight_decay, config.training.label_smoothing) == (0.01, 0.05)
    # Which a search of before could choose.
    assert config.network.kind == "conv"


def test_slices_come_in_the_order_of_their_bands() -> None:
    values = ["25-35", "unknown", "50 and above", "below 25", "100 and above"]
    ordered = sorted(values, key=lambda value: slice_order({"head": "age", "value": value}))
    assert ordered == ["below 25", "25-35", "50 and above", "100 and above", "unknown"]


def test_a_comparison_of_another_form_is_refused() -> None:
    assert read_rows('{"rows": []}') == []
    with pytest.raises(ValueError, match="a list of rows with the keys name, seeds and heads"):
        read_rows('[{"name": "equal weights"}]')


def test_the_card_states_what_it_is_told_and_says_what_it_is_not(record: RunRecord) -> None:
    card = record.card.model_copy(update={"data_licence": "CC BY 4.0 <x>"})
    text = card_markdown(record.model_copy(update={"card": card}))
    assert "- Data: CC BY 4.0 &lt;x>" in text
    assert "- Model: not stated (section card of the configuration)." in text
    assert (
        "- height: mean absolute error 6.10 [6.05, 6.15] (linear baseline 6.35, constant baseline "
        "0.500, deployed model 6.60); skill 0.300 [0.250, 0.350] (linear baseline 0.280, deployed "
        "model 0.200). On 360 labels of test, intervals at 95%. height: the shared network adds "
    ) in text
    assert "A multi-head Conv1D network, 1,234 parameters." in text
    for heading in (
        "Intended use",
        "Not to be used for",
        "Limits",
        "Ethics of inferring personal attributes",
        "Training data",
        "Licences",
    ):
        assert f"\n## {heading}\n" in text
