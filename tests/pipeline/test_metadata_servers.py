"""The history of runs on a MySQL or PostgreSQL server: real servers, started here on loopback.

Skipped, saying so, where a server's programs are not installed; MariaDB stands for MySQL.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from command import TINY, read_summary, run_command, versions

from pipeline.config import Config, ConfigError, load_config

# Blanks, quotes and a backslash: what a connection string or a statement could trip over.
PASSWORD = r"long blank it's \n Ω"
VARIABLE = "AUTHORPROFILE_DB_PASSWORD"
WAIT_SECONDS = 60


def _program(name: str) -> str | None:
    """A server's program; Debian keeps PostgreSQL's out of the search path."""
    folders = [os.environ.get("PATH", ""), "/usr/sbin"]
    folders += sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(name, path=os.pathsep.join(folders))


def _as_nobody(command: list[str]) -> list[str]:
    """The command without root's rights, which both servers refuse to have."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv to start a server as root")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def _running(command: list[str], folder: Path, port: int, stop: signal.Signals):
    """The server, from its first answer until the end of the block."""
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(_as_nobody(command), cwd=folder, stdout=log, stderr=log)
    try:
        end = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                said = (folder / "server.log").read_text(errors="replace")[-2000:]
                assert server.poll() is None and time.monotonic() < end, said
                time.sleep(0.1)
        yield
    finally:
        server.send_signal(stop)
        try:
            server.wait(WAIT_SECONDS)
        finally:
            server.kill()


@contextmanager
def _postgresql(folder: Path, port: int):
    programs = [_program(name) for name in ("initdb", "postgres", "psql")]
    if None in programs:
        pytest.skip("needs PostgreSQL's server (Debian: apt-get install postgresql)")
    initdb, postgres, psql = programs
    (folder / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    make = [initdb, "-D", "data", "-U", "authorprofile", "--pwfile=password", "-N", "--no-locale"]
    make += ["-A", "scram-sha-256", "-E", "UTF8"]
    subprocess.run(_as_nobody(make), cwd=folder, check=True, capture_output=True)
    command = [postgres, "-D", "data", "-p", str(port), "-c", "fsync=off"]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    # SIGTERM would wait for the client of a failed test.
    with _running(command, folder, port, signal.SIGINT):
        make = [psql, "-h", "127.0.0.1", "-p", str(port), "-U", "authorprofile", "-d", "postgres"]
        variables = {**os.environ, "PGPASSWORD": PASSWORD}
        make += ["--command", "CREATE DATABASE authorprofile"]
        subprocess.run(make, env=variables, check=True, capture_output=True)
        yield


@contextmanager
def _mysql(folder: Path, port: int):
    install, server, client = map(_program, ("mariadb-install-db", "mariadbd", "mariadb"))
    if None in (install, server, client):
        pytest.skip("needs MariaDB's server (Debian: apt-get install mariadb-server)")
    place = [f"--datadir={folder}/data", f"--socket={folder}/socket"]
    make = [install, "--no-defaults", place[0], "--auth-root-authentication-method=normal"]
    subprocess.run(_as_nobody(make), cwd=folder, check=True, capture_output=True)
    command = [server, "--no-defaults", *place, f"--port={port}", "--bind-address=127.0.0.1"]
    command.append("--skip-name-resolve")
    with _running(command, folder, port, signal.SIGTERM):
        literal = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        statements = (
            "CREATE DATABASE authorprofile CHARACTER SET utf8mb4;"
            f"CREATE USER authorprofile@'127.0.0.1' IDENTIFIED BY '{literal}';"
            "GRANT ALL ON authorprofile.* TO authorprofile@'127.0.0.1';"
        )
        words = [client, "--no-defaults", "--user=root", "--default-character-set=utf8mb4"]
        words.append(place[1])
        subprocess.run(words, input=statements.encode(), check=True, capture_output=True)
        yield


@pytest.fixture(scope="module", name="server", params=["mysql", "postgresql"])
def start_server(request):
    """The `metadata` section that leads to a server with one empty database."""
    port = _free_port()
    # Not pytest's folder: a server without rights must reach it, by a path short for a socket.
    with TemporaryDirectory(prefix="server-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, 65534, 65534)
        start = _mysql if request.param == "mysql" else _postgresql
        with start(folder, port):
            yield {"kind": request.param, "host": "127.0.0.1", "port": port}


def _config(server, tmp_path, **changes) -> Config:
    return load_config(
        posts=["posts.jsonl"],
        labels=["labels.csv"],
        out=str(tmp_path),
        metadata={**server, **changes},
    )


def test_what_is_put_on_a_server_is_read_back_in_order(server, tmp_path, monkeypatch):
    from ml_metadata.proto import metadata_store_pb2

    from pipeline.store import Handle, connect_metadata

    monkeypatch.setenv(VARIABLE, PASSWORD)
    connection = connect_metadata(_config(server, tmp_path), tmp_path)
    text = r'{"heads": "[{\"name\": \"Größe\", \"unit\": \"\u00b0C\"}]"} it' + "'s 你好 😀 \\"
    with Handle(connection) as handle:
        store = handle.store
        kind = store.put_context_type(metadata_store_pb2.ContextType(name="kind"))
        context = metadata_store_pb2.Context(type_id=kind, name=r"back\slash")
        (context_id,) = store.put_contexts([context])
        kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="kind"))
        artifacts = [
            metadata_store_pb2.Artifact(
                type_id=kind,
                uri=f"/tmp/{place}",
                custom_properties={"text": metadata_store_pb2.Value(string_value=text)},
            )
            for place in ("first", "second", "third")
        ]
        ids = store.put_artifacts(artifacts)
        links = [
            metadata_store_pb2.Attribution(artifact_id=one, context_id=context_id) for one in ids
        ]
        store.put_attributions_and_associations(links, [])
    with Handle(connection) as handle:
        store = handle.store
        # A changed row moves to the end of PostgreSQL's table.
        (first,) = store.get_artifacts_by_id(ids[:1])
        first.state = metadata_store_pb2.Artifact.LIVE
        store.put_artifacts([first])
        found = store.get_artifacts_by_id(ids)
        assert [artifact.uri for artifact in found] == ["/tmp/first", "/tmp/second", "/tmp/third"]
        assert {a.custom_properties["text"].string_value for a in found} == {text}
        assert store.get_context_by_type_and_name("kind", r"back\slash").id == context_id
        assert len(store.get_artifacts_by_context(context_id)) == 3


