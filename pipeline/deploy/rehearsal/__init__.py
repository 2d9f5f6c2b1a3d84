"""Executes a compiled specification on this machine, as Kubeflow or Vertex AI would.

Each step runs by its own container command in a fresh process, with an `ExecutorInput` as the
platform writes it; folders stand in for buckets. `run` leads, `graph` reads the specification,
`places` names the folders, `platforms` writes and reads what the two platforms do differently,
`container` runs a command, `jobs` is Vertex AI's job service on a loopback address.
"""
