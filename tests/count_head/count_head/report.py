"""What the report says of a count; it is drawn as any number is."""

from __future__ import annotations

from components.report.heads import NumberReport


class CountReport(NumberReport):
    """A count in the report."""

    loss_note = "Poisson deviance"
    loss_unit = ""
