"""Which heads are good enough for service, and how much the others fall short.

Enters: each head's scores on `test`, and beside them those of the deployed model and of the linear
baseline inside the model. Leaves: a `Verdict`, the content of `verdict.json`; a model is blessed
only if no head falls short. Knows nothing of TFX.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from components.heads.declared import HEADS, known_kind
from components.heads.metrics import format_estimate, format_number
from components.judging.bootstrap import MINIMUM_LABELS
from components.judging.settings import JudgingSettings
from components.strict import Strict

VERDICT_FILE = "verdict.json"
_ROUNDING = 1e-9


class Estimate(Strict):
    """A score with its interval; None where the authors at hand cannot tell."""

    value: float | None
    lower: float | None = None
    upper: float | None = None


class HeadResult(Strict):
    """What a head reached on some authors, and what the constant baseline would have."""

    name: str
    kind: Annotated[str, AfterValidator(known_kind)]
    unit: str = Field("", description="of those metrics that have one")
    labels: int = Field(description="authors whose label is known")
    metrics: dict[str, Estimate] = Field(description="by name, as in `Head.metrics`, skill apart")
    constant: dict[str, float | None] = Field(description="the constant baseline's, same names")
    skill: Estimate = Field(description="1 - loss / loss of the constant baseline")


class Comparison(Strict):
    """A head beside the same head of the deployed model, on the same authors."""

    baseline_skill: Estimate | None = None
    baseline_metrics: dict[str, Estimate] = Field(
        default_factory=dict, description="by name, as the candidate's own"
    )
    difference: Estimate | None = Field(None, description="skill minus the baseline's, paired")
    note: str = Field("", description="why there is nothing to compare, or what to mind")

    def with_note(self, note: str) -> Comparison:
        """The same with a note; a comparison that came to nothing has one of its own."""
        if not note and self.difference is not None and self.difference.value is None:
            note = "judged against the constant baseline alone: the deployed model has no skill"
        return self.model_copy(update={"note": note})


class LinearBaseline(Strict):
    """The linear baseline inside the model, on the same authors. It blocks nothing."""

    metrics: dict[str, Estimate] = Field(description="by name, as the head's own")
    skill: Estimate
    added: Estimate = Field(
        description="what the shared network adds: the head's skill minus this one, paired"
    )


class HeadVerdict(HeadResult):
    """A head's result, judged."""

    comparison: Comparison
    linear_baseline: LinearBaseline | None = Field(
        None, description="of a model that answers by one; verdicts of before have none"
    )
    blessed: bool
    accepted: bool = Field(description="blessed by the settings alone, not by its skill")
    reason: str = Field(description="in plain words; where it falls short, by how much")


class SliceResult(Strict):
    """Every head's result on the authors who share a value; read by people, it blocks nothing.

    Constants are the slice's own: inside one age band hardly any age head beats the band's mean,
    so there its error tells more than its skill.
    """

    head: str = Field(description="head whose value or band the authors share")
    value: str
    authors: int
    results: list[HeadResult]


class Baseline(Strict):
    """The deployed model, which the candidate was compared with."""

    uri: str
    artifact_id: int
    left_out: str = Field("", description="why no head of it could be compared; else empty")


class Verdict(Strict):
    """The judgement of one model."""

    blessed: bool
    falling_short: list[str] = Field(description="names of the heads that blocked")
    split: str
    authors: int = Field(description="authors of the split, labels known or not")
    confidence: float = Field(description="level of every interval")
    settings: JudgingSettings
    baseline: Baseline | None
    heads: list[HeadVerdict]
    slices: list[SliceResult]


def judge_head(
    result: HeadResult,
    comparison: Comparison,
    settings: JudgingSettings,
    linear_baseline: LinearBaseline | None = None,
) -> HeadVerdict:
    """Holds a head's skill against the constant baseline and against the deployed model.

    The lower end of the interval must exceed `minimum_skill`, unless the head is in `accept`; the
    difference itself must not be below `-tolerated_drop`, accepted or not.
    """
    below_constant = _shortfall_of_skill(result, settings)
    below_baseline = _shortfall_of_difference(comparison, settings)
    accepted = bool(below_constant) and result.name in settings.accept
    short = [text for text in ("" if accepted else below_constant, below_baseline) if text]
    if short:
        reason = " and ".join(short)
    elif accepted:
        reason = f"accepted by the settings, though it {below_constant}"
    else:
        reason = f"its whole interval of skill is above {settings.minimum_skill:g}"
    return HeadVerdict(
        **dict(result),
        comparison=comparison,
        linear_baseline=linear_baseline,
        blessed=not short,
        accepted=accepted and not short,
        reason=reason,
    )


def _shortfall_of_skill(result: HeadResult, settings: JudgingSettings) -> str:
    if result.labels < MINIMUM_LABELS:
        return (
            f"has {result.labels} known labels on the split, and an interval needs "
            f"{MINIMUM_LABELS}: give more authors, or accept the head"
        )
    lower = result.skill.lower
    if result.skill.value is None or lower is None:
        return "has no skill that could be told: too many of its known labels are the same"
    if lower > settings.minimum_skill:
        return ""
    return (
        f"falls short by {_gap(settings.minimum_skill - lower)}: the lower end of its skill "
        f"interval is {lower:.3f} and must exceed {settings.minimum_skill:g}"
    )


def _shortfall_of_difference(comparison: Comparison, settings: JudgingSettings) -> str:
    if comparison.difference is None or comparison.difference.value is None:
        return ""
    drop = -comparison.difference.value
    if drop <= settings.tolerated_drop + _ROUNDING:
        return ""
    return (
        f"falls short by {_gap(drop - settings.tolerated_drop)}: its skill is {drop:.3f} below "
        f"that of the deployed model, and {settings.tolerated_drop:g} is tolerated"
    )


def _gap(amount: float) -> str:
    return f"{amount:.3f}" if amount >= 0.001 else "less than 0.001"


def describe(verdict: HeadVerdict) -> str:
    """One line for the console, such as
    `age: MAE 4.10 years [3.80, 4.50], linear baseline 4.30, constant baseline 8.20, skill 0.610
    [0.520, 0.690]: blessed`.
    """
    leading = HEADS[verdict.kind].metrics[0]
    unit = verdict.unit if leading.has_unit else ""
    told = verdict.model_dump()
    score = format_estimate(told["metrics"].get(leading.key), unit)
    line = f"{verdict.name}: {leading.short} {score}, "
    if verdict.linear_baseline:
        linear = told["linear_baseline"]["metrics"].get(leading.key, {})
        line += f"linear baseline {format_number(linear.get('value'))}, "
    constant = format_number(verdict.constant.get(leading.key))
    line += f"constant baseline {constant}, skill {format_estimate(told['skill'])}: "
    if not verdict.blessed:
        return f"{line}not blessed, it {verdict.reason}"
    return line + (verdict.reason if verdict.accepted else "blessed")
