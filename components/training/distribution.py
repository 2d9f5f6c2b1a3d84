"""Training on several devices and several machines: each step takes the batch that one would take.

Enters: `training.devices`, and `TF_CONFIG`, in which Vertex AI and Kubeflow's training operator say
who trains together. Leaves: the `tf.distribute` strategy that the network is built under, and the
epochs trained by it. Called by `trainer` and `fitting`. Knows nothing of TFX.

A *replica* is one device of one worker, a *worker* one process, the *chief* the worker that keeps
checkpoints and exports. Each worker reads the same batches in the same order; a replica takes its
rows of each, and the sum of the replicas' gradients is that of the whole batch. Metrics are summed
over replicas before they are read, so every worker sees the same objective and stops at the same
epoch. Keras's own `fit` does not do this: under MultiWorkerMirroredStrategy it fails at its first
batch (Keras 3.15; keras-team/keras#20585), and it averages the losses of shares of unequal size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.distribute import multi_worker_util
from tensorflow.python.eager import context

from components.training.standardise import Standardise

ROLES = ("chief", "worker")
SECONDS_TO_MEET = 1800
SECONDS_OF_SILENCE = 60
"""After them a worker counts as lost."""


def choose_strategy(devices: str, tf_config: str | None) -> tf.distribute.Strategy:
    """How to train here; joins the other workers where `tf_config` names any, and waits for them.

    Args:
        devices: of `training.devices`.
        tf_config: the variable's text; None: it is not set, and this worker the only one.

    Raises:
        ValueError: the variable cannot be used, or comes too late in this process.
    """
    if count_workers(tf_config) > 1:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        _bound_waits(resolver)
        try:
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
        except RuntimeError as error:
            raise ValueError(
                "Several workers must meet before TensorFlow is used in their processes. Received: "
                f"TF_CONFIG in a process where it was ({error}). Start the training step as a "
                "process of its own, or unset TF_CONFIG."
            ) from error
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if devices == "one" or len(found) == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in found])


def _bound_waits(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> None:
    """Says how long to wait for other workers, which no public call of TensorFlow does.

    Its own bounds give a worker up that a busy machine holds back for 10 s, and one that never
    comes after an hour.
    """
    cluster = multi_worker_util.normalize_cluster_spec(resolver.cluster_spec())
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=multi_worker_util.coordination_leader(cluster),
        cluster_register_timeout_in_ms=1000 * SECONDS_TO_MEET,
        heartbeat_timeout_in_ms=1000 * SECONDS_OF_SILENCE,
        coordinated_jobs=[
            coordination_config_pb2.CoordinatedJob(name=job, num_tasks=cluster.num_tasks(job))
            for job in cluster.jobs
        ],
    )


def count_workers(tf_config: str | None) -> int:
    """Workers that the variable names, this one among them; 1 where it names none.

    Raises:
        ValueError: it is not a cluster of chief and workers that this process is one of.
    """
    if tf_config is None:
        return 1
    try:
        described = json.loads(tf_config)
        cluster, task = described.get("cluster", {}), described.get("task", {})
        held = {role: list(hosts) for role, hosts in cluster.items()}
        if not held:
            return 1
        wrong = sorted(set(held) - set(ROLES))
        is_there = task["type"] in held and 0 <= int(task["index"]) < len(held[task["type"]])
        has_ports = all(":" in host for hosts in held.values() for host in hosts)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(tf_config, f"{type(error).__name__}: {error}") from error
    if wrong:
        raise _unusable(tf_config, f"nothing here does the work of {' or '.join(wrong)}")
    if not is_there or not has_ports:
        missing = "the task is not in the cluster" if not is_there else "a host has no port"
        raise _unusable(tf_config, missing)
    return sum(len(hosts) for hosts in held.values())


def _unusable(tf_config: str, why: str) -> ValueError:
    return ValueError(
        "TF_CONFIG must not be set, or name a cluster of `chief` and `worker`, each a list of "
        "host:port, and the task that this process is, such as "
        '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}. '
        f"Received: {tf_config!r} ({why}). Correct it, or unset it to train on one machine."
    )


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process keeps checkpoints and exports."""
    return bool(strategy.extended.should_checkpoint)


def fit_replicas(
    model: keras.Model,
    training: tf.data.Dataset,
    *,
    initial_epoch: int,
    epochs: int,
    steps_per_epoch: int,
    validation_data: tf.data.Dataset,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: int,
) -> None:
    """What `model.fit` does with the same arguments, for a model built under a strategy.

    The batches are whole ones, the same in every worker; those of `validation_data` are counted.
    `loss` and the training's metrics weigh a batch whose rows the replicas cannot share evenly a
    little more than `fit` does; those of `validation_data` but its `val_loss` are exact.
    """
    strategy = model.distribute_strategy
    with strategy.scope():
        # Metrics must have their variables before a replica runs; Keras's trainer does the same.
        model._symbolic_build(data_batch=next(iter(training.take(1))))
    train, select = (_make_step(model, step) for step in (model.train_step, model.test_step))
    batches = iter(share_batches(training, strategy, scale=True))
    selecting = share_batches(validation_data, strategy, scale=False)
    selecting_steps = int(validation_data.cardinality())
    called = keras.callbacks.CallbackList(
        list(callbacks), model=model, epochs=epochs, steps=steps_per_epoch, verbose=verbose
    )
    model.stop_training = False
    called.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        called.on_epoch_begin(epoch)
        logs = _run_pass(model, train, batches, steps_per_epoch)
        selected = _run_pass(model, select, iter(selecting), selecting_steps)
        logs |= {f"val_{name}": value for name, value in selected.items()}
        called.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    called.on_train_end()


