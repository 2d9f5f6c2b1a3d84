"""Other ways to weigh the heads, trained beside the run; `component` leaves `COMPARISON_FILE`."""

COMPARISON_FILE = "comparison.json"
