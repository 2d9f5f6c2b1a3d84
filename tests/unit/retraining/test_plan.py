"""What a decision makes of a configuration, and what is known where no pattern has spans."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from components.ingest.sources import SourceError
from components.ingest.spans import select_span
from components.retraining.decision import Decision, Search, Start
from components.retraining.planning import History, choose_search, choose_start, gather
from pipeline.config import ConfigError, load_config
from pipeline.retraining.retrain import apply, unfinished

NOW = datetime(2026, 11, 25, tzinfo=UTC)


class Looker:
    """Finds the spans it is asked about as it was told."""

    def __init__(self, faults=None):
        self.faults = faults or {}
        self.asked = []

    def look(self, spans):
        self.asked.append([span.number for span in spans])
        return {s.number: SimpleNamespace(fault=self.faults.get(s.number, "")) for s in spans}


def trained(**known):
    usual = {"spans": (), "trained": NOW, "version": 7, "network": "", "training": {}}
    return SimpleNamespace(**{**usual, **known})


def config(folder, *assignments, spans=(), moving=True):
    for name in (*(f"p-{span}.csv" for span in spans), "fixed.csv", "labels.csv"):
        (folder / name).write_text("author_id,text\n")
    posts = f"{folder}/p-{{SPAN}}.csv" if moving else f"{folder}/fixed.csv"
    return load_config(None, assignments, posts=[posts], labels=[f"{folder}/labels.csv"])


def test_broken_spans_are_looked_past_until_the_window_is_full(tmp_path):
    settings = config(tmp_path, "ingest.window.last=3", spans=range(1, 8))
    looker = Looker({6: "broken", 4: "broken"})
    seen, _ = gather(settings, looker, History(None, None, None))
    assert looker.asked == [[5, 6, 7], [4], [3]]
    assert seen.spans == (3, 5, 7)
    assert seen.left_out == {6: "broken", 4: "broken"}
    assert seen.newest_fault == ""


def test_spans_that_were_trained_on_are_not_looked_at_again(tmp_path):
    settings = config(tmp_path, "ingest.window.last=3", spans=range(1, 6))
    looker = Looker({5: "broken"})
    seen, _ = gather(settings, looker, History(trained(spans=(2, 3, 4)), None, None))
    assert looker.asked == [[5]]
    assert seen.spans == (2, 3, 4)
    assert seen.new_spans == []
    assert seen.newest_fault == "span 5 cannot be used: broken"


def test_files_without_spans_are_looked_at_once_they_have_changed(tmp_path):
    settings = config(tmp_path, moving=False)
    same = select_span(settings.posts, settings.labels).fingerprint
    looker = Looker()
    seen, _ = gather(settings, looker, History(trained(fingerprint=same), None, None))
    assert (seen.files_changed, looker.asked) == (False, [])
    seen, _ = gather(settings, Looker({0: "x"}), History(trained(fingerprint="old"), None, None))
    assert seen.files_changed
    assert seen.newest_fault == "the files cannot be used: x"


def test_a_window_without_a_span_and_a_pattern_without_a_file_are_named(tmp_path):
    settings = config(tmp_path, "ingest.window.since=90", spans=(1, 2))
    with pytest.raises(SourceError, match=r"must hold a span that there is.*of spans 1 to 2"):
        gather(settings, Looker(), History(None, None, None))
    settings = config(tmp_path, spans=())
    (tmp_path / "p-1.csv").unlink()
    (tmp_path / "p-2.csv").unlink()
    with pytest.raises(SourceError, match="all of one span at least"):
        gather(settings, Looker(), History(None, None, None))


def decision(**values):
    base = {"decided": NOW, "state": "running", "summary": "", "spans": [3, 5, 7]}
    return Decision(**{**base, **values})


def test_a_decision_becomes_settings_of_the_run(tmp_path):
    settings = config(tmp_path, "ingest.window={last: 3, leave_out: [1]}", spans=(1,))
    planned = apply(
        settings,
        decision(
            left_out={4: "broken"},
            search=Search(again=False, why="", hyperparameters_from="x/best_hyperparameters.txt"),
            start=Start(warm_start_from="runs/x/model_run/7", why=""),
        ),
    )
    assert planned.ingest.window.model_dump() == {
        "last": 3,
        "since": None,
        "until": 7,
        "leave_out": [1, 4],
    }
    assert planned.hyperparameters_from == "x/best_hyperparameters.txt"
    assert planned.warm_start_from == "runs/x/model_run/7"


def test_a_search_that_is_made_anew_takes_no_earlier_choice(tmp_path):
    planned = apply(config(tmp_path), decision(search=Search(again=True, why=""), spans=[]))
    assert (planned.hyperparameters_from, planned.tune) == ("", True)
    assert planned.ingest.window.until is None


def test_settings_that_leave_no_choice_are_obeyed(tmp_path):
    nothing = History(None, None, None)
    given = config(tmp_path, "hyperparameters_from=mine", "warm_start_from=there")
    assert choose_search(given, nothing, None, asked=False).hyperparameters_from == "mine"
    assert choose_start(given, nothing).warm_start_from == "there"
    assert not choose_search(config(tmp_path, "tune=false"), nothing, None, asked=False).again
    cold = config(tmp_path, "retraining.warm_start=false")
    served = History(None, None, trained(network="n"))
    assert choose_start(cold, served).warm_start_from == ""
    assert choose_start(config(tmp_path), served).warm_start_from == "n"
    assert "left no weights" in choose_start(config(tmp_path), History(None, None, trained())).why


@pytest.mark.parametrize("kind", ["words", "wide"])
def test_after_a_network_of_a_kind_that_is_no_more_all_starts_anew(tmp_path, kind):
    setup = config(tmp_path, "retraining.search=never")
    before = trained(network="n", choice="c", training={"network": {"kind": kind}})
    history = History(before, before, before)
    assert choose_start(setup, history) == Start(
        why=f"anew, since the model in service is a network of the kind {kind}, which there is no "
        "more"
    )
    search = choose_search(setup, history, None, asked=False)
    assert (search.again, search.hyperparameters_from) == (True, "")
    last = f"the last search was for a network of the kind {kind}"
    assert search.why == f"{last}, which there is no more"


def test_more_new_spans_than_a_run_reads_could_never_come_together(tmp_path):
    with pytest.raises(ConfigError, match=r"minimum_new_spans must not exceed.*it is 8.*reads 7"):
        config(tmp_path, "retraining.minimum_new_spans=8", "ingest.window.last=7")
    config(tmp_path, "retraining.minimum_new_spans=8", "ingest.window.since=1")


def test_only_a_decision_that_was_cut_off_goes_on(tmp_path):
    assert unfinished(tmp_path) is None
    path = tmp_path / "retraining.json"
    for state, goes_on in (("running", True), ("ended", False), ("failed", False)):
        path.write_text(decision(state=state).model_dump_json())
        assert (unfinished(tmp_path) is not None) == goes_on
    path.write_text("{broken")
    assert unfinished(tmp_path) is None
