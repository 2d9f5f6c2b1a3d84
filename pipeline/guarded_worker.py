"""Guards a worker process of Beam, which imports this as a plugin; see `guarded`."""

from pipeline.guarded import guard_output

guard_output()
