"""Retraining: looks whether there is a reason, then runs the pipeline with what follows from it."""
