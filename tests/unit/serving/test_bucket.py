"""Versions in a bucket: an object store stands in, TensorFlow's own that is held in memory."""

import json

import pytest
import tensorflow as tf
from click.testing import CliRunner

from components.serving.bucket import (
    find_damage,
    find_missing,
    numbered,
    read_manifest,
    roll_back,
    served_version,
)
from components.serving.rollback import RollbackError
from components.serving.versions import (
    MANIFEST_FILE,
    MODEL_FILE,
    ROLLBACK_FILE,
    UNLISTED,
)
from pipeline.cli import cli

HEADS = {"separator": "|", "heads": [{"name": "age", "kind": "regression"}]}
QUALITY = {"age": {"metric": "mae", "value": 4.25, "lower": 3.0, "upper": 9.0}}
MEASURED, FIRST, SECOND, THIRD = 1600000000, 1700000001, 1700000002, 1700000003


def write(path, text):
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(text)


def read(path):
    with tf.io.gfile.GFile(path) as file:
        return file.read()


@pytest.fixture
def bucket(request):
    """Whole versions, of which one says how good it is, and one that a killed push left."""
    address = f"ram://{request.node.name.replace('[', '-').strip(']')}/serving"
    # The store in memory takes `assets.extra` for a part of `assets`: it can be read, not copied.
    write(f"{address}/{MEASURED}/assets.extra/quality.json", json.dumps(QUALITY))
    for number in (MEASURED, FIRST, SECOND, THIRD):
        write(f"{address}/{number}/assets/heads.json", json.dumps(HEADS))
        write(f"{address}/{number}/variables/variables.index", f"weights {number}")
        write(f"{address}/{number}/{MODEL_FILE}", f"model {number}")
    write(f"{address}/1700000009/variables/variables.index", "half of it")
    return address


def serves(bucket):
    """What the newest version that holds a model says."""
    return read(f"{bucket}/{numbered(bucket, MODEL_FILE)[-1]}/{MODEL_FILE}")


def test_a_rollback_is_the_newest_version_and_another_one_goes_further(bucket):
    assert served_version(bucket) == THIRD
    done = roll_back(bucket)
    assert done.model == served_version(bucket) == SECOND
    assert done.version > 1700000009
    assert serves(bucket) == f"model {SECOND}"
    assert read(f"{bucket}/{done.version}/variables/variables.index") == f"weights {SECOND}"
    assert roll_back(bucket).model == FIRST
    assert roll_back(bucket, THIRD).model == THIRD
    assert serves(bucket) == f"model {THIRD}"
    # The versions stay as they were.
    assert not tf.io.gfile.exists(f"{bucket}/{SECOND}/{ROLLBACK_FILE}")


def test_the_file_that_makes_it_a_version_is_copied_last(bucket, monkeypatch):
    copied = []
    copy = tf.io.gfile.copy

    def crash_before_the_last(source, target, overwrite=False):
        copied.append(target.rpartition("/")[2])
        if copied[-1] == MODEL_FILE:
            raise KeyboardInterrupt
        copy(source, target, overwrite)

    monkeypatch.setattr(tf.io.gfile, "copy", crash_before_the_last)
    with pytest.raises(KeyboardInterrupt):
        roll_back(bucket)
    assert sorted(copied[:-1]) == ["heads.json", "variables.index"]
    assert serves(bucket) == f"model {THIRD}"
    monkeypatch.undo()
    assert roll_back(bucket).model == SECOND
    assert serves(bucket) == f"model {SECOND}"


def test_a_version_that_is_not_whole_is_none_to_go_back_to(bucket):
    with pytest.raises(
        RollbackError, match=f"There is no version 1700000009. There are {MEASURED}"
    ):
        roll_back(bucket, 1700000009)
    with pytest.raises(RollbackError, match="holds none"):
        roll_back("ram://nothing/serving")


def run(*words):
    return CliRunner().invoke(cli, ["models", *map(str, words)], env={"COLUMNS": "120"})


def test_the_commands_take_a_buckets_address(bucket):
    done = run("rollback", "--model", f"{bucket}/")
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"In service: {bucket}/" in done.output
    assert f"the model of version {SECOND}" in done.output
    lines = run("list", "--model", bucket).output.splitlines()
    (first,) = [line for line in lines if str(MEASURED) in line]
    assert "2020-09-13 12:26" in first and "age mae 4.25 [3.00, 9.00]" in first
    (served,) = [line for line in lines if "in service" in line]
    assert f"rollback to {SECOND}" in served
    assert [line for line in lines if "1700000009" in line and "not whole" in line]


@pytest.mark.parametrize("command", ["list", "rollback"])
def test_what_is_no_bucket_of_versions_is_named_in_one_line(bucket, command):
    for model, said, code in (
        ("ram://empty/serving", "must be a folder with a version in it", 2),
        (f"{bucket}/{FIRST}", "must be the folder of versions, not one", 2),
        ("s3://models/serving", "Buckets are read through TensorFlow, which knows gs://", 1),
    ):
        done = run(command, "--model", model)
        assert (done.exit_code, done.exception.__class__) == (code, SystemExit)
        assert said in done.output


def list_digests(version):
    """Gives a version the list of its files, as a push does."""
    # The store in memory cannot list `assets` beside `assets.extra`; see the fixture.
    tf.io.gfile.remove(f"{version}/assets/heads.json")
    tf.io.gfile.rmtree(f"{version}/assets")
    write(f"{version}/{MANIFEST_FILE}", read_manifest(version).without(UNLISTED).text)


def lose_a_file(version):
    tf.io.gfile.remove(f"{version}/variables/variables.index")
    return "variables/variables.index is missing"


def add_a_file(version):
    write(f"{version}/variables/notes", "mine")
    return "variables/notes is an extra file"


def rewrite(path, text):
    # The store in memory would append.
    tf.io.gfile.remove(path)
    write(path, text)


def change_a_file(version):
    rewrite(f"{version}/variables/variables.index", "weights 1700000OO2")
    return "variables/variables.index has changed"


def cut_a_file(version):
    rewrite(f"{version}/variables/variables.index", "w")
    return "variables/variables.index has changed"


def lose_the_list(version):
    rewrite(f"{version}/{MANIFEST_FILE}", "half a li")
    return "SHA256SUMS is damaged: line 1 must be"


DAMAGES = [lose_a_file, add_a_file, change_a_file, cut_a_file, lose_the_list]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_serves_nobody_and_cannot_be_rolled_back_to(bucket, damage):
    for number in (SECOND, THIRD):
        list_digests(f"{bucket}/{number}")
        assert find_damage(f"{bucket}/{number}") == find_missing(f"{bucket}/{number}") == ""
    named = damage(f"{bucket}/{SECOND}")
    assert named in find_damage(f"{bucket}/{SECOND}")
    assert (named in find_missing(f"{bucket}/{SECOND}")) == (
        damage not in (change_a_file, cut_a_file)
    )
    with pytest.raises(RollbackError, match=f"Version {SECOND} is damaged and cannot be"):
        roll_back(bucket)
    assert serves(bucket) == f"model {THIRD}"
    damage(f"{bucket}/{THIRD}")
    assert served_version(bucket) == FIRST


def test_the_list_names_what_is_missing(bucket):
    list_digests(f"{bucket}/{THIRD}")
    lose_a_file(f"{bucket}/{THIRD}")
    lines = run("list", "--model", bucket).output.splitlines()
    assert "variables/variables.index" in " ".join(lines)
    (served,) = [line for line in lines if "in service" in line]
    assert str(SECOND) in served