@pytest.mark.parametrize(
    ("changes", "password", "said"),
    [
        ({}, None, f"environment variable {VARIABLE} must hold the database password"),
        ({}, "wrong secret", "must let user 'authorprofile' into database 'authorprofile'"),
        ({"database": "absent"}, PASSWORD, "must let user 'authorprofile' into database 'absent'"),
        ({"port": 1}, PASSWORD, "server must answer at 127.0.0.1:1; got: Connection refused"),
    ],
)
def test_a_server_that_cannot_be_used_is_named_and_the_password_is_not(
    server, tmp_path, monkeypatch, capfd, changes, password, said
):
    from pipeline.store import connect_metadata

    monkeypatch.delenv(VARIABLE, raising=False)
    if password is not None:
        monkeypatch.setenv(VARIABLE, password)
    with pytest.raises(ConfigError) as caught:
        connect_metadata(_config(server, tmp_path, **changes), tmp_path)
    assert said in str(caught.value)
    output = "".join(capfd.readouterr()) + str(caught.value)
    assert "secret" not in output and "blank" not in output


def _labels_of_two_heads(sample: Path, path: Path) -> None:
    with (sample / "labels.csv").open(newline="") as file, path.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["author_id", "age", "gender"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(csv.DictReader(file))


def test_a_second_run_reuses_everything_from_the_server(server, small_sample, tmp_path):
    labels, out = tmp_path / "labels.csv", tmp_path / "out"
    _labels_of_two_heads(small_sample, labels)
    words = ["run", "--posts", small_sample / "posts.jsonl.gz", "--labels", labels]
    words += ["--heads", "age,gender", "--out", out]
    section = "{" + ", ".join(f"{key}: {value}" for key, value in server.items()) + "}"
    settings = [*TINY, "training.epochs=1", "tune=false", "judging={accept: [age, gender]}"]
    # Text outside ASCII stands in JSON as a backslash and its number.
    settings += ["heads.age.unit=años", f"metadata={section}"]
    variables = {**os.environ, VARIABLE: PASSWORD}
    for _ in range(2):
        done = run_command(*words, settings=settings, env=variables)
        assert done.returncode == 0, done.stdout + done.stderr
    assert {"PostsExampleGen", "Transform", "Trainer", "ServingCheck", "HeadEvaluator"} <= set(
        read_summary(out)["reused"]
    )
    assert len([name for name in versions(out / "serving") if not name.startswith(".")]) == 1
    assert not (out / "metadata.sqlite").exists()
    for log in (out / "logs").iterdir():
        assert "blank" not in log.read_text(encoding="utf-8"), "a part of the password is logged"
