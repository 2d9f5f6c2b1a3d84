"""A Flink of this machine for a test: a job manager, two task managers, Beam's job server.

Enters: a folder. Leaves: the addresses of the job server and of Flink's REST interface, while the
context lasts; every process ends with it. Called by test_runners.py.

Beam's job server for Flink is one jar with Flink in it, which Beam fetches from Maven Central;
where that is not served, Maven resolves an older Beam's in parts (flink/pom.xml). Without either,
or without Java, the test is skipped and says why.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from apache_beam.utils.subprocess_server import JavaJarServer

from pipeline.beam import BeamSettings, beam_arguments

JARS = Path(__file__).parents[2] / ".cache" / "jars"
PARTS = Path(__file__).parent / "flink" / "pom.xml"
JOB_SERVER = ":runners:flink:1.20:job-server:shadowJar"
DRIVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
RUNTIME = "org.apache.flink.runtime"
DEADLINE_SECONDS = 600
ATTEMPTS = 3
# What lives for a minute is not worth the second compiler.
JAVA = (
    *("java", "-Xmx512m", "-XX:MaxDirectMemorySize=1g", "-XX:TieredStopAtLevel=1"),
    *("-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
)
# One slot each, so that what runs twice side by side runs on both. Beam's graphs have hundreds of
# tasks, each of which would have 512 buffers for its shuffle. A busy machine may be slow to answer.
FLINK = """\
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc}
rest.address: localhost
rest.port: {rest}
jobmanager.memory.process.size: 1g
taskmanager.numberOfTaskSlots: 1
taskmanager.cpu.cores: 1.0
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: 256m
taskmanager.memory.task.off-heap.size: 0m
taskmanager.memory.managed.size: 128m
taskmanager.memory.network.min: 256m
taskmanager.memory.network.max: 256m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 64m
taskmanager.memory.jvm-overhead.max: 64m
taskmanager.network.sort-shuffle.min-buffers: 16
heartbeat.timeout: 600000
pekko.ask.timeout: 600 s
"""


class Flink(NamedTuple):
    """Where it is."""

    job_server: str
    rest: str

    def job_states(self) -> list[str]:
        """How each job of the cluster ended."""
        return [job["state"] for job in ask(self.rest, "jobs/overview")["jobs"]]


@contextlib.contextmanager
def running_flink(folder: Path) -> Iterator[Flink]:
    """Flink with its two task managers, ready for jobs."""
    classes = find_classes()
    for _ in range(ATTEMPTS):
        with contextlib.ExitStack() as stack:
            flink = start(stack, folder, classes)
            if flink:
                yield flink
                return
    pytest.fail(f"Flink ended as it came up, {ATTEMPTS} times: {folder}/flink.log tells why")


def find_classes() -> str:
    """The class path of job server and Flink; a reason to skip where there is none."""
    if shutil.which("java") is None:
        pytest.skip("Flink was not tried: it needs Java, and none is here")
    try:
        return fetch_jar()
    except (OSError, RuntimeError) as error:
        jar = str(error).splitlines()[0]
    if shutil.which("mvn") is None:
        pytest.skip(f"Flink was not tried: no Maven is here, and Beam's job server: {jar}")
    JARS.mkdir(parents=True, exist_ok=True)
    classes = JARS / "flink.classpath"
    classes.unlink(missing_ok=True)
    resolve = ("mvn", "-B", "-q", "-f", str(PARTS), "dependency:build-classpath")
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [*resolve, f"-Dmdep.outputFile={classes}"],
            capture_output=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
    if not classes.exists():
        pytest.skip(f"Flink was not tried: Maven has no parts, and Beam's job server: {jar}")
    return classes.read_text(encoding="utf-8").strip()


def fetch_jar() -> str:
    """Path of Beam's job server, fetched by Beam itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(60)
    try:
        return JavaJarServer.local_jar(JavaJarServer.path_to_beam_jar(JOB_SERVER), str(JARS))
    finally:
        socket.setdefaulttimeout(before)


def start(stack: contextlib.ExitStack, folder: Path, classes: str) -> Flink | None:
    """Starts all four; None where one ended, as it does when another program took its port."""
    rpc, rest, jobs = free_ports(3)
    (folder / "config.yaml").write_text(FLINK.format(rpc=rpc, rest=rest), encoding="utf-8")
    configured = ("--configDir", str(folder))
    flink = Flink(f"localhost:{jobs}", f"localhost:{rest}")
    driver = (f"--flink-master={flink.rest}", f"--job-port={jobs}", "--artifact-port=0")
    processes = [
        start_java(stack, folder, classes, *words)
        for words in (
            (f"{RUNTIME}.entrypoint.StandaloneSessionClusterEntrypoint", *configured),
            (f"{RUNTIME}.taskexecutor.TaskManagerRunner", *configured),
            (f"{RUNTIME}.taskexecutor.TaskManagerRunner", *configured),
            (DRIVER, *driver, "--expansion-port=0", f"--artifacts-dir={folder}/artifacts"),
        )
    ]
    end = time.monotonic() + DEADLINE_SECONDS
    while not (task_managers(flink.rest) == 2 and answers(jobs)):
        if any(process.poll() is not None for process in processes):
            return None
        assert time.monotonic() < end, "Flink did not come up; flink.log in the test's folder tells"
        time.sleep(0.2)
    return flink


def start_java(
    stack: contextlib.ExitStack, folder: Path, classes: str, *words: str
) -> subprocess.Popen[bytes]:
    """Starts a process of the cluster, which ends with the stack."""
    log = stack.enter_context((folder / "flink.log").open("ab"))
    opened = (word for word in beam_arguments(BeamSettings(runner="flink")) if "add-opens" in word)
    flags = [*(word.partition("=")[2] for word in opened), f"-Djava.io.tmpdir={folder}"]
    process = subprocess.Popen(
        [*JAVA, *flags, "-cp", classes, *words], stdout=log, stderr=log, cwd=folder
    )

    def end() -> None:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(end)
    return process


def free_ports(count: int) -> list[int]:
    """Ports that differ, and that nobody had a moment ago."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


def task_managers(rest: str) -> int:
    """How many have come to the job manager."""
    with contextlib.suppress(OSError):
        return ask(rest, "overview")["taskmanagers"]
    return 0


def ask(rest: str, what: str) -> dict:
    """An answer of Flink's REST interface."""
    with urllib.request.urlopen(f"http://{rest}/{what}", timeout=60) as answer:
        return json.load(answer)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("localhost", port), timeout=60):
        return True
    return False
