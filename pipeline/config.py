"""The one configuration: every setting typed, with its default, unit and meaning.

Enters: a YAML file, overrides of the command line. Leaves: a frozen `Config`, of which stages
receive their own section. Imports neither TensorFlow nor TFX.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from components.features.settings import TextSettings, ValidationSettings
from components.field_errors import class_of_kind, describe_errors
from components.heads.declared import DEFAULT_HEADS, DeclaredHead, Heads, parse_heads
from components.heads.names import check_names
from components.ingest.settings import IngestSettings
from components.judging.settings import JudgingSettings
from components.linear.settings import BaselineSettings
from components.report.settings import CardSettings
from components.retraining.settings import RetrainingSettings
from components.strict import Strict
from components.training.searched import SETTINGS as SEARCHED
from components.training.searched import check_space, set_by_hand, without_set
from components.training.settings import (
    ConvSettings,
    NetworkSettings,
    TrainingSettings,
    TunerSettings,
)
from pipeline.beam import BeamSettings
from pipeline.deploy.settings import DeploySettings
from pipeline.old_settings import without_removed

PATH_KEYS = (
    "posts",
    "labels",
    "out",
    "push",
    "reachable",
    "hyperparameters_from",
    "warm_start_from",
)


class ConfigError(ValueError):
    """The configuration is wrong; the message names the key, what came and what is allowed."""


class SqliteMetadata(Strict):
    """The metadata store as one file in the run's folder."""

    kind: Literal["sqlite"] = Field("sqlite", description="kind of the metadata store")


class ServerMetadata(Strict):
    """The metadata store on a database server."""

    kind: Literal["mysql", "postgresql"] = Field(description="kind of the metadata store")
    host: str = Field("localhost", description="server's host")
    port: int = Field(0, ge=0, le=65535, description="server's port; 0: the kind's usual one")
    database: str = Field(
        "authorprofile",
        # MLMD puts the name into its statements as it is.
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="name of the database, which must exist",
    )
    user: str = Field("authorprofile", description="who connects")
    password_variable: str = Field(
        "AUTHORPROFILE_DB_PASSWORD", description="environment variable that holds the password"
    )


