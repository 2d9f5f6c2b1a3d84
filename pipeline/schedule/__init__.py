"""Runs that start by the clock: on this machine, on Kubeflow, on Vertex AI."""
