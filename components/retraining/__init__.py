"""Whether a model is trained anew, and how: reasons, figures, the record of both."""
