"""The rows of the table by their names: what each learns with, and from which authors.

| row | what |
|---|---|
| `constant` | the median or the shares of `train` |
| `linear` | TF-IDF with a linear model a head, which learns from `eval` too |
| `tuner` | the pipeline: search, then fit |
| `equal` | the fit alone, every loss weight 1 |
| `hand` | the fit alone, weights age 0.25, income 1, gender 10 |
| `uncertainty` | weights learned beside the network (Kendall 2018) |
| `single` | a network a head |
| `baseline` | the linear baseline inside the network |
| `no-convolution`, `no-pool` | `equal` without that path |
| `reference` | `equal` with the textbook network |
| `keras` | the textbook network by a plain Keras script, until three epochs gain nothing |
| `sklearn:<name>` | another model without a network, of those that `shallow` lists |
| `hidden:<head>` | `equal`, half of the head's labels hidden in `train` and `eval` |
| `absent:<head>` | `equal`, the authors whose labels `hidden` hides left out altogether |
| `fewer:<n>` | `equal`, learned from n authors in all, `eval` among them |
| `fewer:<n>:<row>` | the same with any row above `hidden`: `fewer:1000:sklearn:pairs` |

Where another head is better in `hidden` than in `absent`, authors without a label help.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.quality.shallow import SHALLOW
from components.heads.declared import Heads

ROWS = ("constant", "linear", "tuner", "equal", "hand", "uncertainty", "single")
PLAIN = "keras"
PARTS = ("baseline", "no-convolution", "no-pool", "reference", PLAIN)
LEARNERS = (*ROWS, *PARTS, *(f"sklearn:{name}" for name in SHALLOW))
CHANGES = ("hidden", "absent", "fewer")


@dataclass(frozen=True)
class Row:
    """A row's name, read.

    Attributes:
        learner: one of `LEARNERS`.
        change: one of `CHANGES`, of the authors it learns from; or empty.
        what: the head whose labels are hidden, or how many authors are left.
    """

    learner: str
    change: str = ""
    what: str = ""

    @property
    def has_seed(self) -> bool:
        """Whether another seed would give another result."""
        return self.learner not in ("constant", "linear") and not self.shallow

    @property
    def shallow(self) -> str:
        """The model's name in `SHALLOW`; empty where it is none of them."""
        kind, _, name = self.learner.partition(":")
        return name if kind == "sklearn" else self.learner if self.learner == "linear" else ""

    @property
    def kept(self) -> str:
        """How many authors are left to learn from; empty where all are."""
        return self.what if self.change == "fewer" else ""

    def cut_to(self, kept: str) -> Row:
        """The same, learned from so many authors; itself where `kept` is empty."""
        return Row(self.learner, "fewer", kept) if kept else self


def read_row(name: str) -> Row:
    """What a name says, whether or not there is such a row.

    >>> read_row("fewer:1000:sklearn:pairs")
    Row(learner='sklearn:pairs', change='fewer', what='1000')
    >>> read_row("fewer:1000") == read_row("fewer:1000:equal")
    True
    """
    change, _, rest = name.partition(":")
    if change not in CHANGES:
        return Row(name)
    what, _, learner = rest.partition(":")
    return Row(learner or "equal", change, what)


def check_row(name: str, heads: Heads) -> None:
    """Raises ValueError unless it is a row of the table above."""
    hiding = [f"{kind}:{head.name}" for kind in ("hidden", "absent") for head in heads]
    row, rows = read_row(name), [*LEARNERS, *hiding]
    is_cut = re.fullmatch("[1-9][0-9]*", row.kept) and row.learner in LEARNERS
    if name not in rows and not is_cut:
        raise ValueError(
            f"A row is one of {', '.join(rows)}, or fewer:<n>, or fewer:<n>:<row>. Received: {name}"
        )
