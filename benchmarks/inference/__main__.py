"""Measures inference: authors a second in bulk, and seconds for one author.

    python -m benchmarks.inference [--authors 1000] [--rounds 5] [--bulk 256]

The reference network, as it is before training, whose speed is the same. `authorprofile` answers
raw text through the served signature `posts`, tokenisation included; `authorprofile, ids` is its
network alone; `authorprofile conv` is the default network. The peers are given token ids; in rows
of `raw text` Keras cuts it by its layer `TextVectorization` with the default settings, Ludwig in
its own way. Cost: some 5 minutes on two cores, beside what `benchmarks.training` tells of
environments.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.machine import measure_machine
from benchmarks.networks.contenders import Contender
from benchmarks.networks.corpus import add_options, count_training_authors, write_corpus
from benchmarks.networks.roster import KERAS, ask_each, make_parser, start_contenders
from benchmarks.side_by_side import Comparison, measure_in_turn, write_results

LENGTHS = (50, 400, 2_000)
CUT_TEXT = ("Keras", "Ludwig")
"""Peers that answer token ids, and in rows of their own raw text."""


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = make_parser("inference", (__doc__ or "").split("\n")[0])
    parser.add_argument("--bulk", type=int, default=256, help="authors of a bulk measurement")
    parser.add_argument("--times", type=int, default=10, help="answers of a latency measurement")
    add_options(parser)
    options = parser.parse_args(arguments)
    corpus = write_corpus(options.out, options.authors, options.essays)
    authors = min(options.bulk, count_training_authors(corpus))
    with start_contenders(options.contenders, corpus) as (contenders, notes):
        ask_each(contenders, notes, "answer", authors=1)
        bulk = {name: _bulk(one, "answer", authors) for name, one in contenders.items()}
        for name, one in contenders.items():
            if name.startswith("authorprofile"):
                bulk[f"{name}, ids"] = _bulk(one, "answer_ids", authors)
            elif name.startswith(CUT_TEXT):
                bulk[f"{name}, raw text"] = _bulk(one, "answer_texts", authors)
        comparisons = [_compare("Inference in bulk", "authors a second", bulk, options.rounds)]
        for tokens in LENGTHS:
            one_author = {
                name: partial(_milliseconds, one, "answer_one", tokens, options.times)
                for name, one in contenders.items()
            }
            one_author |= {
                f"{name}, raw text": partial(
                    _milliseconds, one, "answer_one_text", tokens, options.times
                )
                for name, one in contenders.items()
                if name.startswith(CUT_TEXT)
            }
            title = f"One author of {tokens:,} tokens"
            comparisons.append(_compare(title, "milliseconds", one_author, options.rounds))
    write_results("inference", comparisons, measure_machine(), options.out, notes)
    return 0


def _compare(
    title: str, unit: str, contenders: Mapping[str, Callable[[], float]], rounds: int
) -> Comparison:
    for measure in contenders.values():
        measure()
    figures = measure_in_turn(contenders, rounds)
    return Comparison(title, unit, KERAS, figures, smaller_is_better=unit == "milliseconds")


def _bulk(contender: Contender, request: str, authors: int) -> Callable[[], float]:
    return lambda: authors / float(contender.ask(request, authors=authors))


def _milliseconds(contender: Contender, request: str, tokens: int, times: int) -> float:
    return 1_000 * float(contender.ask(request, tokens=tokens, times=times))


if __name__ == "__main__":
    sys.exit(main())
