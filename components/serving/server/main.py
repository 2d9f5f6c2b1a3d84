"""Starts the model server: KServe's, bound to one address, with the model's versions watched.

Enters: `ServerSettings`. Leaves: a process that answers until SIGINT or SIGTERM, and lets requests
under way finish. Imports neither TFX nor Beam.
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import socket
from typing import Any

import uvicorn

from components.serving.server.connections import Connections
from components.serving.server.kserve_api import ModelServer
from components.serving.server.rest import build_application
from components.serving.server.rpc import build_rpc_server
from components.serving.server.service import AuthorDataPlane, AuthorModel
from components.serving.server.settings import ServerSettings

_log = logging.getLogger("authorprofile.serving")
_MOST_HEADER_BYTES = 64 * 1024


class AuthorServer(ModelServer):
    """KServe's model server with our addresses, and on the address that the settings name.

    KServe's own binds to every network. `door` is bound to the address of HTTP.
    """

    def __init__(self, model: AuthorModel, door: socket.socket) -> None:
        super().__init__(enable_latency_logging=False)
        self.model = model
        self.dataplane = AuthorDataPlane(self.registered_models)
        self.door = door

    def start(self, models: list[Any]) -> None:
        """Serves until a signal ends it."""
        self._register_and_check_atleast_one_model_is_ready(models)
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        settings = self.model.settings
        self.setup_event_loop()
        rpc = build_rpc_server(self.model, self.dataplane)
        await rpc.start()
        config = uvicorn.Config(
            build_application(self.model, self.dataplane),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            # On the one of uvicorn's two parsers that bounds headers; the other takes any number.
            http=Connections(settings).protocol,  # type: ignore[arg-type]
            h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
            # `connections` has the last word, for every state.
            timeout_keep_alive=math.ceil(settings.idle_seconds) + 1,
            timeout_graceful_shutdown=settings.grace_seconds,
        )
        _log.info("http://%s:%d, gRPC %d", settings.host, settings.port, settings.grpc_port)
        for ending in (signal.SIGINT, signal.SIGTERM):
            # uvicorn ends in order at a signal, then raises it again for whoever was there before.
            signal.signal(ending, lambda *_: None)
        try:
            await uvicorn.Server(config).serve([self.door])
        finally:
            await rpc.stop(settings.grace_seconds)
            self.model.stop()


def serve(settings: ServerSettings, door: socket.socket) -> None:
    """Loads the newest version and serves until a signal ends it.

    Raises:
        FileNotFoundError: the folder holds no model.
        ValueError: no version in it is sound; the message says why.
        OSError: a port is taken.
    """
    model = AuthorModel(settings)
    server = AuthorServer(model, door)
    if not model.load():
        causes = "; ".join(f"version {n}: {why}" for n, why in model.versions.refused.items())
        raise ValueError(
            f"the model folder must hold a version that can serve; {causes}. Push a model again, "
            "or give another folder."
        )
    if not model.versions.is_single:
        model.versions.start(settings.poll_seconds)
    server.start([model])
