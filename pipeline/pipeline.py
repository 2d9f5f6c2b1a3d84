"""The pipeline's wiring: which component feeds which. A runner adds a submit call and no more.

Enters: a `Config` and where artifacts and work in progress lie. Leaves: a `tfx.dsl.Pipeline`, the
same for every runner.

    posts, labels -> PostsExampleGen -> StatisticsGen, HeadsSchema -> ExamplesValidator
        -> Transform -> Table -> Baseline
        -> Tuner -> Trainer -> HeadEvaluator, ServingCheck -> VersionedPusher
        -> DataProfile, AnswersProfile -> RunReport
"""

from __future__ import annotations

import json

from tfx import v1 as tfx
from tfx.dsl.components.base import base_node
from tfx.extensions.google_cloud_ai_platform.pusher.component import Pusher as VertexPusher
from tfx.orchestration import metadata
from tfx.types import standard_artifacts
from tfx.utils import json_utils

from components.comparison.component import HeadComparison
from components.features.schema import HeadsSchema
from components.features.statistics import LabelStatisticsGen
from components.features.text_transform import TextTransform
from components.features.validation import ExamplesValidator, LastSpanStrategy
from components.heads.declared import heads_to_json
from components.ingest.example_gen import PostsExampleGen
from components.judging.baseline import ModelBeforeStrategy
from components.judging.evaluator import HeadEvaluator
from components.judging.in_service import ModelInService
from components.linear.component import Baseline
from components.report.profiles import AnswersProfile, DataProfile
from components.report.run_report import RunReport
from components.retraining.keeper import RunKeeper
from components.retraining.planner import RetrainingPlanner
from components.retraining.planning import Setup
from components.serving.check import ServingCheck
from components.serving.pusher import VersionedPusher
from components.table.component import TableMaker
from components.training.hooks import HookSettings
from components.training.search import HeadTuner
from components.training.settings import TunerSettings
from components.training.trainer_component import HeadTrainer, VertexTrainer
from components.training.vertex import VertexTuner
from pipeline.beam import beam_arguments
from pipeline.config import Config
from pipeline.console import TITLES
from pipeline.kinds import load_kinds
from pipeline.platform import THIS_MACHINE, Platform


