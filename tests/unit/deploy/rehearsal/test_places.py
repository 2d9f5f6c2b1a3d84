"""Folders in place of buckets, and settings in place of those that a target needs."""

from __future__ import annotations

from pipeline.config import load_config
from pipeline.deploy.checks import find_faults
from pipeline.deploy.forms import bucket_faults
from pipeline.deploy.rehearsal.places import find_places, for_rehearsal
from pipeline.deploy.settings import TARGETS


def test_a_configuration_of_this_machine_becomes_complete_and_says_how(tmp_path):
    config = load_config(None, posts=["data/posts-{SPAN}.jsonl"], labels=["/data/labels.csv"])
    for target in TARGETS:
        complete, filled = for_rehearsal(config, target)
        assert [*find_faults(complete, target)] == []
        named = ["deploy.image", "deploy.root"]
        if target == "vertex":
            named += ["deploy.vertex.project", "deploy.vertex.region"]
        assert filled == named


def test_what_stands_in_for_a_bucket_is_sound_and_nobodys(tmp_path):
    config = load_config(None, ["deploy.image=i"], posts=[f"{tmp_path}/p"], labels=["labels.csv"])
    complete, _ = for_rehearsal(config, "vertex")
    for place in (*complete.posts, *complete.labels, complete.deploy.root):
        assert list(bucket_faults("key", place)) == []
        assert place.removeprefix("gs://").partition("/")[0].endswith(".invalid")


def test_what_is_read_stays_where_it_is_and_what_is_written_goes_to_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = "earlier/best_hyperparameters.txt"
    config = load_config(
        None,
        posts=["data/posts-{SPAN}.jsonl"],
        labels=["gs://people/labels.csv"],
        hyperparameters_from=file,
        warm_start_from="",
        deploy={"root": "gs://models/authorprofile"},
    )
    complete, _ = for_rehearsal(config, "vertex")
    here = find_places(complete.deploy, tmp_path / "rehearsal").here
    assert here(complete.posts[0]) == f"{tmp_path}/data/posts-{{SPAN}}.jsonl"
    assert here(complete.labels[0]) == "gs://people/labels.csv"
    assert here(complete.hyperparameters_from) == f"{tmp_path}/{file}"
    assert complete.warm_start_from == ""
    assert here("gs://models/authorprofile/x") == f"{tmp_path}/rehearsal/root/x"
    pushed = '{"filesystem": {"base_directory": "gs://models/authorprofile/serving"}}'
    assert here(pushed) == pushed.replace(
        "gs://models/authorprofile/serving", f"{tmp_path}/rehearsal/serving"
    )
    history = complete.deploy.history_folder
    assert here(history) == f"{tmp_path}/rehearsal/serving-history"
    assert here(3) == 3


def test_dataflow_is_stood_in_for_by_this_machine():
    config = load_config(
        None,
        posts=["p.jsonl"],
        labels=["l.csv"],
        deploy={"beam": {"runner": "dataflow", "arguments": ["--num_workers=4"]}},
    )
    complete, filled = for_rehearsal(config, "kubeflow")
    assert "deploy.beam.runner=direct" in filled
    assert complete.deploy.beam.runner == "direct" and complete.deploy.beam.arguments == []
