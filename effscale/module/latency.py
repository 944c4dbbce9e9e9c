"""Latency of networks, measured side by side on this machine.

Networks are timed in turn, round by round, so that what slows the machine for a while
slows all of them; ratios are of the same round. Each runs until its times settle, and
every time ends when the device is done.
"""

from __future__ import annotations

import platform
import warnings
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from effscale.choices import is_cuda
from effscale.errors import MeasureError, first_line
from effscale.module.clocks import Stopwatch, captured, chosen, is_there
from effscale.module.deployed import weighed
from effscale.module.inputs import Input
from effscale.module.machine import refuse_too_large
from effscale.network.network import network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from effscale.choices import Runtime
    from effscale.module.any_module import Counted
    from effscale.module.weights import Original
    from effscale.spec.models import Spec

    #: Told what is being done, and the number of networks timed since the last call.
    Progress = Callable[[str, int], None]

#: The seed of weights and images of networks that are timed, and of those exported.
SEED = 0
#: Rounds, in each of which every network and part is timed once.
ROUNDS = 10
#: The rank of a batch of images, which alone has a channels-last layout.
IMAGES = 4


@dataclass(frozen=True)
class Setting:
    """The way in which a network is run."""

    batch: int = 1
    threads: int = 1  #: of the CPU; on another device they only hand over the work
    dtype: str = "float32"
    device: str = "cpu"
    channels_last: bool = False
    compiled: bool = False
    cuda_graph: bool = False  #: all launches of a run replayed as one
    runtime: Runtime = "torch"  #: what runs it

    @property
    def by_torch(self) -> bool:
        """Whether torch runs it, and not another library what torch has exported."""
        return self.runtime == "torch"

    @property
    def torch_device(self) -> str:
        """Where torch has the module; of another library, it is on the CPU."""
        return self.device if self.by_torch else "cpu"


@dataclass(frozen=True)
class Subject:
    """A module to run, and what it is given: a tuple of tensors for a batch of N."""

    name: str
    module: nn.Module
    inputs: Callable[[int], tuple[torch.Tensor, ...]]
    #: Parts by name, each a path in the module; one module may be called many times.
    parts: Mapping[str, str]


