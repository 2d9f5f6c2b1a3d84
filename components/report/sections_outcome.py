"""The report's first sections: the outcome, and whether one network for all heads was worth it.

What cannot be shown is said in words.
"""

from __future__ import annotations

from components.heads.declared import metric_of
from components.heads.metrics import SKILL, format_estimate
from components.report.changes import changes
from components.report.contenders import (
    CONSTANT,
    LINEAR,
    added,
    contenders,
    describe_paths,
    gains,
)
from components.report.drawing import with_unit
from components.report.figures_outcome import intervals_figure
from components.report.markup import (
    Html,
    element,
    joined,
    missing,
    paragraph,
    plot,
    subsection,
    table,
)
from components.report.record import Json, RunRecord
from components.report.sections_search import repeat_command


def outcome(record: RunRecord) -> Html:
    """Blessed, what blocked or what failed; the heads' scores; what changed."""
    return joined(
        paragraph(headline(record), "headline"),
        _failure(record) if record.failure else None,
        _judged(record) if record.verdict else None,
    )


def _failure(record: RunRecord) -> Html:
    """The cause, and how far the run came."""
    done = [
        [record.titles.get(stage["stage"], stage["stage"]), f"{stage['seconds']:.1f} s"]
        for stage in record.history.get("stages", [])
    ]
    return joined(
        paragraph(record.failure["cause"]),
        table(["stage", "time"], done, "Stages that were done before")
        if done
        else missing("No stage was done before."),
        paragraph("The same command goes on where this run stopped, once the cause is gone."),
    )


def _judged(record: RunRecord) -> Html:
    verdict = record.verdict
    level = f"{verdict['confidence']:.0%}"
    return joined(
        *(paragraph(line) for line in why_trained(record)),
        *(
            paragraph(f"{head['name']} blocked: it {head['reason']}.")
            for head in verdict["heads"]
            if not head["blessed"]
        ),
        *(paragraph(f"Serving check: {fault}") for fault in record.check.get("faults", [])),
        _scores(record),
        paragraph(
            f"On {verdict['authors']:,} authors of the split {verdict['split']}, which nothing "
            f"was chosen by; intervals at {level}. Constant baseline: the best constant answer "
            "in hindsight. Skill: 1 - loss / its loss; 0 is no better than a constant, 1 perfect."
        ),
        plot(
            "outcome skill",
            intervals_figure(_skill_groups(record), "skill on test", CONSTANT),
            f"Skill of each head on test with its interval{_beside(record)}. A head is "
            "blessed only where its whole interval lies right of the dashed line.",
        ),
        *_added(record),
        subsection("What changed since the last run", changes(record)),
    )


def headline(record: RunRecord) -> str:
    """The outcome in one sentence."""
    if record.failure:
        served = f"The model was pushed before: {record.pushed}"
        stays = "Nothing was pushed. What was in service stays there."
        return f"Failed in {record.failure['stage']}. {served if record.pushed else stays}"
    blocked = record.verdict["falling_short"]
    if blocked:
        return f"Not blessed: {', '.join(blocked)} fell short. What was in service stays there."
    if record.check and not record.check.get("blessed"):
        return "Blessed, but the exported model failed the serving check. Nothing was pushed."
    if not record.pushed:
        return "Every head is blessed. Nothing was pushed."
    return f"Every head is blessed, and the model is in service: {record.pushed}"


def why_trained(record: RunRecord) -> list[str]:
    """Why a retraining trained, and what with; nothing where the run was asked for."""
    decision = record.decision
    if not decision:
        return []
    reasons = "; ".join(reason["text"] for reason in decision["reasons"])
    lines = [f"Trained because: {reasons}."]
    if decision["left_out"]:
        spans = ", ".join(decision["left_out"])
        lines.append(f"Left out, since they cannot be used: spans {spans}.")
    if decision["search"]:
        searched = "Searched anew" if decision["search"]["again"] else "Not searched anew"
        lines.append(f"{searched}: {decision['search']['why']}.")
    if decision["start"]:
        lines.append(f"Weights: {decision['start']['why']}.")
    return lines


def _beside(record: RunRecord) -> str:
    found = contenders(record.verdict, record.reachable)
    others = [f"the {contender.title}" for contender in found if contender.title != CONSTANT]
    return f", beside {' and '.join(others)}" if others else ""


