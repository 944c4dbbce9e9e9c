"""Modules of other code, loaded by name or from a file, and counted by both engines."""

from __future__ import annotations

import ast
import importlib
import inspect
import logging
import re
import sys
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn

from effscale.errors import MeasureError, did_you_mean, short
from effscale.module.archive import check_exported, check_script, is_whole_pickle
from effscale.module.aten import KINDS, plain
from effscale.module.flops import holds_script
from effscale.module.inputs import STARRED, Input, said_of
from effscale.module.measure import Engine, Measurement, run
from effscale.spec.builtin import names_saved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

IMAGE = Input((1, 3, 224, 224))
_NO_SCRIPT = "fvcore cannot trace TorchScript"


@dataclass(frozen=True)
class Foreign:
    """A module, and what goes into it where it says so itself."""

    name: str
    module: nn.Module
    inputs: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  #: on what it was made of


class Scripted(nn.Module):
    """A TorchScript module, out of the sight of those who would hook its children."""

    def __init__(self, script: nn.Module) -> None:
        super().__init__()
        self._script = (script,)

    def forward(self, *inputs: Any, **named: Any) -> Any:  # noqa: ANN401 - any output
        return self._script[0](*inputs, **named)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's own
        """The script too, as far as its code asks for the mode."""
        self._script[0].train(mode)
        return super().train(mode)

    def named_parameters(
        self,
        *given: Any,  # noqa: ANN401 - torch's own
        **named: Any,  # noqa: ANN401
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Those of the script, of which `parameters` are made, too."""
        return self._script[0].named_parameters(*given, **named)

    def named_buffers(
        self,
        *given: Any,  # noqa: ANN401 - torch's own
        **named: Any,  # noqa: ANN401
    ) -> Iterator[tuple[str, torch.Tensor]]:
        """Those of the script."""
        return self._script[0].named_buffers(*given, **named)


def load(reference: str, arguments: Mapping[str, str]) -> Foreign:
    """The module that a file holds, or that a callable makes of the arguments.

    `my_pkg.nets:make_net` is imported, from the current folder too; `timm:NAME` are the
    models of timm. Arguments are Python literals, or else text.

    Raises:
        MeasureError: if there is no module to be had.
    """
    try:
        read = _saved if names_saved(reference) else _made
        return read(reference, arguments)
    except MeasureError as error:
        raise MeasureError(f"{reference}: {error}") from None


def literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _made(reference: str, arguments: Mapping[str, str]) -> Foreign:
    """The module that a reference names, or that what it names makes."""
    name, _, path = reference.partition(":")
    found = _imported(name, path)
    made = _called(found, arguments)
    if not isinstance(made, nn.Module):
        expected = f"expected a torch.nn.Module, got {type(made).__name__}"
        raise MeasureError(expected)
    _refuse_quantized(made)
    taken = () if found is made else swallowed("--arg", path, found, arguments)
    return Foreign(reference, made, _timm_size(made), notes=taken)


def swallowed(
    option: str, name: str, found: Callable[..., object], names: Iterable[str]
) -> tuple[str, ...]:
    """A note on each keyword that a callable has no parameter for, but takes any.

    Whether it reads what it takes so cannot be seen from without.
    """
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return ()
    known = [n for n, each in parameters.items() if each.kind not in STARRED]
    rest = [n for n, each in parameters.items() if each.kind is STARRED[0]]
    return tuple(
        f"{option} {each}: no parameter of {name}, whose **{rest[0]} takes it"
        f"{did_you_mean(each, known)}"
        for each in names
        if rest and each not in known
    )


#: What sums floats, and stands where a quantized network has a sum of its own.
_OF_FLOATS = frozenset({"FloatFunctional", "FXFloatFunctional"})


def _refuse_quantized(module: nn.Module) -> None:
    for path, each in module.named_modules():
        if (
            ".quantized" in type(each).__module__
            and type(each).__name__ not in _OF_FLOATS
        ):
            found = f"{type(each).__name__} of {path or 'the whole'}"
            raise MeasureError(
                f"expected weights of floating point, found quantized ones ({found}); "
                "profile the float model that it was made from"
            )


def _imported(name: str, path: str) -> Any:  # noqa: ANN401 - code of others
    """The attribute at `path` of the module of that name."""
    if name.endswith(".py"):
        known = f"{name.removesuffix('.py')}:{path}"
        hint = did_you_mean(f"{name}:{path}", [known])
        raise MeasureError(f"expected a module's name, got a file's{hint}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"cannot be imported: no module named {error.name!r}"
        if name == name.partition(".")[0] == error.name:
            message += f"; a file of git's is {name}:./{path}"
        raise MeasureError(message) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of others
        raise MeasureError(f"importing {name} raised {raised(error)}") from None
    try:
        for each in path.split("."):
            found = getattr(found, each)
    except AttributeError:
        if name == "timm":
            timm = importlib.import_module(name)
            if ":" not in path and not timm.is_model(path.partition(".")[0]):
                hint = _close(path, timm.list_models())
                message = f"expected a model of timm, found no {path!r}{hint}"
                raise MeasureError(message) from None
            return partial(timm.create_model, path)
        hint = _close(each, [n for n in dir(found) if not n.startswith("_")])
        message = f"expected a callable or module of {name}, found no {each!r}{hint}"
        raise MeasureError(message) from None
    return found


def _close(name: str, known: Sequence[str]) -> str:
    """The few of many names that are close to one."""
    found = get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""


def _timm_size(module: nn.Module) -> tuple[Input, ...]:
    """What timm's models say of their input."""
    config = getattr(module, "pretrained_cfg", None)
    size = config.get("input_size") if isinstance(config, dict) else None
    if not isinstance(size, tuple | list) or not all(type(n) is int for n in size):
        return ()
    return (Input((1, *size)),)


def _called(found: Any, arguments: Mapping[str, str]) -> Any:  # noqa: ANN401
    if isinstance(found, nn.Module):
        if arguments:
            raise MeasureError("expected no --arg: it is a module already")
        return found
    if not callable(found):
        expected = "expected a callable or a torch.nn.Module"
        raise MeasureError(f"{expected}, got {short(found)}")
    values = {name: literal(text) for name, text in arguments.items()}
    said = ", ".join(f"{name}={short(value)}" for name, value in values.items())
    try:
        return found(**values)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of others
        hint = _hint_for_arguments(found, values, error)
        message = f"calling it with ({said}) raised {raised(error)}{hint}"
        raise MeasureError(message) from None


#: What Python says of arguments that were not given, and the first of them.
_LACKING = re.compile(r"missing \d+ required .*?argument\w*: '(\w+)'")


def _hint_for_arguments(
    found: Any,  # noqa: ANN401
    values: Mapping[str, object],
    error: BaseException,
) -> str:
    """What to say beside: keywords misspelt, and weights that would be fetched."""
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return ""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unknown and unknown[1] in values:
        return did_you_mean(unknown[1], [*parameters])
    missing = re.search(_LACKING, str(error))
    if missing and missing[1] in parameters:
        return f"; --arg {missing[1]}=VALUE says it"
    if isinstance(error, OSError):  # URLError is one
        for name in ("weights", "weights_backbone"):
            default = parameters[name].default if name in parameters else None
            if name not in values and (name in parameters and default is not None):
                return f"; --arg {name}=None fetches no weights"
        if "pretrained" in parameters and "pretrained" not in values:
            return "; --arg pretrained=False fetches no weights"
    return ""


def _saved(path: str, arguments: Mapping[str, str]) -> Foreign:
    """The module of a file that torch.export or TorchScript has written.

    Nothing that it holds is run before it was looked through, nor unpickled: weights
    alone are no module.
    """
    if arguments:
        raise MeasureError("expected no --arg for a file")
    if not Path(path).is_file():
        raise MeasureError("expected a file, found none")
    if (whole := is_whole_pickle(Path(path))) is not None:
        if whole:
            raise MeasureError(
                "expected a file of torch.export or TorchScript, found a whole "
                "pickled module: it could run any code and is not opened; save it by "
                "torch.export"
            )
        hint = "MODULE:CALLABLE makes the module that they are of"
        raise MeasureError(f"expected a module, found weights alone; {hint}")
    exported = path.endswith(".pt2")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own, of what it does within
            if exported:
                check_exported(Path(path))
                return _exported(path)
            return _scripted(path)
    except MeasureError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a file may hold anything
        kind = "torch.export" if exported else "TorchScript"
        message = f"expected a file of {kind}, got {raised(error)}"
        raise MeasureError(message) from None


def _scripted(path: str) -> Foreign:
    """The script of a file. Where a forward pass has overloads, none is saved."""
    check_script(Path(path))
    script = torch.jit.load(path, map_location="cpu")
    if not hasattr(script, "forward"):
        raise MeasureError("expected a script with a forward pass, found none")
    return Foreign(path, Scripted(script), notes=_frozen(script))


def _frozen(script: torch.jit.ScriptModule) -> tuple[str, ...]:
    """A note on a script that has no parameters, but numbers in its code."""
    graph: Any = script.inlined_graph  # to be held while its nodes are read
    numbers = sum(
        each.t("value").numel()
        for each in graph.findAllNodes("prim::Constant")
        if each.hasAttribute("value") and each.kindOf("value") == "t"
    )
    if not numbers or any(True for _ in script.parameters()):
        return ()
    kept = f"{numbers:,} numbers are constants of its code"
    return (f"no params: {kept}, as torch.jit.freeze makes weights",)


def _exported(path: str) -> Foreign:
    """The modules that were exported, and the inputs they were exported with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's, of its own ways
        program = torch.export.load(path)
        module = torch.export.unflatten(program)
    args, keywords = program.example_inputs or ((), {})
    return Foreign(path, module, _shapes(tuple(args)), _shapes(dict(keywords)))


def _shapes(tree: Any) -> Any:  # noqa: ANN401 - lists, tuples and dictionaries
    match tree:
        case torch.Tensor():
            return Input(tuple(tree.shape), tree.dtype)
        case list() | tuple():
            return type(tree)([_shapes(each) for each in tree])
        case dict():
            return {name: _shapes(each) for name, each in tree.items()}
        case _:
            return tree


#: Lines at the end of what libraries raise that say how to see more of it.
_ASIDES = (
    *("Set TORCH", "You can suppress", "For more", "Exception raised", "frame #"),
    *("Use tlparse", "Developer debug context"),
)
_LONGEST_REASON = 240


#: How a tensor is printed, by which torch ends what it says of one.
_PRINTED = re.compile(r"[-+\d.e, \[\]]+|\[ [\w.]+\{[\d,]*\} \]|Tensor:")


def raised(error: BaseException) -> str:
    """An error by its type and what it says, of much the last line.

    Of one that says nothing, the line of code that raised it.
    """
    kind = type(error).__name__
    text = str(error) or _code_of(error)
    lines = [each.strip() for each in text.splitlines()]
    said = [each for each in lines if each and not each.startswith(_ASIDES)]
    said = [each for each in said if not _PRINTED.fullmatch(each)] or said
    if not said:
        return kind
    whole = " ".join(said)
    line = whole if len(whole) <= _LONGEST_REASON else said[-1]
    cut = line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 3]}..."
    return f"{kind}: {cut}"


def _code_of(error: BaseException) -> str:
    """The line that raised an error, where there is one to be read."""
    frames = traceback.extract_tb(error.__traceback__)
    return (frames[-1].line or "") if frames else ""


@dataclass(frozen=True)
class Attempt:
    """What one engine measured of a module, or why it could not."""

    engine: Engine
    measured: Measurement | None
    error: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it knew every operator."""
        return self.measured is not None and not self.measured.skipped

    @property
    def missed(self) -> str:
        """What it did not count, and where; or why it counted nothing."""
        if self.measured is None:
            return f"{self.engine} counted nothing: {self.error}"
        calls = self.measured.skipped
        where = {name: self.measured.places.get(name) for name in calls}
        named = ", ".join(
            f"{plain(name)} ×{n}" + (f" in {where[name]}" if where[name] else "")
            for name, n in calls.items()
        )
        return f"{self.engine} does not know {named}"


@dataclass(frozen=True)
class Counted:
    """A module as both engines, or the one that was asked for, have counted it."""

    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    assumed: bool  #: nobody said what goes in
    attempts: tuple[Attempt, ...]
    note: str = ""  #: why an engine was not asked
    keywords: Mapping[str, Any] = field(default_factory=dict)
    unused: int = 0  #: MACs of what is made, and is in no output

    @cached_property
    def measured(self) -> list[Measurement]:
        found = (each.measured for each in self.attempts)
        return [each for each in found if each is not None]

    @cached_property
    def best(self) -> Measurement:
        """The first that knew every operator, or else the one that counted most."""
        for each in self.attempts:
            if each.measured is not None and self._is_whole(each):
                return each.measured
        return max(self.measured, key=lambda x: int(x.macs))

    @property
    def is_known(self) -> bool:
        """Whether one of them knew every operator."""
        return any(map(self._is_whole, self.attempts))

    def _is_whole(self, attempt: Attempt) -> bool:
        """Whether it knew every operator, and counted what the other does not know.

        A trace has none that nothing comes of, and says not what is within one.
        """
        found = attempt.measured
        if found is None or found.skipped or attempt.engine == "torch":
            return attempt.is_whole
        others = [each for each in self.measured if each.skipped]
        return all(
            int(each.macs) < int(found.macs)
            and {name for name in each.skipped if "::" in name} <= set(found.free)
            for each in others
        )

    @cached_property
    def answer(self) -> Measurement | None:
        """What the module costs; None where no engine says all, or the two part."""
        return None if self.faults() else self.best

    @cached_property
    def same(self) -> bool:
        """Whether both counted the same, and one of them knew every operator.

        What the other did not know has then no product in it.
        """
        if len(self.measured) < 2 or not any(map(self._is_whole, self.attempts)):  # noqa: PLR2004 - fvcore and torch
            return False
        return not [*_differences(*self.measured)]

    def alone(self) -> list[str]:
        """Why the answer is that of one engine, where the other was asked as well."""
        if self.answer is None or self.same:
            return []
        return [
            f"{each.missed}; the answer is {self.best.engine}'s, which knows it all"
            for each in self.attempts
            if not each.is_whole
        ]

    def faults(self) -> list[str]:
        """What nobody has counted, and the figures in which the engines differ."""
        if not self.is_known:
            said = [
                f"{each.missed}: there may be more MACs"
                for each in self.attempts
                if not each.is_whole
            ]
            return [*said, *self._lessons()]
        if len(self.measured) < 2:  # noqa: PLR2004 - fvcore and torch
            return []
        one, other = self.measured
        if one.skipped or other.skipped:
            part, whole = (one, other) if one.skipped else (other, one)
            return [
                f"{part.engine} counted {part.by_kind()[name]:,} MACs of {name} and "
                f"has more to count, {whole.engine} {whole.by_kind()[name]:,} in all"
                for name in KINDS
                if part.by_kind()[name] > whole.by_kind()[name]
            ]
        return list(_differences(one, other))

    def _lessons(self) -> list[str]:
        """How to have the engines know what they do not."""
        names = {name for each in self.measured for name in each.skipped}
        if any(name.startswith(_QUANTIZED) for name in names):
            return ["it is quantized; profile the float model that it was made from"]
        if any(name.startswith("prim::") for name in names):
            asked = len(self.attempts) > 1
            return [] if asked else ["--measure torch looks into what fvcore cannot"]
        last = self.measured[-1].skipped
        own = [n if "::" in n else f"aten::{n}" for n in sorted(last)]
        options = " ".join(f"--operator {each}=MACS" for each in own[:NAMED])
        says = "says what it multiplies" if len(own) == 1 else "say what they multiply"
        shapes = "2*prod(x[0])*x[1][-2] of the shapes x that go in"
        python = f"or from Python, effscale.teach({own[0]!r}, function)"
        return [f"{options} {says}, such as {shapes}; {python}"]


#: Unknown operators that a line names.
NAMED = 4
_QUANTIZED = ("quantized::", "onednn::q", "_quantized::")


def _differences(one: Measurement, other: Measurement) -> Iterator[str]:
    """The figures in which two measurements differ."""
    ours, theirs = one.by_kind(), other.by_kind()
    both = f"{one.engine} and {other.engine} differ in"
    for name in KINDS:
        if ours[name] != theirs[name]:
            yield f"{both} {name}: {ours[name]:,} and {theirs[name]:,} MACs"
    for name in ("params", "activations"):
        mine, their = (int(getattr(each, name)) for each in (one, other))
        if mine != their:
            yield f"{both} {name}: {mine:,} and {their:,}"


def count(
    foreign: Foreign,
    inputs: Sequence[Any],
    engines: Sequence[Engine],
    keywords: Mapping[str, Any] | None = None,
) -> Counted:
    """The module counted by each engine.

    Raises:
        MeasureError: if none of them could run it.
    """
    keywords = dict(keywords or {})
    if not inputs and not keywords:
        inputs, keywords = foreign.inputs, dict(foreign.keywords)
    assumed = not inputs and not keywords
    inputs = (IMAGE,) if assumed else tuple(inputs)
    foreign = replace(foreign, module=_written(foreign.module))
    note = ""
    if isinstance(foreign.module, Scripted) and "torch" in engines:
        engines, note = ["torch"], _NO_SCRIPT
    attempts = tuple(_attempt(foreign, inputs, keywords, each) for each in engines)
    attempts, unused = _all_that_is_made(foreign, inputs, keywords, attempts)
    if all(each.measured is None for each in attempts):
        said = " and ".join(said_of(inputs, keywords))
        reasons = dict.fromkeys(each.error for each in attempts)
        hint = _hint_for_inputs(foreign.module, [*reasons], engines)
        message = f"{foreign.name}: with {said}: {'; '.join(reasons)}{hint}"
        raise MeasureError(message)
    return Counted(
        foreign.name, foreign.module, inputs, assumed, attempts, note, keywords, unused
    )


def _all_that_is_made(
    foreign: Foreign,
    inputs: Sequence[Any],
    keywords: Mapping[str, Any],
    attempts: tuple[Attempt, ...],
) -> tuple[tuple[Attempt, ...], int]:
    """The attempts, and MACs of what is in no output: fvcore's trace leaves that out.

    Where it missed some, or could not trace what is put out, it is asked again for all
    that is made on the way; the answer is taken where it is then torch's.
    """
    first, *others = attempts
    if first.engine != "fvcore" or not others or not others[0].is_whole:
        return attempts, 0
    torchs, fvcores = others[0].measured, first.measured
    unused = 0
    if fvcores is not None and torchs is not None and first.is_whole:
        unused = int(torchs.macs) - int(fvcores.macs)
    if unused <= 0 and not any(each in first.error for each in _NO_OUTPUT):
        return attempts, 0
    again = _attempt(foreign, inputs, keywords, "fvcore", keeps=True)
    if again.measured and torchs and not [*_differences(again.measured, torchs)]:
        return (again, *others), unused
    return attempts, 0


#: What torch's tracer says of outputs other than tensors.
_NO_OUTPUT = ("observable data dependence", "supported as JIT inputs/outputs")


def _written(module: nn.Module) -> nn.Module:
    """What torch.compile was given, of what it made."""
    inner = getattr(module, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else module


def _hint_for_inputs(
    module: nn.Module, reasons: Sequence[str], engines: Sequence[Engine]
) -> str:
    """The next thing to try, where it is obvious."""
    text = " ".join(reasons)
    missing = re.search(_LACKING, text)
    if missing and missing[1] in inspect.signature(module.forward).parameters:
        return f"; --input {missing[1]}=SIDES says what goes in"
    if re.search(r"takes \d+ positional arguments? but \d+ (was|were) given", text):
        named = ", ".join(f"{each}=SIDES" for each in _by_name_alone(module))
        return f"; --input {named or 'NAME=SIDES'} goes in by its name"
    if "indices must be integers" in text or "too many indices" in text:
        return "; --input NAME=SIDES, once for each, makes a dictionary"
    if any(
        each in text for each in ("scalar types Int", "Expected tensor for argument")
    ):
        return "; --input SIDES:int64 are whole numbers"
    if "same dtype" in text:
        return "; --input SIDES:float32, or another type, says what goes in"
    if list(engines) == ["fvcore"]:
        return "; --measure torch may know more"
    return ""


def _by_name_alone(module: nn.Module) -> list[str]:
    parameters = inspect.signature(module.forward).parameters.values()
    return [e.name for e in parameters if e.kind is inspect.Parameter.KEYWORD_ONLY][:1]


#: What torch says of operators of functions in a trace.
_OF_FUNCTIONS = ("trace a dynamo-optimized function", "torch.ops.higher_order")


def _attempt(
    foreign: Foreign,
    inputs: Sequence[Any],
    keywords: Mapping[str, Any],
    engine: Engine,
    *,
    keeps: bool = False,
) -> Attempt:
    scripted = isinstance(foreign.module, Scripted)
    if scripted and engine == "fvcore":
        return Attempt(engine, None, _NO_SCRIPT)
    if engine == "fvcore" and holds_script(foreign.module):
        return Attempt(engine, None, f"{_NO_SCRIPT}, of which a part is")
    try:
        with _quiet():
            if keeps:
                found = run(foreign.module, inputs, engine, keywords, keeps=True)
            else:
                found = _run(foreign.module, inputs, keywords, engine, really=scripted)
        return Attempt(engine, found)
    except MeasureError as error:
        return Attempt(engine, None, str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - code of others
        if any(each in str(error) for each in _OF_FUNCTIONS):
            said = f"{engine} cannot trace operators of functions, as torch.cond is"
            return Attempt(engine, None, said)
        return Attempt(engine, None, f"running it raised {raised(error)}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without their warnings, logged ones too, of what is no concern of counting."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


def _run(
    module: nn.Module,
    inputs: Sequence[Any],
    keywords: Mapping[str, Any],
    engine: Engine,
    *,
    really: bool,
) -> Measurement:
    """The measurement; of a real run where torch cannot run the module on meta."""
    if engine == "torch" and not really:
        try:
            return run(module, inputs, engine, keywords)
        except (Exception, SystemExit):  # noqa: BLE001, S110 - what it is, the real run says
            pass
    return run(module, inputs, engine, keywords, really=True)
