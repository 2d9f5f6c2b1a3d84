"""A run of three heads that are not the usual ones, with everything that a report can show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.heads.declared import parse_heads
from components.report.answer_sums import count_answers, describe_answers
from components.report.coverage import LENGTH_EDGES
from components.report.heads import REPORTS
from components.report.record import RunRecord
from components.report.scales import make_scale

HEADS = parse_heads(
    {
        "height": {"kind": "regression", "unit": "cm", "minimum": 50, "maximum": 250},
        "party": {"kind": "classes", "classes": 3, "given_as": "group"},
        "smoker": {"kind": "binary", "positive": "yes", "negative": "no"},
    }
)
SCALE = make_scale([140, 155, 160, 165, 168, 170, 173, 176, 180, 186, 210])


def _answers() -> dict[str, Any]:
    """Answers about 400 authors, each right more often than not."""
    draw = np.random.default_rng(11)
    height = draw.normal(170, 10, (400, 1))
    party = np.eye(3)[draw.integers(0, 3, 400)]
    smoker = (draw.random((400, 1)) < 0.4).astype(float)
    guess = np.clip(0.25 + 0.5 * smoker + draw.normal(0, 0.15, (400, 1)), 0.01, 0.99)
    served: dict[str, Any] = {
        "height": {"interval": {"half_width": 6.0, "coverage": 0.8}},
        "smoker": {"temperature": 1.2},
    }
    reports = {h.name: REPORTS[h.kind](h, SCALE, served.get(h.name)) for h in HEADS}
    sums = count_answers(
        reports,
        {"height": height, "party": party, "smoker": smoker},
        {head.name: draw.random(400) < 0.9 for head in HEADS},
        {
            "height": height + draw.normal(0, 5, (400, 1)),
            "party": 0.3 * party + 0.7 * draw.dirichlet([1, 1, 2], 400),
            "smoker": guess,
        },
    )
    return describe_answers("test", reports, sums)


def _estimate(value: float) -> dict[str, float]:
    return {"value": value, "lower": value - 0.05, "upper": value + 0.05}


def _head(name: str, kind: str, metric: str, value: float, blessed: bool) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "unit": "cm" if kind == "regression" else "",
        "labels": 360,
        "metrics": {metric: _estimate(value)},
        "constant": {metric: 0.5},
        "skill": _estimate(0.3 if blessed else 0.04),
        "comparison": {
            "baseline_skill": _estimate(0.2),
            "baseline_metrics": {metric: _estimate(value + 0.5)},
            "difference": None,
            "note": "",
        },
        "linear_baseline": {
            "metrics": {metric: _estimate(value + 0.25)},
            "skill": _estimate(0.28),
            "added": {"value": 0.02, "lower": 0.01 if blessed else -0.01, "upper": 0.05},
        },
        "blessed": blessed,
        "accepted": False,
        "reason": "" if blessed else "falls short by 0.010",
    }


def _verdict(blessed: bool) -> dict[str, Any]:
    heads = [
        _head("height", "regression", "mae", 6.1, True),
        _head("party", "classes", "within_one_group", 0.8, blessed),
        _head("smoker", "binary", "accuracy", 0.9, True),
    ]
    return {
        "blessed": blessed,
        "falling_short": [] if blessed else ["party"],
        "split": "test",
        "authors": 400,
        "confidence": 0.95,
        "heads": heads,
        "slices": [{"head": "smoker", "value": "yes", "authors": 160, "results": heads}],
    }


def _audit(authors: int) -> dict[str, Any]:
    return {
        "files": [
            {
                "kind": "posts",
                "file": "/data/<posts>.jsonl",
                "read": 2010,
                "used": 2000,
                "set_aside": {"not valid JSON": {"records": 10, "first_line": 3}},
                "notes": {"timestamp not readable": {"records": 1200, "first_line": 5}},
            }
        ],
        "splits": {
            "train": {
                "authors": authors,
                "heads": {
                    "height": {"known": 300, "minimum": 140, "maximum": 210, "values": {}},
                    "party": {"known": 300, "values": {"0": 100, "1": 100, "2": 100}},
                    "smoker": {"known": 280, "values": {"no": 180, "yes": 100}},
                },
            }
        },
    }


def _data() -> dict[str, Any]:
    lengths = [0.0] * (len(LENGTH_EDGES) - 1)
    lengths[3:6] = [100.0, 200.0, 100.0]
    return {
        "heads": ["height", "party", "smoker"],
        "length_edges": list(LENGTH_EDGES),
        "scales": {"height": SCALE.to_json()},
        "maximum_bytes": 3000,
        "splits": {
            "train": {
                "authors": [400.0],
                "cut": [20.0],
                "posts": lengths,
                "characters": lengths,
                "pairs": [[300.0, 220.0, 210.0], [220.0, 300.0, 200.0], [210.0, 200.0, 280.0]],
                "together": [10.0, 40.0, 40.0, 60.0, 40.0, 50.0, 40.0, 120.0],
                "height/values": [10.0] * (len(SCALE.edges) - 1),
            }
        },
        "tokens": {"train": {"tokens": lengths, "totals": [400.0, 80_000.0, 1_600.0]}},
    }


def _trials() -> list[dict[str, Any]]:
    return [
        {
            "trial": str(number),
            "hyperparameters": {
                "loss_weight/party": 0.5 + number,
                "loss_weight/smoker": 2.0 - number / 2,
                "learning_rate": 0.001,
                "dropout": 0.2,
            },
            "skills": {"height": 0.5, "party": 0.1 * number, "smoker": 0.6 - 0.1 * number},
            "score": 0.4 - 0.01 * number,
            "status": "COMPLETED",
            "epochs": 3,
        }
        for number in range(3)
    ]


def _training(weight: float) -> dict[str, Any]:
    names = ["height", "party", "smoker"]
    epoch = {f"{split}{name}_known.loss": 0.7 for split in ("", "val_") for name in names}
    epoch |= {f"val_{name}_skill": 0.2 for name in names} | {"val_skill": 0.2}
    return {
        "parameters": 1234,
        "network": {"kind": "conv"},
        "baseline_parameters": 567,
        "learned_from": 450,
        "shares": {name: {"network": 0.934, "answer": 0.98, "baseline": 0.97} for name in names},
        "paths": {
            name: {
                "pool": {"value": 0.02, "lower": -0.01, "upper": 0.05},
                "convolution": {"value": 0.11, "lower": 0.08, "upper": 0.14},
            }
            for name in names
        },
        "precision": "float32",
        "best_epoch": 2,
        "authors": {"train": 400, "eval": 50},
        "epochs": [epoch, epoch, epoch],
        "settings": {"loss_weights": {"party": weight}, "dropout": 0.2},
    }


@pytest.fixture(scope="session")
def answers() -> dict[str, Any]:
    """The content of an `answers.json`."""
    return _answers()


@pytest.fixture(scope="session")
def record(answers: dict[str, Any]) -> RunRecord:
    """A whole record."""
    rows = [("chosen weights", 0.31), ("one network a head", 0.28)]
    return RunRecord(
        heads=[head.model_dump() for head in HEADS],
        verdict=_verdict(blessed=False),
        check={"blessed": True, "faults": []},
        training=_training(2.0),
        trials=_trials(),
        audit=_audit(400),
        data=_data(),
        answers=answers,
        drift=[{"head": "height", "measure": "divergence", "value": 0.012, "threshold": 0.3}],
        vocabulary=512,
        history={
            "run": "2026-11-24T05:17:50+01:00",
            "stages": [
                {"stage": "Trainer", "seconds": 61.5, "reused": False},
                {"stage": "Transform", "seconds": 0.0, "reused": True},
            ],
        },
        previous={
            "run": "2026-11-23T05:17:50+00:00",
            "verdict": _verdict(blessed=True),
            "training": _training(1.0),
            "audit": _audit(380),
        },
        comparison=[
            {
                "name": name,
                "seeds": 3,
                "heads": {
                    head.name: {"mean": mean, "lower": mean - 0.02, "upper": mean + 0.02}
                    for head in HEADS
                },
            }
            for name, mean in rows
        ],
        titles={"Trainer": "training"},
        config="runs/my run/config.yaml",
        created="2026-11-24T05:17:50+01:00",
    )


@pytest.fixture(scope="session")
def bare_record(record: RunRecord) -> RunRecord:
    """What is left where nothing but the judgement is known, of one head."""
    verdict = {**record.verdict, "heads": record.verdict["heads"][:1], "slices": []}
    verdict |= {"blessed": True, "falling_short": []}
    alone = {"baseline_skill": None, "difference": None, "note": ""}
    verdict["heads"] = [{**verdict["heads"][0], "comparison": alone}]
    del verdict["heads"][0]["linear_baseline"]
    return RunRecord(heads=record.heads[:1], verdict=verdict)
