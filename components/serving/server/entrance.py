"""What can be known before the model's libraries load: whether there is a model, and a free port.

Enters: the folder and the addresses. Leaves: a listening socket, or an error within the second.
Knows nothing of KServe or TensorFlow.
"""

from __future__ import annotations

import socket
from pathlib import Path

from components.serving.versions import MODEL_FILE, model_versions


def require_model(folder: Path) -> None:
    """Raises FileNotFoundError where there is nothing to serve."""
    if not model_versions(folder):
        raise FileNotFoundError(
            f"the model folder must hold {MODEL_FILE} or versions, such as "
            f"1700000000/{MODEL_FILE}; {folder} holds neither. Give the folder that a run "
            "pushed to."
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address, so that no other process can take it meanwhile.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise OSError(f"port {port} on {host} cannot be had: {error.strerror}") from None
    return made
