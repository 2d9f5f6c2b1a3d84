"""Daily spans of made-up authors, small enough to be trained on many times."""

from __future__ import annotations

import csv
import json
import random


def write_day(folder, day, authors=120, women=0.5, label_share=0.9):
    """Posts and labels of one day as span `day`; the same day is the same data.

    What an author writes tells gender and age: a word of each in nearly every post.
    """
    chance = random.Random(day)
    path = folder / f"{day:02d}"
    path.mkdir(parents=True)
    posts, labels = [], []
    for number in range(authors):
        author = f"day{day}-{number}"
        gender = "female" if chance.random() < women else "male"
        age = chance.randint(18, 77)
        for _ in range(3):
            words = [f"w{chance.randint(0, 60)}" for _ in range(10)]
            words += [f"{gender}ish"] * (chance.random() < 0.9)
            words += [f"decade{age // 10}"] * (chance.random() < 0.9)
            chance.shuffle(words)
            posts.append({"author_id": author, "text": " ".join(words)})
        known = chance.random() < label_share
        labels.append({"author_id": author, "age": age if known else "", "gender": gender})
    (path / "posts.jsonl").write_text("\n".join(map(json.dumps, posts)), encoding="utf-8")
    with (path / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["author_id", "age", "gender"])
        writer.writeheader()
        writer.writerows(labels)
    return path
