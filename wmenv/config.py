"""Configs: pydantic models that YAML files and `--set a.b=c` override, in that order.

The defaults stand in the model alone, beside the thing they configure; a key that no model declares, or that stands in
a file twice, is an error. Knows nothing of what any config means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from os import PathLike
from pathlib import Path
from typing import Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from wmenv.errors import ConfigError, did_you_mean


class Config(BaseModel):
    """The base of every config: immutable, and closed to unknown keys.

    >>> class Walk(Config):
    ...     steps: int = 10
    >>> Walk.load(overrides=["steps=3"])
    Walk(steps=3)
    >>> Walk.load(overrides=["stesp=3"])
    Traceback (most recent call last):
    wmenv.errors.ConfigError: Walk has no key 'stesp'. Did you mean 'steps'? Known: steps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def load(cls, path: str | PathLike[str] | None = None, overrides: Sequence[str] = (), **named: Any) -> Self:
        """The config in the YAML file at `path` (or the defaults), with each override `a.b=value` applied in turn.

        What is `named` as a Python value stands above both.
        """
        values = with_overrides({} if path is None else read_yaml(Path(path)), overrides) | named
        try:
            return cls.model_validate(values)
        except ValidationError as problem:
            origin = f" (in {path})" if path is not None else ""
            raise ConfigError(explain(cls, problem) + origin) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file is an empty mapping."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except OSError as problem:
        raise ConfigError(f"cannot read the config {path}: {problem.strerror}.") from problem
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path} is not valid YAML: {problem}") from problem
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} should map keys to values at its top, got a {type(values).__name__}.")
    return values


class _StrictLoader(yaml.SafeLoader):
    """YAML without code, and without the habit of keeping the last of two equal keys in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands here twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def with_overrides(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """`values` after each `a.b=value` was set in turn; a value is read as YAML, so `3`, `true` and `[1, 2]` work.

    >>> with_overrides({}, ["noise=0.5", "scene.size=[3, 4]"])
    {'noise': 0.5, 'scene': {'size': [3, 4]}}
    """
    values = deepcopy(values)
    for override in overrides:
        _set(values, override)
    return values


def _set(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    *parents, leaf = path.strip().split(".")
    if not equals or not all([*parents, leaf]):
        raise ConfigError(f"an override reads key=value or group.key=value, got {override!r}.")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"cannot set {path!r}: {parent!r} is the value {values!r}, not a group.")
    try:
        values[leaf] = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as problem:
        raise ConfigError(f"the value in {override!r} is not valid YAML: {problem}") from problem


def explain(model: type[BaseModel], problem: ValidationError) -> str:
    """Every complaint of pydantic in our words, one line each."""
    lines = []
    for error in problem.errors():
        *parents, leaf = error["loc"] or ("",)
        if error["type"] == "extra_forbidden":
            owner = _model_at(model, parents)
            lines.append(f"{owner.__name__} has no key {leaf!r}. {did_you_mean(str(leaf), owner.model_fields)}")
        else:
            key = ".".join(str(part) for part in error["loc"])
            lines.append(f"{model.__name__}.{key}: {error['msg']}, got {error['input']!r}.")
    return "\n".join(lines)


def _model_at(model: type[BaseModel], path: Sequence[int | str]) -> type[BaseModel]:
    """The model that validates the group at `path`; list indices and mapping keys on the way are no fields."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models_in(field.annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type such as `list[Walk] | None` mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
