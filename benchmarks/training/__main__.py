"""Measures training: tokens a second, and seconds to a given skill on `eval`.

    python -m benchmarks.training [--authors 1000] [--rounds 5] [--steps 8] [--skill 0.1]

Every contender trains the reference network of 14,146,316 parameters on the same authors in batches
of 32; `authorprofile conv` trains the default network, another function, on top of its table and
linear baseline (`benchmarks.networks.own`), whose making counts among its seconds to a skill.
Tokens are those that were read; padding does not count. To a skill each trains anew in every round,
from the weights it started with and on authors in another order. Cost: some 20 minutes on two
cores, and once 5 GB of packages for PyTorch, in `.cache/peers`.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable

from benchmarks.machine import measure_machine
from benchmarks.networks.contenders import Contender
from benchmarks.networks.corpus import add_options, count_training_authors, write_corpus
from benchmarks.networks.roster import FINER, KERAS, OWN, ask_each, make_parser, start_contenders
from benchmarks.side_by_side import Comparison, measure_in_turn, write_results

WARM_UP_STEPS = 3


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = make_parser("training", (__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=8, help="batches of 32 a measurement")
    parser.add_argument("--skill", type=float, default=0.1, help="mean skill on eval to reach")
    parser.add_argument("--epochs", type=int, default=8, help="passes at the most; 0: not measured")
    add_options(parser)
    options = parser.parse_args(arguments)
    corpus = write_corpus(options.out, options.authors, options.essays)
    with start_contenders(options.contenders, corpus) as (contenders, notes):
        warm_up(contenders, notes)
        speeds = {name: _speed(contender, options.steps) for name, contender in contenders.items()}
        figures = measure_in_turn(speeds, options.rounds)
        comparisons = [Comparison("Training", "tokens a second", KERAS, figures)]
        if options.epochs:
            epoch_steps = max(count_training_authors(corpus) // 32, 1)
            trainings = {
                name: _training(name, contender, options, epoch_steps, notes)
                for name, contender in contenders.items()
            }
            reached = measure_in_turn(trainings, options.rounds)
            # A ratio is taken within a round: only of those that reached the skill in each.
            reached = {name: told for name, told in reached.items() if math.isfinite(max(told))}
            if KERAS in reached:
                title = f"Training to a mean skill of {options.skill:g} on eval"
                comparisons.append(
                    Comparison(title, "seconds", KERAS, reached, smaller_is_better=True)
                )
    write_results("training", comparisons, measure_machine(), options.out, notes)
    return 0


def warm_up(contenders: dict[str, Contender], notes: list[str]) -> None:
    """Lets each contender build what it builds once; notes what is to be told of them."""
    parameters = ask_each(contenders, notes, "parameters")
    ask_each(contenders, notes, "train", steps=WARM_UP_STEPS)
    notes.append(
        "parameters: " + ", ".join(f"{name} {count:,}" for name, count in parameters.items())
    )
    for name in filter(contenders.get, (OWN, FINER)):
        padding, distinct = (contenders[name].ask(what) for what in ("padding", "distinct"))
        notes.append(f"{name}: padding {padding:.1%} of a batch; distinct tokens {distinct:.1%}")


def seconds_to_skill(
    contender: Contender, skill: float, epochs: int, steps: int
) -> tuple[float, str]:
    """Seconds of a training from its start until the skill is reached, and a note.

    What a contender makes before its first step, which it tells at `restart`, counts; `eval` does
    not. Seconds are infinite where the epochs end first.
    """
    seconds, best = contender.ask("restart") or 0.0, float("-inf")
    for _ in range(epochs):
        seconds += contender.ask("train", steps=steps)["seconds"]
        best = max(best, contender.ask("skill"))
        if best >= skill:
            return seconds, f"skill {best:.3f} after {seconds:.1f} s"
    return math.inf, f"skill {best:.3f} after {epochs} epochs and {seconds:.1f} s"


def _training(
    name: str, contender: Contender, options: argparse.Namespace, steps: int, notes: list[str]
) -> Callable[[], float]:
    def measure() -> float:
        seconds, note = seconds_to_skill(contender, options.skill, options.epochs, steps)
        notes.append(f"{name}: {note}")
        return seconds

    return measure


def _speed(contender: Contender, steps: int) -> Callable[[], float]:
    def measure() -> float:
        told = contender.ask("train", steps=steps)
        return float(told["tokens"]) / float(told["seconds"])

    return measure


if __name__ == "__main__":
    sys.exit(main())
