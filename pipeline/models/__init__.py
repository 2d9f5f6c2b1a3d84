"""The versions of a serving folder: shown, and rolled back."""
