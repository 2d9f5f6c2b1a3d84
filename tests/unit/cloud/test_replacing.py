"""One schedule of a name: created twice, replaced, and interrupted after every single step."""

from __future__ import annotations

import dataclasses
import datetime
import itertools

import pytest

from pipeline.cloud.replacing import Entry, finish, put


class Killed(Exception):
    """The command was killed before this call."""


class Pages:
    """A platform's schedules of one name; refuses calls after a number of changes."""

    def __init__(self):
        self.kept: dict[str, Entry] = {}
        self.numbers = itertools.count(1)
        self.left = 1000
        self.digest = ""
        self.most_active = 0
        self.fewest = 1000

    def change(self):
        if not self.left:
            raise Killed
        self.left -= 1

    def watch(self):
        self.most_active = max(self.most_active, sum(e.active for e in self.kept.values()))
        self.fewest = min(self.fewest, len(self.kept))

    def find(self, name):
        assert name == "nightly"
        return list(self.kept.values())

    def create(self, *, active, wanted_active):
        self.change()
        number = next(self.numbers)
        when = datetime.datetime(2026, 1, 1, 0, 0, number)
        self.kept[str(number)] = Entry(
            str(number), self.digest, active, wanted_active, when, "nightly", "", "", ""
        )
        self.watch()

    def set_active(self, entry_id, active):
        self.change()
        self.kept[entry_id] = dataclasses.replace(self.kept[entry_id], active=active)
        self.watch()

    def pause(self, entry_id):
        self.set_active(entry_id, False)

    def resume(self, entry_id):
        self.set_active(entry_id, True)

    def delete(self, entry_id):
        self.change()
        del self.kept[entry_id]
        self.watch()


def put_digest(book, digest):
    book.digest = digest
    return put(book, "nightly", digest, book.create)


def state(book):
    return [(entry.digest, entry.active) for entry in book.find("nightly")]


def test_created_twice_it_is_there_once():
    book = Pages()
    first = put_digest(book, "a")
    assert put_digest(book, "a") == first
    assert state(book) == [("a", True)]


def test_a_changed_definition_takes_the_old_ones_place_with_never_two_active_and_never_none():
    book = Pages()
    put_digest(book, "a")
    book.most_active, book.fewest = 0, 1000
    assert put_digest(book, "b").active
    assert state(book) == [("b", True)]
    assert (book.most_active, book.fewest) == (1, 1)


def test_what_a_person_paused_stays_paused():
    book = Pages()
    book.pause(put_digest(book, "a").id)
    assert not put_digest(book, "a").active
    assert state(book) == [("a", False)]
    assert not put_digest(book, "b").active
    assert state(book) == [("b", False)]


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("after", ["same", "other", "finish", "back"])
def test_interrupted_anywhere_the_next_command_leaves_one_in_the_state_that_was_meant(
    paused, steps, after
):
    book = Pages()
    first = put_digest(book, "a")
    if paused:
        book.pause(first.id)
    book.left = steps
    try:
        put_digest(book, "b")
    except Killed:
        assert not paused or steps < 2
    book.left, book.most_active = 1000, 0
    if after == "finish":
        finish(book, "nightly")
        expected = "a" if steps == 0 else "b"
    else:
        expected = {"same": "b", "other": "c", "back": "a"}[after]
        put_digest(book, expected)
    assert state(book) == [(expected, not paused)]
    assert book.most_active <= 1


def test_a_creation_whose_answer_was_lost_and_repeated_leaves_one():
    book = Pages()
    create = book.create

    def twice(**words):
        create(**words)
        create(**words)

    book.create = twice
    put_digest(book, "a")
    assert state(book) == [("a", True)]


def test_there_is_nothing_to_finish_where_there_is_nothing():
    assert finish(Pages(), "nightly") is None