def create_pipeline(
    config: Config,
    root: str,
    state: str = "",
    settings_file: str = "",
    metadata_connection: metadata.metadata_store_pb2.ConnectionConfig | None = None,
    platform: Platform = THIS_MACHINE,
    decision: str = "",
) -> tfx.dsl.Pipeline:
    """Wires the components.

    Args:
        config: of the run.
        root: folder or bucket of the artifacts.
        state: folder where a search or a fit outlives a kill; empty: nowhere.
        settings_file: that repeats the run, for the commands in its report; empty: unknown.
        metadata_connection: MLMD; None where the platform brings its own.
        platform: choices of a cloud platform.
        decision: of a retraining, as JSON, for the report; empty: the run was asked for.
    """
    load_kinds(config.head_list)
    heads = heads_to_json(config.head_list)
    planner = plan = None
    if platform.history:
        planner = RetrainingPlanner(
            setup=Setup.of(config).model_dump_json(),
            history=platform.history,
            destination=platform.parameters["push"],
            **platform.submitted("posts", "labels", "span", "train"),
        )
        plan = planner.outputs["plan"].future()[0].value
    ingest = PostsExampleGen(
        posts=config.posts,
        labels=config.labels,
        heads=heads,
        ingest=config.ingest.model_dump_json(),
        submitted=platform.submitted("posts", "labels", "span"),
        plan=plan,
    )
    # Statistics of labels alone: the top values of `posts` would be authors' texts.
    statistics = LabelStatisticsGen(
        examples=ingest.outputs["examples"], labels=list(config.heads)
    ).with_id("StatisticsGen")
    schema = HeadsSchema(heads=heads, validation=config.validation.model_dump_json())
    components = [*([planner] if planner else []), ingest, statistics, schema]
    previous_statistics = None
    if not platform.history:
        last_span = tfx.dsl.Resolver(
            strategy_class=LastSpanStrategy,
            statistics=statistics.outputs["statistics"],
            previous_statistics=tfx.dsl.Channel(type=standard_artifacts.ExampleStatistics),
        ).with_id("LastSpan")
        components.append(last_span)
        previous_statistics = last_span.outputs["previous_statistics"]
    validator = ExamplesValidator(
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        heads=heads,
        previous_statistics=previous_statistics,
        history=platform.history or None,
    )
    transform = TextTransform(
        examples=ingest.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="components.features.transform.preprocessing_fn",
        custom_config={"heads": heads, "text": config.text.model_dump_json()},
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        disable_statistics=not config.transform_statistics,
        # Vocabularies are counted anew whatever it holds, and no run reads it.
        disable_analyzer_cache=True,
    ).with_id("Transform")
    transform.add_upstream_node(validator)
    table = TableMaker(
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        width=config.network.table_width,
        seed=config.training.seed,
    ).with_id("Table")
    baseline = Baseline(
        transformed_examples=transform.outputs["transformed_examples"],
        table=table.outputs["table"],
        heads=heads,
        settings=config.baseline.model_dump_json(),
    )
    components += [validator, transform, table, baseline]
    read_beside = {"table": table.outputs["table"], "baseline": baseline.outputs["baseline"]}
    training_inputs = {
        **read_beside,
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "schema": schema.outputs["schema"],
        "train_args": tfx.proto.TrainArgs(splits=["train"]),
        "eval_args": tfx.proto.EvalArgs(splits=["eval"]),
    }
    hyperparameters = tuner_results = None
    if config.hyperparameters_from:
        earlier = tfx.dsl.Importer(
            # The artifact is the folder; the file in it has the one name that TFX gives it.
            source_uri=config.hyperparameters_from.rpartition("/")[0] or ".",
            artifact_type=standard_artifacts.HyperParameters,
        ).with_id("EarlierHyperparameters")
        components.append(earlier)
        hyperparameters = earlier.outputs["result"]
    elif config.tune:
        tuner_class = VertexTuner if platform.search_job else HeadTuner
        tuner = tuner_class(
            tuner_fn="components.training.tuner.tuner_fn",
            custom_config=json_utils.dumps(
                {**_hook_settings(config, config.tuner, state), **platform.search_job}
            ),
            plan=plan,
            **platform.submitted("trials"),
            **training_inputs,
        ).with_id("Tuner")
        components.append(tuner)
        hyperparameters = tuner.outputs["best_hyperparameters"]
        tuner_results = tuner.outputs["tuner_results"]
    trainer_class = VertexTrainer if platform.training_job else HeadTrainer
    trainer = trainer_class(
        run_fn="components.training.trainer.run_fn",
        # The search's settings are no input of the fit: changing them must not repeat it.
        custom_config=json_utils.dumps(
            {
                **_hook_settings(config, TunerSettings(), state, config.warm_start_from),
                **platform.training_job,
            }
        ),
        hyperparameters=hyperparameters,
        plan=plan,
        **training_inputs,
    ).with_id("Trainer")
    if platform.history:
        in_service = ModelInService(
            candidate=trainer.outputs["model"], destination=platform.parameters["push"]
        )
    else:
        in_service = tfx.dsl.Resolver(
            strategy_class=ModelBeforeStrategy,
            candidate=trainer.outputs["model"],
            model=tfx.dsl.Channel(type=standard_artifacts.Model),
            model_blessing=tfx.dsl.Channel(type=standard_artifacts.ModelBlessing),
        ).with_id("ModelInService")
    evaluator = HeadEvaluator(
        examples=ingest.outputs["examples"],
        model=trainer.outputs["model"],
        heads=heads,
        settings=config.judging.model_dump_json(),
        baseline_model=in_service.outputs["model"],
    )
    check = ServingCheck(
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        examples=ingest.outputs["examples"],
        timeout_seconds=config.serving_check_timeout_seconds,
    )
    pusher = VersionedPusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=check.outputs["infra_blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=config.serving_folder)
        ),
        destination=platform.parameters.get("push"),
    )
    data = DataProfile(
        examples=ingest.outputs["examples"],
        transformed_examples=transform.outputs["transformed_examples"],
        statistics=statistics.outputs["statistics"],
        heads=heads,
        maximum_bytes=config.text.maximum_bytes,
    )
    answers = AnswersProfile(
        examples=ingest.outputs["examples"],
        model=trainer.outputs["model"],
        statistics=statistics.outputs["statistics"],
        heads=heads,
    )
    explaining: list[base_node.BaseNode] = [data, answers]
    comparison = None
    if config.compare:
        compared = HeadComparison(
            examples=ingest.outputs["examples"],
            transformed_examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            settings=json.dumps(_hook_settings(config, TunerSettings(), state), sort_keys=True),
            seeds=config.compare_seeds,
            hyperparameters=hyperparameters,
            **read_beside,
        )
        explaining.append(compared)
        comparison = compared.outputs["comparison"]
    # What only explains a run must not hold up its push.
    for component in explaining:
        component.add_upstream_node(pusher)
    report = RunReport(
        heads=heads,
        card=config.card.model_dump_json(),
        titles=json.dumps(TITLES),
        config=settings_file,
        reachable=config.reachable,
        decision=decision,
        retraining=planner.outputs["decision"] if planner else None,
        blessing=evaluator.outputs["blessing"],
        infra_blessing=check.outputs["infra_blessing"],
        pushed_model=pusher.outputs["pushed_model"],
        model_run=trainer.outputs["model_run"],
        audit=ingest.outputs["audit"],
        data=data.outputs["profile"],
        answers=answers.outputs["profile"],
        anomalies=validator.outputs["anomalies"],
        transform_graph=transform.outputs["transform_graph"],
        tuner_results=tuner_results,
        comparison=comparison,
    )
    components += [trainer, in_service, evaluator, check, pusher, *explaining, report]
    if planner:
        keeper = RunKeeper(
            history=platform.history,
            plan=plan,
            examples=ingest.outputs["examples"],
            audit=ingest.outputs["audit"],
            statistics=statistics.outputs["statistics"],
            model_run=trainer.outputs["model_run"],
            pushed_model=pusher.outputs["pushed_model"],
            hyperparameters=hyperparameters if tuner_results else None,
        )
        components.append(keeper)
    if platform.endpoint:
        endpoint = VertexPusher(
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            infra_blessing=check.outputs["infra_blessing"],
            custom_config=dict(platform.endpoint),
        ).with_id("EndpointPusher")
        endpoint.add_upstream_node(pusher)
        components.append(endpoint)
    return tfx.dsl.Pipeline(
        pipeline_name=config.name,
        pipeline_root=root,
        components=components,
        enable_cache=config.cache,
        metadata_connection_config=metadata_connection,
        beam_pipeline_args=(
            beam_arguments(config.beam)
            if platform.beam_arguments is None
            else platform.beam_arguments
        ),
    )


def _hook_settings(
    config: Config, tuner: TunerSettings, state: str, warm_start: str = ""
) -> dict[str, str]:
    settings = HookSettings(
        heads=config.head_list,
        text=config.text,
        network=config.network,
        training=config.training,
        tuner=tuner,
        judging=config.judging,
        state=state,
        warm_start=warm_start,
        by_hand=config.set_by_hand,
        train_share=config.ingest.splits.train,
    )
    return settings.to_custom_config()