def _added(record: RunRecord) -> list[Html | None]:
    """What the shared network adds to the linear baseline; nothing of a model without one."""
    sentences = gains(record.verdict, record.training)
    if not sentences:
        return []
    points = [(head["name"], added(head)) for head in record.verdict["heads"] if added(head)]
    return [
        subsection(
            "What the shared network adds",
            element("ul", *(element("li", f"{sentence}.") for sentence in sentences)),
            *_by_path(record),
            plot(
                "outcome added",
                intervals_figure([("added", points)], "skill added on test", LINEAR),
                "Skill of each head less that of its linear baseline, which is inside the model "
                "and answers alone under a signature of its own; drawn on the same authors.",
            ),
        )
    ]


def _by_path(record: RunRecord) -> list[Html]:
    """What convolution and pool add; nothing of a training that did not measure it."""
    names = [head["name"] for head in record.verdict["heads"]]
    told = [line for name in names if (line := describe_paths(name, record.training))]
    if not told:
        return []
    return [
        paragraph(
            "What the network would lose without each of its two paths, the convolution and the "
            "pool, on the held-out authors that calibration was fitted on: the path then says of "
            "every author what it says on average. What both paths know, neither loses alone."
        ),
        element("ul", *(element("li", f"{line}.") for line in told)),
    ]


def _scores(record: RunRecord) -> Html:
    rows = []
    beside = contenders(record.verdict, record.reachable)
    for head in record.verdict["heads"]:
        scores = {**head["metrics"], SKILL: head["skill"]}
        for place, (key, score) in enumerate(scores.items()):
            metric = metric_of(head["kind"], key)
            others = [contender.scores[head["name"]] for contender in beside]
            rows.append(
                [
                    "" if place else head["name"],
                    with_unit(metric.title, head["unit"] if metric.has_unit else ""),
                    format_estimate(score),
                    *(format_estimate(one[key]) if key in one else "" for one in others),
                    _stamp(head) if key == SKILL else "",
                ]
            )
    titles = [contender.title for contender in beside]
    headings = ["head", "metric", "score", *titles, "verdict"]
    return table(headings, rows, "Scores of each head on test")


def _stamp(head: Json) -> Html:
    if not head["blessed"]:
        return element("strong", "✗ not blessed", kind="bad")
    return element("strong", "✓ accepted" if head["accepted"] else "✓ blessed", kind="good")


def _skill_groups(record: RunRecord) -> list[tuple[str, list[tuple[str, Json]]]]:
    heads = record.verdict["heads"]
    groups = [("this run", [(head["name"], head["skill"]) for head in heads])]
    for title, scores in contenders(record.verdict, record.reachable):
        # The constant baseline is the line at 0.
        if title != CONSTANT:
            groups.append((title, [(name, one.get(SKILL, {})) for name, one in scores.items()]))
    return groups


def worth(record: RunRecord) -> Html:
    """Whether one network for all heads was worth it: `comparison.json`, or that it was not run."""
    if not record.comparison:
        return joined(
            missing(
                "Not run. A comparison trains, with the same budget and several seeds: the "
                "chosen loss weights, equal weights, hand-set weights, uncertainty weighting, "
                "and one network a head."
            ),
            element("pre", element("code", repeat_command(record, "--compare")), tabindex="0"),
        )
    groups = [
        (row["name"], [(n, _mean(row["heads"].get(n))) for n in record.names])
        for row in record.comparison
    ]
    rows = [
        [name, row["seeds"], *(format_estimate(skill) for _, skill in skills)]
        for row, (name, skills) in zip(record.comparison, groups, strict=True)
    ]
    return joined(
        table(
            ["weights", "seeds", *(f"skill of {name}" for name in record.names)],
            rows,
            "Skill on test, mean over the seeds, with intervals over authors",
        ),
        plot(
            "comparison",
            intervals_figure(groups, "mean skill over the seeds", CONSTANT),
            "Skill of each head by how its loss was weighted; intervals over authors of test.",
        ),
    )


def _mean(content: Json | None) -> Json:
    if not content:
        return {}
    return {"value": content["mean"], "lower": content["lower"], "upper": content["upper"]}
