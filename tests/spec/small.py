"""The smallest spec: its text, and its data with one thing changed."""

from __future__ import annotations

from typing import Any

import yaml

from effscale.spec.models import Spec

TEXT = """\
name: small
resolution: 32
stem: {kernel: 3, stride: 2, channels: 8}
stages:
  - {block: mbconv, kernel: 3, stride: 1, expand_ratio: 1, channels: 8, repeats: 1}
head: {channels: 16}
"""
ABSENT = object()


def spec(place: str = "name", value: object = "small") -> Spec:
    """The spec with `value` at `place`, or without the place."""
    data: Any = yaml.safe_load(TEXT)
    if place.startswith("resolution."):
        data["resolution"] = [32, 32]
    if place.startswith("variants"):
        data["variants"] = {"b1": {"resolution": [32, 32]}}
    *path, last = (int(step) if step.isdigit() else step for step in place.split("."))
    at = data
    for step in path:
        at = at.setdefault(step, {}) if isinstance(step, str) else at[step]
    at[last] = value
    if value is ABSENT:
        del at[last]
    return Spec.model_validate(data)


def lines(*stages: str, **more: str) -> Spec:
    """A spec of these lines, each a text; `more` are the values of other keys.

    Held to the schema alone: its lines may not fit each other.
    """
    data: dict[str, Any] = yaml.safe_load(TEXT)
    data.update({key: yaml.safe_load(value) for key, value in more.items()})
    data["stages"] = [yaml.safe_load(stage) for stage in stages] or data["stages"]
    return Spec.model_validate(data)
