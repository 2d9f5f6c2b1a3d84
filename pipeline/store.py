"""Where the history of runs is kept: one SQLite file in the run's folder, or a database server.

Enters: the `metadata` section of the configuration, the server's password from the environment.
Leaves: MLMD's connection, tried once; handles on the store behind it, as TFX takes them.

The password is in the connection and nowhere else: no file, log line or error holds it.
"""

from __future__ import annotations

import operator
import os
import socket
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from ml_metadata import errors
from ml_metadata.metadata_store import MetadataStore
from tfx.orchestration import metadata

from pipeline.config import Config, ConfigError, ServerMetadata

DEFAULT_PORTS = {"mysql": 3306, "postgresql": 5432}
TIMEOUT_SECONDS = 10
BACKSLASH = "\\"
# Of Unicode's private use area, where no text is.
STAND_IN = "\ue05c"
# ml-metadata answers a refused MySQL login with an empty reason; its PostgreSQL one is in the log.
LOGIN_HINTS = {
    "mysql": "Check the password, the user's rights on the database, and how the user logs in: "
    "MLMD itself knows mysql_native_password alone, MariaDB's default. For the default of MySQL 8 "
    "and 9 give it MariaDB's client library (Debian: apt-get install libmariadb3) and the variable "
    "MARIADB_PLUGIN_DIR=/usr/lib/x86_64-linux-gnu/libmariadb3/plugin.",
    "postgresql": "Check the password, that the database exists, and the user's rights in it; "
    "what the server said is in the log.",
}


def connect_metadata(config: Config, out: Path) -> Any:
    """MLMD's connection: one SQLite file in `out`, or the configured server, which has answered.

    Raises:
        ConfigError: the password is not in its environment variable, no server answers, or it
            does not let the user into the database.
    """
    settings = config.metadata
    if not isinstance(settings, ServerMetadata):
        return metadata.sqlite_metadata_connection_config(str(out / "metadata.sqlite"))
    password = os.environ.get(settings.password_variable)
    if password is None:
        raise ConfigError(
            f"metadata.password_variable: the environment variable {settings.password_variable} "
            "must hold the database password; it is not set"
        )
    port = settings.port or DEFAULT_PORTS[settings.kind]
    connection = _describe_server(settings, port, password)
    _try_server(connection, settings, port)
    return connection


def _describe_server(settings: ServerMetadata, port: int, password: str) -> Any:
    connection = metadata.metadata_store_pb2.ConnectionConfig()
    if settings.kind == "mysql":
        server = connection.mysql
        server.database, server.port = settings.database, port
        server.host, server.user, server.password = settings.host, settings.user, password
    else:
        server = connection.postgresql
        server.dbname, server.port = settings.database, str(port)
        server.host, server.user = quote(settings.host), quote(settings.user)
        server.password = quote(password)
    # The database exists by contract; creating one takes rights on the whole server.
    server.skip_db_creation = True
    return connection


def quote(value: str) -> str:
    r"""A value of libpq's connection string, into which ml-metadata puts it as it is.

        it's\so  ->  'it\'s\\so'

    Unquoted, a blank ends the value and the rest of a password comes back in the error.
    Source: PostgreSQL 15, 34.1.1.1 Keyword/Value Connection Strings.
    """
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _try_server(connection: Any, settings: ServerMetadata, port: int) -> None:
    where = f"{settings.host}:{port}"
    try:
        socket.create_connection((settings.host, port), TIMEOUT_SECONDS).close()
    except OSError as error:
        raise ConfigError(
            f"metadata: a {settings.kind} server must answer at {where}; got: "
            f"{error.strerror or error}. Start it, or set metadata.host and metadata.port."
        ) from None
    try:
        _open(connection).get_context_types()
    except (RuntimeError, errors.StatusError):
        raise ConfigError(
            f"metadata: the {settings.kind} server at {where} must let user {settings.user!r} "
            f"into database {settings.database!r}; it does not. {LOGIN_HINTS[settings.kind]}"
        ) from None


def _open(connection: Any) -> MetadataStore:
    return (PostgresqlStore if connection.HasField("postgresql") else MetadataStore)(connection)


class Handle(metadata.Metadata):
    """TFX's handle on the store, with a client that PostgreSQL can be used through."""

    def __enter__(self) -> Handle:
        if not self.connection_config.HasField("postgresql"):
            return super().__enter__()  # type: ignore[no-any-return]
        self._store = _open(self.connection_config)
        self._users += 1
        return self


class PostgresqlStore(MetadataStore):
    r"""MLMD's client, with what ml-metadata 1.21 gets wrong through PostgreSQL put right.

    - Backslashes: it has libpq quote a string and cuts one character off each end of the answer.
      For a string with a backslash that is ` E'a\\b'`, and the statement breaks, or becomes another
      one; JSON within JSON is enough. A stand-in is stored, and read as a backslash again.
    - Order: it reads without ORDER BY. SQLite and MySQL answer by id all the same, and TFX's cache
      pairs artifacts with events by their place; PostgreSQL answers by when a row last changed.
    """

    def _call_method(self, method_name: str, request: Message, response: Message) -> None:
        sent = type(request)()
        sent.CopyFrom(request)
        exchange(sent, BACKSLASH, STAND_IN)
        super()._call_method(method_name, sent, response)
        exchange(response, STAND_IN, BACKSLASH)
        if "options" not in {field.name for field, _ in request.ListFields()}:
            sort_by_id(response)


def sort_by_id(response: Any) -> None:
    """Sorts the artifacts, executions and contexts of an answer, in place."""
    for field, rows in response.ListFields():
        if field.name in ("artifacts", "executions", "contexts"):
            rows.sort(key=operator.attrgetter("id"))


def exchange(message: Any, old: str, new: str) -> None:
    """Exchanges a character for another in every string of a message, in place; map keys stay."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            if field.is_repeated:
                value[:] = [item.replace(old, new) for item in value]
            else:
                setattr(message, field.name, value.replace(old, new))
        elif field.type == field.TYPE_MESSAGE:
            for part in _messages(field, value):
                exchange(part, old, new)


def _messages(field: Any, value: Any) -> list[Any]:
    """The messages that a field holds: one, a list, or the values of a map."""
    if not field.is_repeated:
        return [value]
    if not field.message_type.GetOptions().map_entry:
        return list(value)
    held = field.message_type.fields_by_name["value"]
    return list(value.values()) if held.type == held.TYPE_MESSAGE else []
