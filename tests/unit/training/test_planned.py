"""What a retraining's plan, known when the pipeline runs, makes of the search and the fit."""

import json

import pytest
from tfx.types import standard_artifacts
from tfx.utils import json_utils

from components.retraining.plan import Plan
from components.training.search import SearchExecutor
from components.training.trainer_component import with_start
from components.training.vertex import SearchJobExecutor


@pytest.mark.parametrize("executor", [SearchExecutor, SearchJobExecutor])
def test_the_last_searchs_choice_is_handed_on_and_nothing_is_searched(executor, tmp_path):
    earlier = tmp_path / "kept/best_hyperparameters.txt"
    earlier.parent.mkdir()
    earlier.write_text('{"values": {"dropout": 0.2}}')
    outputs = {
        "best_hyperparameters": standard_artifacts.HyperParameters(),
        "tuner_results": standard_artifacts.TunerResults(),
    }
    for name, artifact in outputs.items():
        artifact.uri = str(tmp_path / name)
    plan = Plan(hyperparameters_from=str(earlier)).text
    # A search, or a job, would ask for the custom config.
    executor(None).Do({}, {name: [one] for name, one in outputs.items()}, {"plan": plan})
    choice = tmp_path / "best_hyperparameters/best_hyperparameters.txt"
    assert choice.read_text() == earlier.read_text()
    assert not (tmp_path / "tuner_results").exists()


def test_the_fit_starts_where_the_plan_says_and_else_where_the_settings_say():
    custom = json_utils.dumps({"warm_start": "mine", "heads": "[]"})
    for plan, start in ((Plan(until=3).text, "mine"), (Plan(warm_start_from="kept").text, "kept")):
        told = with_start({"custom_config": custom, "run_fn": "f", "plan": plan})
        assert json.loads(told["custom_config"]) == {"warm_start": start, "heads": "[]"}
        assert told["run_fn"] == "f"
    assert with_start({"custom_config": custom}) == {"custom_config": custom}
