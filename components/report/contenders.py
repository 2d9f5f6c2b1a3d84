"""What a network is shown beside, in the words that people read, and what it adds to it.

Enters: `verdict.json` and `training.json`, of any release. Leaves: scores by contender; sentences.
Console, page and card say the same by it. Imports neither TensorFlow nor Plotly.
"""

from __future__ import annotations

from typing import NamedTuple

from components.heads.metrics import SKILL, format_estimate
from components.report.record import Json

CONSTANT, LINEAR, DEPLOYED = "constant baseline", "linear baseline", "deployed model"
REACHABLE = "best reachable"
ROUNDING = 5e-4
"""Below it a skill is shown as 0.000."""
_NETWORKS = {
    "conv": "multi-head Conv1D network",
    "reference": "multi-head Conv1D network (reference)",
}


class Contender(NamedTuple):
    """A row of scores beside the network's own.

    Attributes:
        title: for people.
        scores: by head and metric, `value`, `lower` and `upper`; what is not known is left out.
    """

    title: str
    scores: dict[str, dict[str, Json]]


def contenders(verdict: Json, reachable: Json) -> list[Contender]:
    """All that the heads were judged beside; the constant baseline always, others where known.

    Args:
        verdict: `verdict.json`.
        reachable: best reachable scores by head and metric; empty where unknown.
    """
    heads = {head["name"]: head for head in verdict["heads"]}
    found = {
        LINEAR: {name: _linear(head) for name, head in heads.items()},
        CONSTANT: {name: _values({**head["constant"], SKILL: 0.0}) for name, head in heads.items()},
        DEPLOYED: {name: _deployed(head) for name, head in heads.items()},
        REACHABLE: {name: _values(reachable.get(name, {})) for name in heads},
    }
    return [
        Contender(title, scores)
        for title, scores in found.items()
        if title == CONSTANT or any(scores.values())
    ]


def _values(scores: Json) -> dict[str, Json]:
    return {key: {"value": value} for key, value in scores.items()}


def _linear(head: Json) -> dict[str, Json]:
    linear = head.get("linear_baseline")
    return {**linear["metrics"], SKILL: linear["skill"]} if linear else {}


def _deployed(head: Json) -> dict[str, Json]:
    compared = head.get("comparison") or {}
    skill = compared.get("baseline_skill")
    return {**compared.get("baseline_metrics", {}), SKILL: skill} if skill else {}


def gains(verdict: Json, training: Json) -> list[str]:
    """A sentence a head, of what the shared network adds to it; none of a model without."""
    authors = training.get("learned_from")
    return [describe_gain(head, authors) for head in verdict["heads"] if added(head)]


def added(head: Json) -> Json:
    """What the shared network adds to a head's skill, paired by author; empty where unknown."""
    found: Json = (head.get("linear_baseline") or {}).get("added") or {}
    return found


def describe_gain(head: Json, authors: int | None = None) -> str:
    """What the shared network adds to a head, in words.

    Args:
        head: of `verdict.json`, with a linear baseline.
        authors: that the network learned from; None where that is not known.

    >>> def head(value, lower, upper):
    ...     added = {"value": value, "lower": lower, "upper": upper}
    ...     return {"name": "age", "linear_baseline": {"added": added}}
    >>> describe_gain(head(0.025, 0.018, 0.032))
    'age: the shared network adds 0.025 [0.018, 0.032] of skill to the linear baseline'
    >>> describe_gain(head(0.0, 0.0, 0.0), 531)
    '531 authors are too few for the shared network to add to age'
    >>> describe_gain(head(0.002, -0.006, 0.01), 531)
    '531 authors are too few for the shared network to add to age (0.002 [-0.006, 0.010] of skill)'
    """
    name, gain = head["name"], added(head)
    value, lower, upper = (gain.get(key) for key in ("value", "lower", "upper"))
    if value is None or lower is None or upper is None:
        return f"{name}: too few labels to tell what the shared network adds"
    if _is_nothing(gain):
        return f"{_count(authors)} authors are too few for the shared network to add to {name}"
    if lower > 0:
        told = format_estimate(gain)
        return f"{name}: the shared network adds {told} of skill to the linear baseline"
    if upper < 0:
        told = format_estimate({"value": -value, "lower": -upper, "upper": -lower})
        return f"{name}: the shared network takes {told} of skill away from the linear baseline"
    return (
        f"{_count(authors)} authors are too few for the shared network to add to {name} "
        f"({format_estimate(gain)} of skill)"
    )


def _count(authors: int | None) -> str:
    return "the" if authors is None else f"{authors:,}"


def _is_nothing(gain: Json) -> bool:
    """Whether a gain is that of a correction of which nothing is kept, but for rounding."""
    return bool(max(abs(gain["lower"]), abs(gain["upper"])) < ROUNDING)


def describe_paths(name: str, training: Json) -> str:
    """What a head loses without each path of the network; empty where it keeps nothing of them.

    >>> gain = {"value": 0.24, "lower": 0.16, "upper": 0.33}
    >>> describe_paths("gender", {"paths": {"gender": {"convolution": gain}}})
    'gender: skill falls by 0.240 [0.160, 0.330] without the convolution'
    """
    paths = training.get("paths", {}).get(name, {})
    told = [
        f"{format_estimate(gain)} without the {path}"
        for path, gain in paths.items()
        if not _is_nothing(gain)
    ]
    return f"{name}: skill falls by {', by '.join(told)}" if told else ""


def describe_network(training: Json) -> str:
    """The network by its kind and size; empty where `training.json` does not say.

    >>> describe_network({"network": {"kind": "conv"}, "parameters": 10_095_217})
    'multi-head Conv1D network, 10,095,217 parameters'
    """
    kind = training.get("network", {}).get("kind")
    named = _NETWORKS.get(kind, f"network of kind {kind}") if kind else ""
    size = f"{training['parameters']:,} parameters" if "parameters" in training else ""
    return ", ".join(part for part in (named, size) if part)


def describe_shares(shares: Json) -> str:
    """What of a head's steps is kept, from its `shares` in `training.json`.

    >>> describe_shares({"network": 0.934, "answer": 1.0, "baseline": 0.5})
    "of its correction 93 % is kept, of its answer 100 %; of the linear baseline's alone 50 %"
    """
    network, answer, baseline = (
        f"{shares[key]:.0%}".replace("%", " %") for key in ("network", "answer", "baseline")
    )
    return (
        f"of its correction {network} is kept, of its answer {answer}; "
        f"of the linear baseline's alone {baseline}"
    )