@dataclass(frozen=True)
class Timing:
    """Seconds of a run, many times over; `rounds` has the median of each round."""

    runs: tuple[float, ...]
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half of the runs took no longer."""
        return median(self.runs)

    @property
    def quartiles(self) -> tuple[float, float]:
        """What a quarter of the runs stayed below, and what three quarters did."""
        return quartiles(self.runs)

    @property
    def spread(self) -> float:
        """The interquartile range over the median."""
        low, high = self.quartiles
        return (high - low) / self.median


@dataclass(frozen=True)
class Latency:
    """A network's timing as a whole, and of its parts each run alone."""

    name: str
    setting: Setting
    whole: Timing
    parts: Mapping[str, Timing] = field(default_factory=dict)

    @property
    def images_per_second(self) -> float:
        """Images of a batch over the median."""
        return self.setting.batch / self.whole.median

    def ratio(self, other: Latency) -> tuple[float, float, float]:
        """Time over that of `other`: the median of the rounds, and the quartiles."""
        pairs = zip(self.whole.rounds, other.whole.rounds, strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        return (median(ratios), *quartiles(ratios))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and third quartile, values between those that are there included."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high


def latencies(
    subjects: Sequence[Subject],
    setting: Setting,
    *,
    seconds: float,
    rounds: int = ROUNDS,
    progress: Progress = lambda _what, _done: None,
) -> list[Latency]:
    """How long each subject takes, run as `setting` says, all in the same rounds.

    Each is run for `seconds` at least, its parts together for as long again, a run of
    each in every round. The modules are left as they are.

    Raises:
        MeasureError: if there is no such device, or torch cannot run it so.
    """
    with running(setting):
        timers = []
        for subject in subjects:
            what = "compiling" if setting.compiled else "preparing"
            progress(f"{what} {subject.name}", 0)
            timers.append(_timers(subject, setting, seconds))
        runs: list[dict[str | None, list[list[float]]]]
        runs = [{name: [] for name in group} for group in timers]
        for _round in range(rounds):
            for subject, group, into in zip(subjects, timers, runs, strict=True):
                progress(f"timing {subject.name}", 0)
                for name, timer in group.items():
                    share = 1 if name is None else len(group) - 1
                    least = seconds / rounds / share
                    into[name].append(timer.runs(least))
                progress(f"timing {subject.name}", 1)
    return [
        Latency(
            subject.name,
            setting,
            whole=_timing(found[None]),
            parts={name: _timing(each) for name, each in found.items() if name},
        )
        for subject, found in zip(subjects, runs, strict=True)
    ]


def _timing(rounds: Sequence[Sequence[float]]) -> Timing:
    return Timing(tuple(chain.from_iterable(rounds)), tuple(map(median, rounds)))


def _timers(
    subject: Subject, setting: Setting, seconds: float
) -> dict[str | None, Stopwatch]:
    """A timer of the whole, None, and of each part by its name; all have settled."""
    prepared = ready(subject, setting)
    runs: dict[str | None, Callable[[], object]] = {None: prepared.run}
    for name, (part, calls) in part_calls(subject, prepared).items():
        runs[name] = _runner(part, calls, setting)
    timers = {name: Stopwatch(run, setting.torch_device) for name, run in runs.items()}
    for place, timer in enumerate(timers.values()):
        timer.settle(seconds / 2 / (len(timers) - 1 if place else 1))
    return timers


def _runner(
    module: nn.Module, calls: Sequence[tuple[Any, ...]], setting: Setting
) -> Callable[[], object]:
    """What makes all these calls of a module, as `setting` has it."""
    if not setting.by_torch:
        from effscale.module import onnx

        return partial(_in_turn, [onnx.runner(module, c, setting) for c in calls])
    called = _compiled(module, setting)
    run = partial(_in_turn, [partial(called, *each) for each in calls])
    return captured(run) if setting.cuda_graph else run


def _in_turn(runs: Sequence[Callable[[], object]]) -> None:
    for each in runs:
        each()


def part_calls(
    subject: Subject, prepared: Ready
) -> dict[str, tuple[nn.Module, list[tuple[Any, ...]]]]:
    """Each part's module, and what it is called with, in one run; uncalled ones not."""
    found: dict[str, tuple[nn.Module, list[tuple[Any, ...]]]] = {}
    hooks = []
    for name, path in subject.parts.items():
        part = prepared.plain.get_submodule(path)
        calls: list[tuple[Any, ...]] = []
        found[name] = part, calls
        hooks.append(part.register_forward_pre_hook(partial(_note, calls)))
    try:
        prepared.plain(*prepared.inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: both for name, both in found.items() if both[1]}


def _note(calls: list[tuple[Any, ...]], _module: nn.Module, inputs: Any) -> None:  # noqa: ANN401 - any inputs
    calls.append(inputs)


@dataclass(frozen=True)
class Ready:
    """A module, what it is called with, and its run as a setting has it."""

    plain: nn.Module  #: before compiling
    inputs: tuple[torch.Tensor, ...]
    run: Callable[[], object]


def ready(subject: Subject, setting: Setting) -> Ready:
    """A copy of the module in eval mode, as `setting` has it; the original stays."""
    plain, inputs = prepared(subject, setting)
    return Ready(plain, inputs, _runner(plain, [inputs], setting))


def prepared(
    subject: Subject, setting: Setting
) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """A copy of the module in eval mode, and what it is called with.

    Weights that want gradients torch would trace once more, by its compiler, to export
    them in inference mode.
    """
    plain = deepcopy(subject.module).eval().requires_grad_(requires_grad=False)
    plain = plain.to(device=setting.torch_device, dtype=getattr(torch, setting.dtype))
    if setting.channels_last:
        plain = plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return plain, tuple(_as(each, setting) for each in subject.inputs(setting.batch))


def _as(tensor: torch.Tensor, setting: Setting) -> torch.Tensor:
    if tensor.is_floating_point():
        tensor = tensor.to(getattr(torch, setting.dtype))
    if setting.channels_last and tensor.dim() == IMAGES:
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor.to(setting.torch_device)


def _compiled(module: nn.Module, setting: Setting) -> Callable[..., Any]:
    if not setting.compiled:
        return module
    compiled: Callable[..., Any] = torch.compile(module)
    return compiled


@contextmanager
def running(setting: Setting) -> Iterator[None]:
    """Without gradients, on so many threads; what torch raises is one line.

    Raises:
        MeasureError: if there is no such device, or torch cannot run what is within the
            block.
    """
    kind = setting.torch_device.partition(":")[0]
    if not is_there(kind):
        raise MeasureError(f"device: expected cpu, got {kind!r}: torch finds none here")
    with torch.inference_mode(), _threads(setting.threads), _kernels(setting):
        try:
            with chosen(setting.torch_device):
                yield
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            if isinstance(error, MeasureError):
                raise
            how = "compiled, " if setting.compiled else ""
            how += "as a CUDA graph, " if setting.cuda_graph else ""
            how += f"as {setting.dtype} on {setting.device}"
            message = f"cannot be run {how}: {first_line(error)}"
            raise MeasureError(message) from error


def all_threads() -> int:
    """As many threads as torch takes where nobody says how many."""
    return torch.get_num_threads()


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _kernels(setting: Setting) -> Iterator[None]:
    """The compiler's own number of threads, which it writes into the kernels."""
    if not setting.compiled:
        yield
        return
    from torch._inductor import config

    torch.compiler.reset()
    with warnings.catch_warnings(), config.patch({"cpp.threads": setting.threads}):
        warnings.simplefilter("ignore")  # torch's own, of what it does within
        yield


def spec_subjects(
    specs: Sequence[Spec],
    settings: Sequence[Setting],
    *,
    parts: bool = False,
    weights: Path | Original | None = None,
) -> list[Subject]:
    """The networks of `specs`, to be run as all these settings say.

    Raises:
        WeightsError: if `weights` are not those of each.
        MeasureError: if they take more memory than this machine has.
    """
    nets = [network(spec) for spec in specs]
    for setting in settings:
        if setting.device == "cpu":
            width = getattr(torch, setting.dtype).itemsize
            refuse_too_large(nets, setting.batch, width)
    return [subject(spec, parts=parts, weights=weights) for spec in specs]


def subject(
    spec: Spec, *, parts: bool, weights: Path | Original | None = None
) -> Subject:
    """The network of `spec` with weights of a file, or drawn by a fixed seed."""
    net = network(spec)
    module = weighed(spec, SEED, weights)
    paths = {part.name: part.path for part in net.parts} if parts else {}
    shape = [int(each) for each in net.image]
    return Subject(spec.name, module, images(shape), paths)


def module_subject(counted: Counted, parts: Sequence[str]) -> Subject:
    """A module of other code, to be run on batches of what it was counted on.

    Raises:
        MeasureError: if it was counted on more than one image, or takes other than
            tensors in order.
    """
    if counted.keywords or not all(isinstance(x, Input) for x in counted.inputs):
        expected = "--latency expected tensors in order, got them by name or in a list"
        raise MeasureError(f"{counted.name}: {expected}")
    for each in counted.inputs:
        if each.shape[0] != 1:
            side = "x".join(map(str, each.shape))
            raise MeasureError(
                f"{counted.name}: --latency expected an --input of one, 1x..., got "
                f"{side}; --batch says how many"
            )
    paths = {name: name for name in parts}
    return Subject(counted.name, counted.module, _batches(counted.inputs), paths)


def images(shape: Sequence[int]) -> Callable[[int], tuple[torch.Tensor, ...]]:
    """Batches of images for a network that takes nothing else, always the same."""
    return _batches([Input((1, *shape))])


def _batches(inputs: Sequence[Input]) -> Callable[[int], tuple[torch.Tensor, ...]]:
    """Batches of inputs, always the same.

    Floating-point values are normal ones; integers and booleans are zeros, which are
    in any vocabulary.
    """

    def make(batch: int) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(SEED)
        return tuple(
            torch.randn(batch, *shape[1:], generator=generator)
            if dtype is None or dtype.is_floating_point
            else torch.zeros(batch, *shape[1:], dtype=dtype)
            for shape, dtype in inputs
        )

    return make


def machine(device: str) -> str:
    """The name that its maker has given to this device."""
    if is_cuda(device):
        return str(torch.cuda.get_device_name(device))
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:  # only Linux has it
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()
