"""How sure the network may be: a temperature or an interval's half width, on held-out authors.

Enters: what a training leaves. Leaves: per head a `Calibration`, which `export` bakes into the
served answers and writes into `assets/heads.json`. Each head fits its own
(`components.heads.calibration`).

| kind | fitted | how |
|---|---|---|
| classes, binary | `temperature`, divides the logits | least cross-entropy over the known labels |
| regression | `half_width` of the interval around the answer | quantile of the absolute residuals |

`eval` has also chosen the epoch and the settings, so what is fitted on it is a little too sure of
itself; the report judges it on `test`. Where fewer than `MINIMUM_LABELS` labels are known, or the
known ones cannot tell the temperature from 1, it stays 1: chance would move it, on a few hundred
authors by a tenth, and answers about others would get worse as often as better. Nor is it below 1
where the network that serves has learned from `eval` since, and is surer by that. Where too few
residuals are known for the coverage asked for, there is no interval.

References: Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2. Lei et al.,
"Distribution-Free Predictive Inference for Regression", 2018, algorithm 2 (split conformal).
"""

from __future__ import annotations

from collections.abc import Mapping

from components.heads.calibration import Calibration
from components.training.learning import Learned


def calibrate(
    learned: Learned,
    scales: Mapping[str, float],
    coverage: float,
    *,
    of_baseline: bool = False,
) -> dict[str, Calibration]:
    """Fits every head's calibration on the authors that its shares were found on.

    Args:
        learned: of `learning.learn`.
        scales: of each head, what 1 of an output is in the unit of its answer.
        coverage: share of authors that an interval is to hold.
        of_baseline: of the linear baseline's answers in place of the network's.
    """
    # What has learned from `eval` too is surer by itself; a temperature may not make it surer.
    lowest = 1.0 if learned.refitted else 0.0
    fitted = {}
    for head in learned.heads:
        labels, answers = learned.held_out_answers(head.name, of_baseline=of_baseline)
        fitted[head.name] = head.calibrate(
            answers, labels, coverage=coverage, lowest=lowest, scale=scales[head.name]
        )
    return fitted
