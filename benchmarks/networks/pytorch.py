"""The reference network in PyTorch, on arrays padded to the longest author.

    python -m benchmarks.networks.pytorch CORPUS eager|compiled float32|bfloat16

Runs in an environment of its own, which `requirements/pytorch.txt` pins.
"""

from __future__ import annotations

import copy
import sys
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.networks.arrays import BATCH, UNITS, VOCABULARY, mean_skill, read_arrays
from benchmarks.networks.contenders import serve


class Network(nn.Module):
    """The reference network; heads answer before their activation."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 256)
        sizes = [(256, 128), (128, 256), (256, 256), (256, 256), (256, 256)]
        self.convolutions = nn.ModuleList(nn.Conv1d(one, two, 5) for one, two in sizes)
        self.shared = nn.Linear(256, 128)
        self.heads = nn.ModuleDict({head: nn.Linear(128, units) for head, units in UNITS.items()})

    def forward(self, tokens: Any) -> dict[str, Any]:
        """Token ids int `[batch, tokens]` -> {head: float `[batch, width]`}."""
        x = self.embedding(tokens).transpose(1, 2)
        for number, convolution in enumerate(self.convolutions):
            x = functional.relu(convolution(x))
            if number in (0, 2):
                x = functional.max_pool1d(x, 5)
        x = functional.relu(self.shared(x.amax(dim=2)))
        return {head: layer(x).float() for head, layer in self.heads.items()}


def loss_of(answers: dict[str, Any], targets: dict[str, Any]) -> Any:
    """The sum of the heads' losses."""
    return (
        functional.mse_loss(answers["age"], targets["age"])
        + functional.cross_entropy(answers["income"], targets["income"])
        + functional.binary_cross_entropy_with_logits(answers["gender"], targets["gender"])
    )


def main(path: str, way: str, precision: str) -> None:
    """Serves the benchmark's requests."""
    torch.manual_seed(1)
    train, selecting = read_arrays(path)
    network, place = Network(), 0
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, eps=1e-7)
    start = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
    run: Any = torch.compile(network) if way == "compiled" else network
    in_bfloat16 = precision == "bfloat16"

    def forward(tokens: Any) -> dict[str, Any]:
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16):
            return dict(run(tokens))

    def restart() -> None:
        network.load_state_dict(start[0])
        optimizer.load_state_dict(start[1])

    def train_steps(steps: int) -> dict[str, float]:
        nonlocal place
        network.train()
        total, started = 0, time.perf_counter()
        for _ in range(steps):
            authors = np.arange(place, place + BATCH) % len(train.tokens)
            place += BATCH
            tokens = torch.from_numpy(train.tokens[authors])
            targets = {h: torch.from_numpy(y[authors]) for h, y in train.targets.items()}
            optimizer.zero_grad()
            loss_of(forward(tokens), targets).backward()
            optimizer.step()
            total += int(train.lengths[authors].sum())
        return {"tokens": total, "seconds": time.perf_counter() - started}

    def predict(tokens: np.ndarray) -> dict[str, np.ndarray]:
        network.eval()
        with torch.inference_mode():
            parts = [forward(part) for part in torch.from_numpy(tokens).split(BATCH)]
        joined = {head: torch.cat([part[head] for part in parts]) for head in UNITS}
        return {
            "age": joined["age"].numpy(),
            "income": joined["income"].softmax(1).numpy(),
            "gender": joined["gender"].sigmoid().numpy(),
        }

    def answer(authors: int) -> float:
        started = time.perf_counter()
        predict(train.tokens[:authors])
        return time.perf_counter() - started

    def answer_one(tokens: int, times: int) -> float:
        ids = np.zeros((1, max(tokens, 269)), "int32")
        whole = train.tokens.reshape(-1)
        ids[0, :tokens] = whole[whole > 0][:tokens]
        started = time.perf_counter()
        for _ in range(times):
            predict(ids)
        return (time.perf_counter() - started) / times

    serve(
        {
            "parameters": lambda: sum(weight.numel() for weight in network.parameters()),
            "restart": restart,
            "train": train_steps,
            "skill": lambda: mean_skill(predict(selecting.tokens), selecting.targets),
            "answer": answer,
            "answer_one": answer_one,
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