class Config(Strict):
    """Everything a run can be told."""

    name: str = Field(
        "authorprofile",
        pattern=r"^[A-Za-z][A-Za-z0-9_-]*$",
        description="pipeline's name: runs of one name share cache, history and model in service",
    )
    posts: list[str] = Field(
        description="files of posts, by path or glob; {SPAN} and {VERSION} pick the latest"
    )
    labels: list[str] = Field(description="files of labels, likewise")
    out: str = Field("runs/default", description="folder of runs, metadata and logs")
    push: str = Field("", description="folder of served versions; by default <out>/serving")
    heads: dict[str, DeclaredHead] = Field(description="what is predicted; null leaves a head out")
    ingest: IngestSettings = Field(default_factory=IngestSettings, description="the join")
    text: TextSettings = Field(default_factory=TextSettings, description="text to token ids")
    validation: ValidationSettings = Field(
        default_factory=ValidationSettings, description="bounds before training"
    )
    transform_statistics: bool = Field(
        False, description="compute statistics before and after Transform too"
    )
    baseline: BaselineSettings = Field(
        default_factory=BaselineSettings, description="the linear baseline"
    )
    network: NetworkSettings = Field(default_factory=ConvSettings, description="the network")
    training: TrainingSettings = Field(default_factory=TrainingSettings, description="one fit")
    tune: bool = Field(True, description="search loss weights and settings before training")
    tuner: TunerSettings = Field(default_factory=TunerSettings, description="the search")
    compare: bool = Field(
        False,
        description="also train other loss weights and one network a head, for the report alone",
    )
    compare_seeds: int = Field(3, ge=1, description="trainings of each row of that comparison")
    hyperparameters_from: str = Field(
        "",
        description="file best_hyperparameters.txt of an earlier run, used in place of a search",
    )
    warm_start_from: str = Field(
        "",
        description="folder Trainer/model_run/<number> of an earlier run, whose network training "
        "starts from; rows of tokens that both vocabularies have are carried over",
    )
    retraining: RetrainingSettings = Field(
        default_factory=RetrainingSettings,
        description="when `authorprofile retrain` trains, and with what",
    )
    judging: JudgingSettings = Field(
        default_factory=JudgingSettings, description="when a model is good enough"
    )
    serving_check_timeout_seconds: int = Field(
        300, gt=0, description="longest time the exported model may take to load and answer"
    )
    cache: bool = Field(True, description="reuse stages whose inputs and settings did not change")
    metadata: Annotated[SqliteMetadata | ServerMetadata, Field(discriminator="kind")] = Field(
        default_factory=SqliteMetadata,
        description="metadata store (MLMD): a file in `out`, or a server: {kind: mysql or "
        "postgresql, host, port, database, user, password_variable}",
    )
    beam: BeamSettings = Field(
        default_factory=BeamSettings, description="who runs the data stages, and how"
    )
    deploy: DeploySettings = Field(
        default_factory=DeploySettings, description="runs on Kubeflow or Vertex AI"
    )
    reachable: str = Field(
        "", description="JSON file of best reachable scores, where known, shown beside the result"
    )
    card: CardSettings = Field(
        default_factory=CardSettings,
        description="model card: what it must state and no run can know",
    )

    @field_validator("posts", "labels")
    @classmethod
    def _one_pattern_at_least(cls, patterns: list[str]) -> list[str]:
        if not patterns or not all(pattern.strip() for pattern in patterns):
            raise ValueError("must name at least one file or glob")
        return patterns

    @field_validator("out")
    @classmethod
    def _a_folder(cls, out: str) -> str:
        if not out.strip():
            raise ValueError("must name a folder; it is empty")
        if "\0" in out:
            raise ValueError("must name a folder; no path has a NUL character")
        return out

    @model_validator(mode="before")
    @classmethod
    def _network_has_a_kind(cls, values: Any) -> Any:
        network = values.get("network") if isinstance(values, Mapping) else None
        if not isinstance(network, Mapping):
            return values
        kind = ConvSettings.model_fields["kind"].default
        return {**values, "network": {"kind": kind, **network}}

    @model_validator(mode="before")
    @classmethod
    def _heads_know_their_names(cls, values: Any) -> Any:
        heads = values.get("heads") if isinstance(values, Mapping) else None
        if not isinstance(heads, Mapping):
            return values
        kept = {
            name: {**given, "name": name} if isinstance(given, Mapping) else given
            for name, given in heads.items()
            if given is not None
        }
        for name, given in heads.items():
            if isinstance(given, Mapping) and given.get("name", name) != name:
                raise ValueError(
                    f"heads.{name}: a head is named by its key, and has no other name; got "
                    f"{json.dumps(given['name'], default=str)}. Leave name out"
                )
        for name in kept:
            if not isinstance(name, str):
                raise ValueError(
                    f"heads: a name is text; got {json.dumps(name, default=str)}, which YAML reads "
                    "of a bare word or number. Put the name in quotes"
                )
        return {**values, "heads": kept}

    @model_validator(mode="after")
    def _names_agree(self) -> Config:
        if not self.heads:
            raise ValueError("heads must declare at least one head; all were left out")
        check_names(self.heads)
        for key, names in (
            ("judging.accept", self.judging.accept),
            ("training.loss_weights", list(self.training.loss_weights)),
        ):
            unknown = [name for name in names if name not in self.heads]
            if unknown:
                raise ValueError(f"{key} names {unknown}; the heads are {list(self.heads)}")
        last, wanted = self.ingest.window.last, self.retraining.minimum_new_spans
        if wanted > (last or 1) and not (last is None and self.ingest.window.since is not None):
            raise ValueError(
                f"retraining.minimum_new_spans must not exceed the spans that a run reads; it is "
                f"{wanted}, and ingest.window reads {last or 1}"
            )
        return self

    @model_validator(mode="after")
    def _what_is_set_is_not_searched(self) -> Config:
        given = self.tuner.space, self.training, list(self.heads)
        if self.tune and not self.hyperparameters_from:
            check_space(*given)
        # The model is frozen for those who read it, once it is whole.
        left = self.tuner.model_copy(update={"space": without_set(*given)})
        object.__setattr__(self, "tuner", left)
        return self

    @property
    def set_by_hand(self) -> tuple[str, ...]:
        """Searched settings that were set, which no search changes."""
        return set_by_hand(self.training)

    @property
    def head_list(self) -> Heads:
        """The heads in their order."""
        return tuple(self.heads.values())

    @property
    def deployed_beam(self) -> BeamSettings:
        """How the data stages run in a compiled pipeline: on Dataflow where either section says so.

        Arguments of the section `beam` are its own runner's; they do not follow to another.
        """
        if self.deploy.beam.runner != "dataflow" or self.beam.runner == "dataflow":
            return self.beam
        return self.beam.model_copy(update={"runner": "dataflow", "arguments": []})

    @property
    def serving_folder(self) -> str:
        """Folder of served versions."""
        return self.push or str(Path(self.out) / "serving")


