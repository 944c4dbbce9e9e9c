"""What tests share: the baseline, and the program run as a user runs it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

import effscale as es
from effscale.cli import MADE, main
from tests.explained import unexplained

# Workers and the programs that they start share the cores: threads of torch that wait
# for each other would take several times as long. It is read when torch is loaded.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

# Lines drawn at random often go into no network, and a busy machine draws slowly: of
# neither does a test say anything.
for profile, times in (("drawn", 1), ("long", 10)):
    settings.register_profile(
        profile,
        max_examples=100 * times,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
settings.load_profile("drawn")

# Python looks for cycles as seldom as it does in the program.
gc.set_threshold(MADE)

Run: TypeAlias = Callable[..., Result]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also what takes minutes")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        settings.load_profile("long")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out tests marked `long` where none asked for them."""
    if not config.getoption("--long"):
        left = {each for each in items if each.get_closest_marker("long")}
        config.hook.pytest_deselected(items=list(left))
        items[:] = [each for each in items if each not in left]


def pytest_collection_finish() -> None:
    """What is there by now stays: no search for cycles goes over it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def b0() -> es.Spec:
    """EfficientNet-B0, as built in."""
    return es.load("b0")


@pytest.fixture(scope="module")
def undrawn() -> Iterator[None]:
    """Layers of torch draw no weights meanwhile, where tests are of shapes alone."""
    from torch import nn

    kinds = nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.Linear  # noqa: SLF001
    with pytest.MonkeyPatch.context() as patch:
        for kind in (*kinds, nn.LayerNorm, nn.GroupNorm):
            patch.setattr(kind, "reset_parameters", lambda _: None)
        yield


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("scale", "--phi", "4")`: exit code, output and stderr of the program.

    Whatever a test asks for as JSON, the glossary explains its keys.
    """
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: str, text: str | None = None) -> Result:
        done = CliRunner().invoke(main, arguments, input=text, prog_name="effscale")
        assert unexplained(done.stdout) == set()
        return done

    return invoke
