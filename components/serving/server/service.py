"""The model as KServe's server knows it: takes requests of every protocol, asks, describes.

Enters: a `Question` (TensorFlow Serving's protocol, over REST or gRPC) or an `Inference` (Open
Inference Protocol). Leaves: a dictionary of the first protocol, or an `InferResponse`. Reached
through KServe's data plane, which measures how long each part took.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.heads.served import ServedHead
from components.serving.server.answers import bound_faults, short_numbers
from components.serving.server.batches import Batches
from components.serving.server.bodies import FORM
from components.serving.server.explain import occlude, word_effects
from components.serving.server.inference import Inference, response_of
from components.serving.server.intake import Intake
from components.serving.server.kserve_api import DataPlane, InferResponse, Model
from components.serving.server.loaded import POSTS, Answers, LoadedVersion
from components.serving.server.refusals import Refusal, unknown_model
from components.serving.server.requests import AUTHOR_ID, Question
from components.serving.server.settings import ServerSettings
from components.serving.server.watch import State, Versions


class AuthorModel(Model):
    """The served model, whichever version it is.

    Raises:
        FileNotFoundError: the folder holds no model.
    """

    def __init__(self, settings: ServerSettings) -> None:
        super().__init__(settings.name)
        self.settings = settings
        self.versions = Versions(
            settings.model,
            lambda version: bound_faults(version.served.heads, settings),
        )
        self.batches = Batches(settings)
        self.intake = Intake(settings)

    def load(self) -> bool:
        """Loads the newest sound version; returns whether there is one."""
        self.versions.refresh()
        self.ready = self.versions.current is not None
        return bool(self.ready)

    def start(self) -> None:
        """KServe would call a model ready that is not."""

    def stop(self) -> None:
        """Ends the watch and the threads."""
        self.versions.stop()
        self.batches.close()
        self.intake.close()
        self.ready = False

    def validate(self, payload: Any) -> Any:
        """What comes here was checked where it entered."""
        return payload

    def find(self, name: str, version: str | None = None) -> LoadedVersion:
        """The version asked for. Raises Refusal."""
        self._require_name(name)
        return self.versions.take(version)

    def states(self, name: str, version: str | None = None) -> list[State]:
        """The version in service and those refused, or the one asked for. Raises Refusal."""
        self._require_name(name)
        return self.versions.states(version)

    def _require_name(self, name: str) -> None:
        if name != self.name:
            raise unknown_model(name, self.name)

    async def predict(
        self,
        payload: Question | Inference,
        headers: Mapping[str, str] | None = None,
        response_headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """Answers a request of either protocol. Raises Refusal."""
        if isinstance(payload, Question):
            answers = await self.ask(payload)
            return predictions(payload, answers, self.describe(payload.version, answers))
        answers = await self.ask(payload.question)
        described = self.describe(payload.question.version, answers)
        return response_of(payload, answers, described)

    async def ask(self, question: Question) -> Answers:
        """Arrays by output. Raises Refusal."""
        return await self.batches.answer(question.version, question.signature, question.rows)

    def describe(self, version: LoadedVersion, answers: Answers) -> list[dict[str, Any]]:
        """What every author's numbers mean, head by head; empty for another signature's answers."""
        if not all(name in answers for name in version.head_names):
            return []
        by_head = {
            head.name: self._described(head, answers[head.name]) for head in version.served.heads
        }
        return [
            dict(zip(by_head, author, strict=True))
            for author in zip(*by_head.values(), strict=True)
        ]

    def _described(self, head: ServedHead, answers: np.ndarray) -> list[dict[str, Any]]:
        abstention = self.settings.abstention(head.name)
        return [head.described(short_numbers(row), abstention) for row in answers]

    async def explain(
        self, payload: Question, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The words that mattered most to one author's answers, by head. Raises Refusal."""
        if payload.signature != POSTS or len(payload.rows) != 1:
            raise Refusal(
                "An explanation is of one author given as posts; this request has "
                f"{len(payload.rows)} instances of signature {payload.signature}. {FORM}."
            )
        tried = await self.intake.in_thread(
            occlude,
            payload.rows[0].decode(),
            self.settings.explain_words,
            self.settings.explain_bytes,
        )
        answers = await self.batches.answer(payload.version, POSTS, tried.texts)
        heads = {
            head.name: word_effects(head, answers[head.name], tried)
            for head in payload.version.served.heads
        }
        told = {"tried_words": len(tried.words), "distinct_words": tried.distinct, "heads": heads}
        return {"explanations": _with_ids([told], payload.ids)}


def predictions(
    question: Question, answers: Answers, described: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The response of TensorFlow Serving's REST protocol."""
    if question.described and described:
        answered = _with_ids(described, question.ids)
        return {"outputs" if question.columns else "predictions": answered}
    rows = {name: [_plain(row) for row in values] for name, values in answers.items()}
    if question.columns:
        return {"outputs": rows if len(rows) != 1 else next(iter(rows.values()))}
    if len(rows) == 1 and not any(author is not None for author in question.ids):
        return {"predictions": next(iter(rows.values()))}
    by_author = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
    return {"predictions": _with_ids(by_author, question.ids)}


def _with_ids(
    answers: Sequence[dict[str, Any]], ids: Sequence[str | int | None]
) -> list[dict[str, Any]]:
    """Answers by author, each with the id that the client gave with the author, if any."""
    if not ids:
        return list(answers)
    return [
        answer if author is None else {AUTHOR_ID: author, **answer}
        for author, answer in zip(ids, answers, strict=True)
    ]


def _plain(row: np.ndarray) -> Any:
    """A row as JSON has it: strings and short numbers."""
    if row.dtype == np.float32:
        return float(str(row)) if row.ndim == 0 else [_plain(part) for part in row]
    if row.dtype == object:
        return [value.decode(errors="replace") for value in np.atleast_1d(row)]
    return row.tolist()


class AuthorDataPlane(DataPlane):
    """KServe's data plane, which is ready when the model is, and lives while its watch does."""

    async def live(self) -> dict[str, str]:
        """Whether new versions would be loaded; where not, another process has to."""
        return {"status": self.watch_fault() or "alive"}

    def watch_fault(self) -> str:
        """Why no new version would be loaded; empty where it would be."""
        models = self.model_registry.get_models().values()
        return next((fault for model in models if (fault := model.versions.fault())), "")

    async def ready(self) -> bool:
        """Whether every model is in service."""
        return all(model.ready for model in self.model_registry.get_models().values())
