"""Conditions as TFX compiles them."""

from __future__ import annotations

import pytest
from tfx import v1 as tfx
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import (
    KubeflowV2DagRunner,
    KubeflowV2DagRunnerConfig,
)

from components.features.schema import HeadsSchema
from pipeline.deploy.faults import SpecificationError
from pipeline.deploy.rehearsal.conditions import holds

BLESSED = {"blessing": {"metadata": {"blessed": 1.0, "note": "a && b"}, "uri": "gs://b/1"}}


def compiled_condition(make_predicate):
    schema = HeadsSchema(heads="[]", validation="{}")
    predicate = make_predicate(schema.outputs["schema"].future()[0])
    with tfx.dsl.Cond(predicate):
        behind = HeadsSchema(heads="[]", validation="{}").with_id("behind")
    pipeline = tfx.dsl.Pipeline("p", "gs://b", components=[schema, behind])
    runner = KubeflowV2DagRunner(KubeflowV2DagRunnerConfig(use_pipeline_spec_2_1=True))
    job = runner.run(pipeline, write_out=False)
    task = job["pipelineSpec"]["root"]["dag"]["tasks"]["behind"]
    (name,) = task["inputs"]["artifacts"]
    return task["triggerPolicy"]["condition"], name


@pytest.mark.parametrize(
    ("make_predicate", "metadata", "expected"),
    [
        (lambda one: one.custom_property("count") > 3, {"count": 4.0}, True),
        (lambda one: one.custom_property("count") > 3, {"count": 3.0}, False),
        (lambda one: one.custom_property("state") == "ok", {"state": "ok"}, True),
        (
            lambda one: (
                tfx.dsl.placeholders.logical_not(one.custom_property("count") > 3)
                if hasattr(tfx.dsl.placeholders, "logical_not")
                else one.custom_property("count") < 4
            ),
            {"count": 3.0},
            True,
        ),
    ],
)
def test_what_tfx_compiles_is_evaluated(make_predicate, metadata, expected):
    condition, name = compiled_condition(make_predicate)
    assert holds(condition, {name: {"metadata": metadata, "uri": ""}}, {}) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("inputs.artifacts['blessing'].artifacts[0].metadata['blessed'] == 1.0", True),
        ("!(inputs.artifacts['blessing'].artifacts[0].metadata['blessed'] == 1.0)", False),
        ("inputs.parameter_values['span'] != 3 && inputs.parameter_values['span'] <= 7", True),
        ("inputs.parameter_values['span'] < 7 || inputs.parameter_values['span'] > 7", False),
        ("inputs.artifacts['blessing'].artifacts[0].metadata['note'] == 'a && b'", True),
        ("inputs.artifacts['blessing'].artifacts[0].uri == ('gs://b/' + '1')", True),
    ],
)
def test_every_sign_of_the_subset_is_known(condition, expected):
    assert holds(condition, BLESSED, {"span": 7}) is expected


@pytest.mark.parametrize(
    "condition",
    [
        "inputs.artifacts['nobody'].artifacts[0].uri == 'x'",
        "__import__('os').getcwd() == 'x'",
        "inputs.__class__ == 'x'",
        "1 ==",
        "size(inputs) == 1",
    ],
)
def test_anything_else_is_refused(condition):
    with pytest.raises(SpecificationError, match="cannot be evaluated"):
        holds(condition, BLESSED, {})