def load_config(
    path: Path | None = None,
    assignments: Iterable[str] = (),
    heads: Iterable[str] | None = None,
    tell: Callable[[str], object] = lambda line: None,
    **overrides: Any,
) -> Config:
    """Reads the configuration; later sources win: defaults, file, `overrides`, `assignments`.

    Args:
        path: YAML file; its relative paths start at its own folder.
        assignments: `key=value` with dotted keys, values as YAML.
        heads: names of the heads to keep; None keeps all that are declared.
        tell: is told, a line each, what is given and ignored.
        overrides: top-level settings; None means not given.

    Raises:
        ConfigError: names each wrong key, what came and what is allowed.
    """
    values: dict[str, Any] = {"heads": {name: dict(head) for name, head in DEFAULT_HEADS.items()}}
    if path is not None:
        values = _merge(values, _read_yaml(path))
    values.update({key: value for key, value in overrides.items() if value is not None})
    assigned: dict[str, Any] = {}
    for assignment in assignments:
        assigned = _merge(assigned, _parse_assignment(assignment))
    values = _merge(values, assigned)
    try:
        values, notices = without_removed(values, assigned)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for notice in notices:
        tell(notice)
    if heads is not None:
        values["heads"] = _select_heads(values["heads"], list(heads))
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(describe_errors(error, Config)) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:  # no UTF-8, or a day such as 2024-13-01
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{path} is not read: its brackets are nested too deep") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} must hold `key: value` lines; it holds a {type(content).__name__}"
        )
    return {key: _resolve(key, value, path.parent) for key, value in content.items()}


def _resolve(key: Any, value: Any, folder: Path) -> Any:
    if key in PATH_KEYS and isinstance(value, str) and value and "://" not in value:
        return str(folder / value)
    if key in PATH_KEYS and isinstance(value, list):
        return [_resolve(key, item, folder) for item in value]
    return value


def _parse_assignment(assignment: str) -> dict[str, Any]:
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set takes key=value, such as training.epochs=5; got {assignment!r}")
    try:
        value: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        value = text
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return typing.cast(dict[str, Any], value)


def _merge(
    base: Mapping[str, Any], change: Mapping[str, Any], place: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The base with the change; of what is changed to another kind, what that kind has stays,
    but what was of the kind before by default: a run's `config.yaml` holds that too.
    """
    merged = dict(base)
    for key, value in change.items():
        old, here = merged.get(key), (*place, str(key))
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(_of_kind(old, value, here), value, here)
        else:
            merged[key] = value
    return merged


def _of_kind(
    old: Mapping[str, Any], change: Mapping[str, Any], place: tuple[str, ...]
) -> Mapping[str, Any]:
    before, kind = old.get("kind"), change.get("kind")
    if None in (before, kind) or before == kind:
        return old
    new, left = class_of_kind(Config, place, kind), class_of_kind(Config, place, before)
    if new is None:
        return old
    stays = {key: value for key, value in old.items() if key in new.model_fields}
    fields = left.model_fields if left else {}
    return {
        key: value
        for key, value in stays.items()
        if key not in fields or value != fields[key].get_default(call_default_factory=True)
    }


def _select_heads(declared: Any, names: list[str]) -> dict[str, Any]:
    known = declared if isinstance(declared, Mapping) else {}
    unknown = [name for name in names if known.get(name) is None]
    if unknown or not names:
        told = ", ".join(map(str, known))
        raise ConfigError(
            f"--heads takes names of declared heads ({told}); got {', '.join(names)!r}"
        )
    return {name: known[name] for name in names}


def settings_as_yaml() -> str:
    """Every setting with its default and meaning, as a commented YAML file."""
    values = {"posts": ["data/posts*.jsonl"], "labels": ["data/labels.csv"], "heads": {}}
    config = Config.model_validate(
        {**values, "heads": {head.name: head.model_dump() for head in parse_heads(DEFAULT_HEADS)}}
    )
    return "\n".join(_yaml_lines(config, 0)) + "\n"


def _yaml_lines(model: BaseModel, depth: int, section: str = "") -> list[str]:
    indent = "  " * depth
    lines = []
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        if depth and key == "name":
            continue
        lines.append(f"{indent}# {field.description}")
        if isinstance(value, BaseModel):
            lines += [f"{indent}{key}:", *_yaml_lines(value, depth + 1, key)]
        elif isinstance(value, dict) and any(isinstance(v, BaseModel) for v in value.values()):
            lines.append(f"{indent}{key}:")
            for name, item in value.items():
                lines += [f"{indent}  {name}:", *_yaml_lines(item, depth + 2)]
        elif (section, key) in SEARCHED.values():
            lines.append(
                f"{indent}# Set, it is not searched.\n{indent}# {key}: {json.dumps(value)}"
            )
        else:
            lines.append(f"{indent}{key}: {json.dumps(value)}")
    return lines
