"""The report's section on the data: join, coverage, lengths, values, vocabulary, drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from components.report.figures_data import (
    lengths_figure,
    pairs_figure,
    set_aside_figure,
    together_figure,
    values_figure,
)
from components.report.heads import report_of
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

LENGTHS = {"posts": "posts an author", "characters": "characters an author"}


def data(record: RunRecord) -> Html:
    """The whole section."""
    return joined(
        subsection("The join of posts and labels", _join(record.audit)),
        subsection("Splits and known labels", _splits(record), _coverage(record.data)),
        subsection("Label values", _values(record)),
        subsection("Lengths and vocabulary", _lengths(record)),
        subsection("Drift against the last span", _drift(record)),
    )


def _join(audit: Json) -> Html:
    if not audit:
        return missing("The join left no audit.json.")
    rows = [
        [
            file["file"],
            file["kind"],
            f"{file['read']:,}",
            f"{file['used']:,}",
            f"{file['read'] - file['used']:,}",
        ]
        for file in audit["files"]
    ]
    causes = causes_of(audit)
    return joined(
        table(
            ["file", "kind", "read", "used", "set aside"],
            rows,
            "Records read, used and set aside, file by file",
        ),
        plot(
            "set aside",
            set_aside_figure(causes) if causes else None,
            "Records that training does not use, by kind of record and cause. The records "
            "themselves are kept beside audit.json.",
        )
        or paragraph("Nothing was set aside."),
        _notes(audit),
    )


def _notes(audit: Json) -> Html:
    rows = [
        [file["file"], note, f"{count['records']:,}", f"{count['first_line']:,}"]
        for file in audit["files"]
        for note, count in file.get("notes", {}).items()
    ]
    titles = ["file", "note", "records", "first line"]
    told = "Values read otherwise than written or unknown; no record is set aside for it"
    return table(titles, rows, told) if rows else Html("")


def causes_of(audit: Json) -> list[tuple[str, str, int]]:
    """(kind, cause, records) over all files, most frequent first."""
    totals: Counter[tuple[str, str]] = Counter()
    for file in audit["files"]:
        for cause, count in file["set_aside"].items():
            totals[file["kind"], cause] += count["records"]
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return [(kind, cause, records) for (kind, cause), records in ordered]


def _splits(record: RunRecord) -> Html:
    splits = record.audit.get("splits", {})
    rows = [
        [
            split,
            f"{counts['authors']:,}",
            *(_known(counts["heads"].get(n, {}), counts["authors"]) for n in record.names),
        ]
        for split, counts in splits.items()
    ]
    return joined(
        table(
            ["split", "authors", *(f"{name} known" for name in record.names)],
            rows,
            "Authors and known labels by split",
        ),
        paragraph(
            "An author's split follows from a hash of the id: train fits, eval selects (and "
            "is then fitted on too, unless training.refit is off), test is judged on alone."
        ),
    )


def _known(head: Json, authors: int) -> str:
    known = head.get("known", 0)
    share = f" ({known / authors:.0%})" if authors else ""
    values = head.get("values") or {}
    listed = ", ".join(f"{count:,} {value}" for value, count in values.items())
    return f"{known:,}{share}" + (f": {listed}" if len(values) == 2 else "")


def _coverage(data: Json) -> Html:
    if not data:
        return missing("Which labels are known together was not counted (data.json).")
    return element(
        "div",
        plot(
            "together",
            together_figure(data),
            "Authors by which of their labels are known together. An unknown label counts for "
            "no loss of its head, and the author still teaches the others.",
        ),
        plot(
            "pairs",
            pairs_figure(data),
            "Share of all authors of whom both labels are known; on the diagonal, the one label.",
        ),
        kind="columns",
    )


def _values(record: RunRecord) -> Html:
    if not record.data:
        return missing("Label values were not counted (data.json).")
    drawn = [
        plot(
            f"values {head['name']}",
            values_figure(head["name"], report_of(head).axis, record.data),
            f"Known labels of {head['name']} by value, as shares of each split.",
        )
        for head in record.heads
        if head["name"] in record.data["scales"]
    ]
    counted = [
        [split, name, value, f"{count:,}"]
        for split, counts in record.audit.get("splits", {}).items()
        for name, head in counts["heads"].items()
        for value, count in head["values"].items()
    ]
    listed = table(
        ["split", "head", "value", "authors"], counted, "Label values that are no amount"
    )
    return joined(element("div", *drawn, kind="columns"), listed if counted else None)


def _lengths(record: RunRecord) -> Html:
    if not record.data:
        return missing("Lengths were not counted (data.json).")
    found, edges = record.data, record.data["length_edges"]
    drawn = [
        plot(
            f"lengths {key}",
            lengths_figure({s: counts[key] for s, counts in found["splits"].items()}, edges, title),
            f"Authors by {title}, as shares of each split. Bins grow by half an octave.",
        )
        for key, title in LENGTHS.items()
    ]
    tokens = {split: counts for split, counts in found["tokens"].items() if counts}
    if tokens:
        drawn.append(
            plot(
                "lengths tokens",
                lengths_figure(
                    {split: counts["tokens"] for split, counts in tokens.items()},
                    edges,
                    "tokens an author, as trained on",
                ),
                f"Authors by tokens, cut off at {_bound(found)}.",
            )
        )
    rows = [
        [
            split,
            f"{int(totals[0]):,}",
            f"{totals[1] / max(totals[0], 1):,.0f}",
            f"{totals[2] / max(totals[1], 1):.1%}",
            f"{_cut(found, split) / max(totals[0], 1):.1%}",
        ]
        for split, totals in ((split, counts["totals"]) for split, counts in tokens.items())
    ]
    return joined(
        element("div", *drawn, kind="columns"),
        table(
            ["split", "authors", "mean tokens", "unknown tokens", "authors cut off"],
            rows,
            "Tokens as the network sees them",
        ),
        paragraph(
            f"The vocabulary holds {record.vocabulary:,} ids, counted on the training split "
            "alone; the words themselves are not shown, since they are the authors'."
        )
        if record.vocabulary
        else None,
    )


def _bound(data: Mapping[str, Any]) -> str:
    """Where authors were cut off; records of before counted tokens."""
    if "maximum_bytes" in data:
        return f"{data['maximum_bytes']:,} bytes"
    return f"{data['max_tokens']:,}"


def _cut(data: Mapping[str, Any], split: str) -> float:
    """Authors of a split that were cut off."""
    if "maximum_bytes" in data:
        return float(data["splits"][split]["cut"][0])
    return float(data["tokens"][split]["totals"][3])


def _drift(record: RunRecord) -> Html:
    if record.failure and not record.drift:
        return missing("Not reached.")
    if not record.drift:
        return missing("Not measured: there is no earlier span of the data to compare with.")
    rows = [
        [item["head"], item["measure"], f"{item['value']:.3f}", f"{item['threshold']:g}"]
        for item in record.drift
    ]
    return table(["head", "measure", "distance", "allowed"], rows, "Drift of the labels of train")
