"""The model card: what the model is for, how good it is, what it must not be used for.

Enters: a `RunRecord`. Leaves: Markdown (`model_card.md`), and the same as HTML for the page. The
headings follow Mitchell et al., Model Cards for Model Reporting, 2019.
"""

from __future__ import annotations

from components.heads.declared import metric_of
from components.heads.metrics import SKILL, format_estimate, format_number
from components.report.contenders import (
    CONSTANT,
    added,
    contenders,
    describe_gain,
    describe_network,
    describe_paths,
)
from components.report.heads import report_of
from components.report.markup import Html, element, joined, moment
from components.report.record import Json, RunRecord

NOT_STATED = "not stated (section card of the configuration)."
ETHICS = (
    "The model infers personal attributes of people from what they wrote. It can be wrong about "
    "any single person, and being right can harm as well: an attribute that somebody chose not to "
    "tell is told.",
    "Its answers repeat the labels' categories and their flaws. A head with two values knows no "
    "third; people outside of them are answered all the same, and wrongly.",
    "Groups differ in how often the model errs about them; the report's slices and cross-head "
    "errors show by how much. Look at them before use.",
    "In many countries such inferences are personal data, some of them of a protected kind: have "
    "a legal ground, tell the people concerned, and let them object.",
)
LIMITS = (
    "It was trained and measured on the posts described below and on nothing else: other places, "
    "times, languages and topics may give other answers. Measure anew before moving it.",
    "Few posts give poor answers; it says so only as far as its confidence is calibrated.",
    "Labels were taken as they came; nobody checked that people told the truth.",
)

Part = tuple[str, list[str]]


def card_parts(record: RunRecord) -> list[Part]:
    """Headings and their paragraphs or list items, in order."""
    card, verdict = record.card, record.verdict
    return [
        ("Model", _model(record)),
        ("Intended use", [card.intended_use or NOT_STATED]),
        ("Not to be used for", [card.not_for or NOT_STATED]),
        ("How good it is", [_measured(head, record) for head in verdict["heads"]]),
        ("Limits", list(LIMITS)),
        ("Ethics of inferring personal attributes", list(ETHICS)),
        ("Training data", _data(record)),
        ("Licences", _licences(record)),
    ]


def _model(record: RunRecord) -> list[str]:
    named = describe_network(record.training)
    size = f"A {named}. " if named else ""
    blocked = ", ".join(record.verdict["falling_short"])
    state = f"Not blessed for service: {blocked} fell short." if blocked else "Blessed for service."
    heads = "; ".join(report_of(head).answered for head in record.heads)
    return [
        f"{record.card.title}: one network over an author's posts. {size}{state}",
        f"It answers: {heads}.",
        f"Made by the run of {moment(record.created)}.",
        f"Contact: {record.card.contact or NOT_STATED}",
    ]


def _measured(head: Json, record: RunRecord) -> str:
    verdict = record.verdict
    beside = [(title, scores[head["name"]]) for title, scores in contenders(verdict, {})]
    told = []
    for key, score in {**head["metrics"], SKILL: head["skill"]}.items():
        others = [
            f"{title} {format_number(scores[key]['value'])}"
            for title, scores in beside
            if key in scores and (title, key) != (CONSTANT, SKILL)
        ]
        aside = f" ({', '.join(others)})" if others else ""
        told.append(f"{metric_of(head['kind'], key).title} {format_estimate(score)}{aside}")
    gain = f" {describe_gain(head, record.training.get('learned_from'))}." if added(head) else ""
    by_path = describe_paths(head["name"], record.training)
    gain += f" On held-out authors, {by_path}." if gain and by_path else ""
    return (
        f"{head['name']}: {'; '.join(told)}. On {head['labels']:,} labels of {verdict['split']}, "
        f"intervals at {verdict['confidence']:.0%}.{gain}"
    )


def _data(record: RunRecord) -> list[str]:
    splits = record.audit.get("splits", {})
    counts = ", ".join(f"{c['authors']:,} {split}" for split, c in splits.items())
    return [
        f"Source: {record.card.data_source or NOT_STATED}",
        f"Ground of use: {record.card.data_consent or NOT_STATED}",
        f"Authors: {counts or 'unknown'}; no author is in two splits.",
    ]


def _licences(record: RunRecord) -> list[str]:
    return [
        f"Data: {record.card.data_licence or NOT_STATED}",
        f"Model: {record.card.model_licence or NOT_STATED}",
    ]


def card_markdown(record: RunRecord) -> str:
    """The card as Markdown."""
    lines = [f"# Model card: {_plain(record.card.title)}", ""]
    for heading, items in card_parts(record):
        lines += [f"## {heading}", "", *(f"- {_plain(item)}" for item in items), ""]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text without what Markdown would read as HTML, on one line."""
    return " ".join(text.split()).replace("<", "&lt;")


def card_section(record: RunRecord) -> Html:
    """The card as a section of the page."""
    return joined(
        *(
            joined(element("h3", heading), element("ul", *(element("li", item) for item in items)))
            for heading, items in card_parts(record)
        )
    )
