"""Measures the quality of what the pipeline trains and prints the table.

    python -m benchmarks.quality --posts posts.jsonl.gz --labels labels.csv --heads age,gender

`make quality` calls it. Cost: with the default rows, one training a row, fold and seed, and as many
as `tuner.trials` for the row `tuner`.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code: 0 measured, 2 a wrong argument."""
    from pipeline.config import ConfigError, load_config

    options = _parser().parse_args(arguments)
    heads = options.heads.split(",") if options.heads else None
    try:
        config = load_config(
            options.config, options.set, heads, posts=options.posts, labels=options.labels
        )
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("authorprofile").setLevel(logging.INFO)
    import tensorflow as tf

    from benchmarks.quality.less import read_less
    from benchmarks.quality.measure import Measurement, check_folder, measure
    from benchmarks.quality.rows import ROWS, check_row
    from benchmarks.quality.table import CHOSEN, make_table
    from components.training.hooks import HookSettings

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    settings = HookSettings(
        config.head_list,
        config.text,
        config.network,
        config.training,
        config.tuner,
        config.judging,
        by_hand=config.set_by_hand,
    )
    measurement = Measurement(
        config.posts, config.labels, settings, options.folds, Path(options.out)
    )
    rows = options.rows.split(",") if options.rows else list(ROWS)
    try:
        for row in rows:
            check_row(row, config.head_list)
        check_folder(measurement)
        for name in options.less or ():
            read_less(name, measurement.out, {})
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    judged = [int(n) for n in options.only.split(",")] if options.only else range(options.folds)
    measure(measurement, rows, judged, [int(seed) for seed in options.seeds.split(",")])
    table = make_table(measurement.out, config.head_list, options.less or (CHOSEN,))
    (measurement.out / "table.md").write_text(table + "\n", encoding="utf-8")
    sys.stdout.write(f"{table}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="quality", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--config", type=Path, help="the configuration, as `authorprofile run` has")
    parser.add_argument("--posts", nargs="+", help="files of posts")
    parser.add_argument("--labels", nargs="+", help="files of labels")
    parser.add_argument("--heads", help="heads to keep, with commas")
    parser.add_argument("--set", action="append", default=[], help="key=value of the configuration")
    parser.add_argument("--rows", help="rows to measure, with commas; see `rows`")
    parser.add_argument("--folds", type=int, default=5, help="parts that the authors are cut into")
    parser.add_argument("--only", help="numbers of the folds to judge, with commas")
    parser.add_argument("--seeds", default="1,2,3", help="with commas")
    parser.add_argument("--threads", type=int, default=2, help="of TensorFlow")
    parser.add_argument("--less", action="append", help="rows to compare with; see `less`")
    parser.add_argument("--out", default="runs/quality", help="folder of the results")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
