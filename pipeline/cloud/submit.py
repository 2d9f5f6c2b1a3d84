"""What `authorprofile submit` does: checks, begins a run, follows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.cloud.follow import follow
from pipeline.cloud.spec import read_spec
from pipeline.cloud.target import PlatformError, Run, State, Target, connect
from pipeline.config import Config, ConfigError
from pipeline.deploy.settings import Target as Platform
from pipeline.observed import FAILED, INTERRUPTED, USAGE
from pipeline.terminal import Terminal


def submit(
    config: Config,
    platform: Platform,
    spec: Path,
    parameters: Mapping[str, str],
    *,
    cache: bool,
    wait: bool,
    every_seconds: float,
) -> int:
    """Begins a run of a compiled spec.

    Returns:
        The exit code: 0 begun, or with `wait` succeeded; 1 failed, here or there; 2 wrong
        configuration; 130 interrupted, the run left going.
    """
    console, errors = Terminal(), Terminal(stderr=True)
    try:
        # Faults of the file are told before anyone is asked.
        compiled = read_spec(spec, platform)
        compiled.typed(parameters)
        target = connect(platform, config)
        run = target.submit(compiled, parameters, cache)
    except (ConfigError, PlatformError) as error:
        errors.say(str(error))
        return USAGE if isinstance(error, ConfigError) else FAILED
    console.say(f"{run.name}: {run.link}")
    if not wait:
        return 0
    return _outcome(target, run, console, errors, compiled.tasks, every_seconds)


def _outcome(
    target: Target,
    run: Run,
    console: Terminal,
    errors: Terminal,
    tasks: list[str],
    every_seconds: float,
) -> int:
    try:
        ended = follow(target, run, console, tasks, every_seconds)
    except KeyboardInterrupt:
        errors.say(f"Interrupted. The run goes on: {run.link}")
        return INTERRUPTED
    except (ConfigError, PlatformError) as error:
        errors.say(f"{error}\nThe run was left to go on: {run.link}")
        return FAILED
    if ended.state is State.SUCCEEDED:
        console.say(f"{ended.name} succeeded.")
        return 0
    errors.say(describe_failure(ended))
    return FAILED


def describe_failure(run: Run) -> str:
    """What failed, with the platform's own words, and where to look."""
    lines = [f"{run.name} {run.state.value}: {run.link}"]
    for step in run.failed_steps:
        lines.append(f"  {step.name}: {' '.join(step.error.split()) or 'no reason given'}")
    if run.error and not run.failed_steps:
        lines.append(f"  {' '.join(run.error.split())}")
    return "\n".join(lines)
