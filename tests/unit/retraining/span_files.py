"""Files of spans whose labels are planted."""

import json


def write_span(folder, span, women, known, broken=0, first_age=20):
    """200 authors: so many women, so many whose age is known; `broken` lines of posts."""
    posts = [json.dumps({"author_id": n, "text": "a post"}) for n in range(200)]
    (folder / f"posts-{span}.jsonl").write_text(
        "\n".join(posts[broken:] + ["{secret text"] * broken), encoding="utf-8"
    )
    ages = [first_age, *(20 + n % 50 for n in range(1, known)), *[""] * (200 - known)]
    rows = "".join(
        f"{n},{age},{'female' if n % 100 < women else 'male'}\n" for n, age in enumerate(ages)
    )
    (folder / f"labels-{span}.csv").write_text(f"author_id,age,gender\n{rows}", encoding="utf-8")
