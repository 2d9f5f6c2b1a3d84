"""What `authorprofile serve` does: settings, notices on the console, exit codes.

Enters: the command line's options. Leaves: a server until a signal ends it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from components.field_errors import describe_errors
from components.serving.answer_in_isolation import silence
from components.serving.server.entrance import listen, require_model
from components.serving.server.settings import ServerSettings
from pipeline.observed import FAILED, USAGE


def serve_command(model: Path, assignments: tuple[str, ...], **options: Any) -> int:
    """Serves until a signal ends it.

    Returns:
        The exit code: 0 ended by a signal; 1 no version can serve, or a port is taken; 2 wrong
        usage.
    """
    try:
        settings = read_settings(model, assignments, options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return USAGE
    _log_to_console()
    # TensorFlow quotes an input that it cannot parse; nothing it writes may reach a log.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        require_model(settings.model)
        door = listen(settings.host, settings.port)
        listen(settings.host, settings.grpc_port).close()
        with silence(private=True), keras_left_out():
            from components.serving.server.main import serve
        serve(settings, door)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return USAGE
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 0
    return 0


@contextlib.contextmanager
def keras_left_out() -> Iterator[None]:
    """Lets `import tensorflow` do without Keras, as where Keras is not installed.

    TensorFlow imports it at its end for models that need Keras's classes to load; a served model
    needs TensorFlow alone, and Keras, with scikit-learn behind it, is a fifth of the start.
    """
    if "keras.src" in sys.modules:
        yield
        return
    sys.modules["keras.src"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["keras.src"]


def read_settings(
    model: Path, assignments: tuple[str, ...], options: dict[str, Any]
) -> ServerSettings:
    """The server's settings from options and `--set KEY=VALUE`.

    Raises:
        ValueError: one is wrong; the message names it and says what is allowed.
    """
    values: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator:
            raise ValueError(f"--set takes KEY=VALUE; it got {assignment}")
        try:
            values[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"--set {key}: the value must be YAML; it is not") from None
    try:
        return ServerSettings(model=model, **values)
    except ValidationError as error:
        known = ", ".join(name for name in ServerSettings.model_fields if name != "model")
        told = describe_errors(error, ServerSettings)
        raise ValueError(f"{told}\nSettings are {known}.") from None


def _log_to_console() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    for name, level in (("authorprofile", logging.INFO), ("kserve", logging.ERROR)):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(level)