def _make_step(model: keras.Model, step: Callable[[Any], Any]) -> Any:
    """A training's or an evaluation's step, as a graph that takes a batch of every replica."""
    strategy = model.distribute_strategy

    @tf.function(autograph=False)
    def run(batches: Any) -> None:
        strategy.run(step, args=(next(batches),))

    return run


def _run_pass(
    model: keras.Model, step: Callable[[Any], Any], batches: Any, steps: int
) -> dict[str, float]:
    """The metrics over all rows of all replicas."""
    model.reset_metrics()
    for _ in range(steps):
        step(batches)
    return {name: float(value) for name, value in model.get_metrics_result().items()}


def share_batches(
    batches: tf.data.Dataset, strategy: tf.distribute.Strategy, *, scale: bool
) -> Any:
    """Whole batches to what each replica takes of them: consecutive rows, as many in each.

    Args:
        batches: `(inputs, targets, weights)` of `dataset.make_batches`.
        strategy: whose replicas share them.
        scale: whether weights make up for the rows that fill a batch up, which Keras's mean over
            rows counts; right for losses, and wrong for metrics, which divide by the weights.
    """
    replicas = strategy.num_replicas_in_sync
    filled = batches.map(
        lambda *batch: fill_batch(*batch, replicas=replicas, scale=scale),
        num_parallel_calls=tf.data.AUTOTUNE,
    )

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        own = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * own

        def cut(*batch: Any) -> tf.data.Dataset:
            return tf.data.Dataset.from_tensor_slices(
                tf.nest.map_structure(lambda v: _cut(v, replicas)[first : first + own], batch)
            )

        return filled.flat_map(cut).prefetch(tf.data.AUTOTUNE)

    return strategy.distribute_datasets_from_function(of_worker)


def fill_batch(
    inputs: Any, targets: Any, weights: Any, *, replicas: int, scale: bool
) -> tuple[Any, Any, Any]:
    """A batch with authors of weight 0 after its own, to a multiple of `replicas` rows."""
    rows = tf.shape(inputs["tokens"])[0]
    missing = -rows % replicas

    def fill(values: Any) -> Any:
        return tf.pad(values, [[0, missing], *[[0, 0]] * (len(values.shape) - 1)])

    inputs, targets, weights = tf.nest.map_structure(fill, (inputs, targets, weights))
    if scale:
        share = tf.cast((rows + missing) / rows, tf.float32)
        weights = {name: values * share for name, values in weights.items()}
    return inputs, targets, weights


def _cut(values: Any, replicas: int) -> Any:
    """`[rows, ...]` as `[replicas, rows / replicas, ...]`."""
    return tf.reshape(values, tf.concat([[replicas, -1], tf.shape(values)[1:]], axis=0))


def follow_chief(model: keras.Model, numbers: Iterable[float]) -> list[float]:
    """Gives every worker the chief's numbers, its weights, statistics and optimizer's state.

    So a training goes on from the chief's checkpoint alone, wherever the other workers run.
    """
    strategy = model.distribute_strategy
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
    statistics = [
        statistic
        for layer in model.layers
        if isinstance(layer, Standardise)
        for statistic in layer.non_trainable_variables
    ]
    variables = [*model.trainable_variables, *statistics, *model.optimizer.variables]
    numbers_sent = tf.constant(list(numbers), tf.float64)
    sent = [numbers_sent, *(tf.convert_to_tensor(variable) for variable in variables)]
    agreed, *values = _from_first(strategy, sent)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return [float(number) for number in agreed.numpy()]


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns when every worker has called it."""
    if strategy.num_replicas_in_sync > 1:
        _from_first(strategy, [tf.zeros([1])])


def _from_first(strategy: tf.distribute.Strategy, values: list[Any]) -> list[Any]:
    """The first replica's values, in every worker."""

    def add(values: list[Any]) -> list[Any]:
        replica = tf.distribute.get_replica_context()
        own = replica.replica_id_in_sync_group == 0
        sent = (tf.where(own, value, tf.zeros_like(value)) for value in values)
        # One by one: together they would have to be of one type.
        return [replica.all_reduce(tf.distribute.ReduceOp.SUM, value) for value in sent]

    reduced = tf.function(lambda: strategy.run(add, args=(values,)), autograph=False)()
    return [strategy.experimental_local_results(value)[0] for value in reduced]
