"""Kubeflow Pipelines' API v2beta1 on loopback.

Every body is checked against the published schema: the models that `kfp_server_api` was generated
with, field by field and type by type, and the PipelineSpec through its protobuf; cron as the
scheduler's own parser takes it, seconds first.
"""

from __future__ import annotations

import datetime
import itertools
import json
import re
from typing import Any

import kfp_server_api.models
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tests.cloud.loopback import Loopback, Refusal, Request, check_cron, page_of

PLAIN = {"str": str, "bool": bool, "int": int, "float": float, "object": object}
# Integers of 64 bits are strings in the schema; the API takes numbers too, which the client sends.
LONG = {"max_concurrency"}
EPOCH = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def check(kind: str, value: Any, where: str = "body") -> None:
    """Refuses what the schema's type does not hold."""
    inner = re.fullmatch(r"list\[(.+)\]|dict\(str, (.+)\)", kind)
    if inner and inner.group(1):
        for item in value:
            check(inner.group(1), item, where)
    elif inner:
        for item in value.values():
            check(inner.group(2), item, where)
    elif kind == "datetime":
        datetime.datetime.fromisoformat(value)
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) and not (where in LONG and isinstance(value, int)):
            raise Refusal(400, f"{where}: {kind} expected, got {type(value).__name__}")
    else:
        check_model(getattr(kfp_server_api.models, kind), value, where)


def check_model(model: Any, value: Any, where: str) -> None:
    """Refuses unknown fields and wrong values of an enumeration."""
    if not model.openapi_types:
        numbered = isinstance(value, int) and 0 <= value < len(model.allowable_values)
        # Filters name operations by number, as protobuf's JSON allows.
        if value not in model.allowable_values and not (where == "operation" and numbered):
            raise Refusal(400, f"{where}: {value!r} is none of {model.allowable_values}")
        return
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    for key, item in value.items():
        if key not in names:
            raise Refusal(400, f"{where}: unknown field {key}")
        check(model.openapi_types[names[key]], item, key)


