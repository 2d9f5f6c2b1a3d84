"""One process at a time in a folder, tried with real processes."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from components.serving.bulk.work import claim_work, work_folder
from pipeline.lock import InUseError, only_one
from pipeline.schedule.execution import is_running, only_run_in

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.lock import only_one
with only_one(Path(sys.argv[1]), "run"):
    print("held", flush=True)
    time.sleep(600)
"""
COMMAND = str(Path(sys.executable).parent / "authorprofile")


@pytest.fixture
def hold():
    processes = []

    def start(lock_file):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(lock_file)], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_the_next_one_is_told_who_is_at_work_and_what_to_do(tmp_path, hold):
    process = hold(tmp_path / "lock")
    with pytest.raises(InUseError) as refused, only_one(tmp_path / "lock", "run"):
        pass
    assert str(refused.value).startswith(
        f"One run at a time may work in a folder; another is at work in {tmp_path}: "
        f"process {process.pid} on "
    )
    assert str(refused.value).endswith(
        "Wait until it has ended, or name another folder with --out."
    )


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_lock_goes_with_its_process(tmp_path, hold, end):
    process = hold(tmp_path / "lock")
    process.send_signal(end)
    process.wait()
    with only_one(tmp_path / "lock", "run"):
        assert f"process {os.getpid()} on" in (tmp_path / "lock").read_text()


def test_a_process_that_has_ended_is_not_named(tmp_path):
    with only_one(tmp_path / "lock", "run"):
        pass
    assert (tmp_path / "lock").read_text() == ""
    with pytest.raises(ZeroDivisionError), only_one(tmp_path / "lock", "run"):
        1 / 0  # noqa: B018
    assert (tmp_path / "lock").read_text() == ""


def a_run(folder):
    return folder / "lock", only_one(folder / "lock", "run")


def a_scheduled_run(folder):
    return folder / "schedule.lock", only_run_in(folder, threading.Event(), wait=False)


def a_prediction(folder):
    work = work_folder(folder / "answers.csv")
    work.mkdir()
    return work / ".lock", claim_work(folder / "answers.csv", {}, force=True)


@pytest.mark.parametrize("start", [a_run, a_scheduled_run, a_prediction])
def test_whoever_looks_whether_a_lock_is_held_refuses_nobody(tmp_path, start):
    lock_file, work = start(tmp_path)
    lock_file.write_text("process 1 on another machine, which was killed")
    look = lock_file.open("rb")
    fcntl.flock(look, fcntl.LOCK_SH)
    threading.Timer(0.2, look.close).start()
    with work:
        assert look.closed


def test_two_that_look_do_not_take_each_other_for_a_run(tmp_path):
    assert not is_running(tmp_path)
    (tmp_path / "schedule.lock").touch()
    with (tmp_path / "schedule.lock").open("rb") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        assert not is_running(tmp_path)
    with only_run_in(tmp_path, threading.Event(), wait=False):
        assert is_running(tmp_path)
    assert not is_running(tmp_path)


@pytest.mark.parametrize(
    ("words", "lock", "what"),
    [
        (["audit"], "audit.lock", "audit"),
        (["rehearse", "--target", "vertex"], "rehearsal-vertex.lock", "rehearsal"),
        (["run"], "lock", "run"),
    ],
)
def test_a_command_waits_its_turn(tmp_path, hold, words, lock, what):
    write_records(tmp_path)
    (tmp_path / "out").mkdir()
    hold(tmp_path / "out" / lock)
    done = subprocess.run(
        [COMMAND, *words, *given(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"One {what} at a time may work in a folder; another is at work in" in (
        done.stdout + done.stderr
    )
    assert "Traceback" not in done.stdout + done.stderr


def write_records(folder):
    posts = [json.dumps({"author_id": f"a{n}", "text": "a post"}) for n in range(20)]
    (folder / "posts.jsonl").write_text("\n".join(posts))
    labels = [f"a{n},{20 + n}" for n in range(20)]
    (folder / "labels.csv").write_text("\n".join(["author_id,age", *labels]))


def given(folder):
    files = ["--posts", f"{folder}/posts.jsonl", "--labels", f"{folder}/labels.csv"]
    return [*files, "--heads", "age", "--out", f"{folder}/out"]


def test_of_two_audits_at_once_one_is_whole_and_the_other_says_so(tmp_path):
    write_records(tmp_path)
    words = [COMMAND, "audit", *given(tmp_path)]
    both = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in both]
    codes = [process.returncode for process in both]
    audit = json.loads((tmp_path / "out/audit/audit.json").read_text())
    assert sum(file["read"] for file in audit["files"]) == 40
    for code, text in zip(codes, said, strict=True):
        refused = "One audit at a time" in text
        assert refused != ("Every record set aside" in text)
        assert code == 1 or not refused
        assert "Traceback" not in text and "No such file" not in text
    assert any("Every record set aside" in text for text in said)
    assert {path.name.partition("-")[0] for path in (tmp_path / "out/audit").iterdir()} == {
        "audit.json",
        "set_aside",
    }


def test_an_audit_and_a_run_in_one_folder_do_not_meet(tmp_path, hold):
    write_records(tmp_path)
    (tmp_path / "out").mkdir()
    hold(tmp_path / "out/lock")
    done = subprocess.run(
        [COMMAND, "audit", *given(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "Every record set aside" in done.stdout


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
@pytest.mark.parametrize("start", [a_run, a_scheduled_run, a_prediction])
def test_a_storage_without_locks_is_told_in_words(tmp_path, monkeypatch, start, number):
    def refuse(*given):
        raise OSError(number, os.strerror(number))

    lock_file, work = start(tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match=f"{lock_file} must .* says: {os.strerror(number)}"), work:
        pass