def check_spec(spec: Any) -> None:
    """Refuses what is no PipelineSpec, or one with its Kubernetes part beside it."""
    try:
        json_format.ParseDict(spec.get("pipeline_spec", spec), pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(spec.get("platform_spec", {}), pipeline_spec_pb2.PlatformSpec())
    except json_format.ParseError as error:
        raise Refusal(400, f"pipeline_spec: {error}") from None


class KubeflowServer(Loopback):
    """Runs go one state further each time they are asked for, and end as `failing` says."""

    prefix = "/apis/v2beta1"

    def __init__(self) -> None:
        super().__init__()
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.recurring: dict[str, dict[str, Any]] = {}
        self.numbers = itertools.count(1)
        self.failing: dict[str, str] = {}
        self.endless = False
        self.multi_user = False
        self.asked: dict[str, int] = {}
        self.routes = [
            ("GET", "/healthz", lambda match, request: {"multi_user": self.multi_user}),
            ("GET", "/experiments", self.list_experiments),
            ("POST", "/experiments", self.create_experiment),
            ("POST", "/runs", self.create_run),
            ("GET", "/runs", self.list_runs),
            ("GET", "/runs/([^/:]+)", self.get_run),
            ("POST", "/recurringruns", self.create_recurring),
            ("GET", "/recurringruns", self.list_recurring),
            ("GET", "/recurringruns/([^/:]+)", lambda m, r: self.one(self.recurring, m)),
            ("DELETE", "/recurringruns/([^/:]+)", self.delete_recurring),
            ("POST", "/recurringruns/([^/:]+):(enable|disable)", self.switch_recurring),
        ]

    def refusal_body(self, status: int, message: str) -> dict[str, Any]:
        return {"error": message, "code": 7, "message": message, "details": []}

    def one(self, kept: dict[str, Any], match: re.Match[str]) -> Any:
        if match.group(1) not in kept:
            raise Refusal(404, f"ResourceNotFoundError: {match.group(1)} not found")
        return kept[match.group(1)]

    def made(self, kind: str) -> tuple[str, str]:
        """An id and a time of making, later than every earlier one."""
        number = next(self.numbers)
        return f"{kind}-{number}", (EPOCH + datetime.timedelta(seconds=number)).isoformat()

    def listed(self, kept: dict[str, Any], request: Request, plural: str) -> dict[str, Any]:
        items = list(kept.values())
        known = {"page_token", "page_size", "sort_by", "filter", "namespace", "experiment_id"}
        if unknown := set(request.query) - known:
            raise Refusal(400, f"unknown query {unknown}")
        condition = json.loads(request.query.get("filter") or "{}")
        check("V2beta1Filter", {"predicates": []} if not condition else camel(condition), "filter")
        for predicate in condition.get("predicates", []):
            key, value = predicate["key"], predicate["stringValue"]
            items = [item for item in items if item.get(key) == value]
        if request.query.get("sort_by") == "created_at desc":
            items.reverse()
        size = int(request.query.get("page_size") or 0)
        page, token = page_of(items, request.query.get("page_token", ""), size)
        return {plural: page, "total_size": len(items), "next_page_token": token}

    def list_experiments(self, match: Any, request: Request) -> Any:
        return self.listed(self.experiments, request, "experiments")

    def create_experiment(self, match: Any, request: Request) -> Any:
        check("V2beta1Experiment", request.body)
        id_, when = self.made("experiment")
        self.experiments[id_] = {**request.body, "experiment_id": id_, "created_at": when}
        return self.experiments[id_]

    def checked(self, model: str, body: Any) -> Any:
        check(model, body)
        check_spec(body["pipeline_spec"])
        if body["experiment_id"] not in self.experiments:
            raise Refusal(404, "Experiment not found")
        return body

    def create_run(self, match: Any, request: Request) -> Any:
        body = self.checked("V2beta1Run", request.body)
        id_, when = self.made("run")
        self.runs[id_] = {**body, "run_id": id_, "created_at": when, "state": "PENDING"}
        return self.runs[id_]

    def list_runs(self, match: Any, request: Request) -> Any:
        return self.listed(self.runs, request, "runs")

    def get_run(self, match: re.Match[str], request: Request) -> Any:
        run = self.one(self.runs, match)
        asked = self.asked[run["run_id"]] = self.asked.get(run["run_id"], 0) + 1
        spec = run["pipeline_spec"]
        tasks = spec.get("pipeline_spec", spec)["root"]["dag"]["tasks"]
        steps = sorted(tasks, key=lambda step: len(tasks[step].get("dependentTasks", [])))
        details = [self.detail("root", "RUNNING", 0)]
        state = "RUNNING"
        for number, step in enumerate(steps[:asked], 1):
            if step in self.failing:
                details += self.failed(step, number)
                state = "FAILED"
                break
            done = asked > number
            details += [self.detail(f"{step}-driver", "SUCCEEDED", number)]
            details += [self.detail(step, "SUCCEEDED" if done else "RUNNING", number)]
        if state == "RUNNING" and asked > len(steps) and not self.endless:
            state = "SUCCEEDED"
        # The API promises no order.
        run.update(state=state, run_details={"task_details": details[::-1]})
        if state == "FAILED":
            run["error"] = {"code": 13, "message": "child 'x' failed"}
        check("V2beta1Run", run)
        return run

    def detail(self, name: str, state: str, second: int, **more: Any) -> dict[str, Any]:
        when = (EPOCH + datetime.timedelta(seconds=second)).isoformat()
        return {
            "task_id": f"id-of-{name}",
            "display_name": name,
            "state": state,
            "start_time": when,
            **more,
        }

    def failed(self, step: str, second: int) -> list[dict[str, Any]]:
        """A step fails as Kubeflow shows it: its group without a reason, its pod with one."""
        pod = {"error": {"code": 13, "message": self.failing[step]}}
        children = [{"task_id": f"id-of-{step}-pod", "pod_name": f"{step.lower()}-1"}]
        group = {"error": {"code": 13, "message": "child failed"}, "child_tasks": children}
        return [
            self.detail(step, "FAILED", second, **group),
            self.detail(f"{step}-pod", "FAILED", second, **pod),
        ]

    def create_recurring(self, match: Any, request: Request) -> Any:
        body = self.checked("V2beta1RecurringRun", request.body)
        names = ["second", "minute", "hour", "day", "month", "weekday"]
        check_cron(body["trigger"]["cron_schedule"]["cron"].split(), names)
        if body["trigger"]["cron_schedule"]["cron"].split()[0] != "0":
            raise Refusal(400, "more than one run a minute")
        id_, when = self.made("recurring")
        status = "ENABLED" if body["mode"] == "ENABLE" else "DISABLED"
        self.recurring[id_] = {
            **body,
            "recurring_run_id": id_,
            "created_at": when,
            "status": status,
            "max_concurrency": str(body["max_concurrency"]),
        }
        return self.recurring[id_]

    def list_recurring(self, match: Any, request: Request) -> Any:
        return self.listed(self.recurring, request, "recurringRuns")

    def delete_recurring(self, match: re.Match[str], request: Request) -> Any:
        del self.recurring[self.one(self.recurring, match)["recurring_run_id"]]
        return {}

    def switch_recurring(self, match: re.Match[str], request: Request) -> Any:
        run = self.one(self.recurring, match)
        run["status"] = "ENABLED" if match.group(2) == "enable" else "DISABLED"
        run["mode"] = match.group(2).upper()
        return {}

    def states(self) -> list[tuple[str, str, str]]:
        """Name, cron and status of each recurring run."""
        return [
            (run["display_name"], run["trigger"]["cron_schedule"]["cron"], run["status"])
            for run in self.recurring.values()
        ]


def camel(condition: dict[str, Any]) -> dict[str, Any]:
    """A filter as its model names the fields."""
    rename = {"stringValue": "string_value"}
    predicates = [
        {rename.get(key, key): value for key, value in predicate.items()}
        for predicate in condition["predicates"]
    ]
    return {"predicates": predicates}
