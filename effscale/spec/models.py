"""The models of a spec: a baseline network as stages, and the rules that scale it.

The fields' order is the order of a file, and the numbers carry their ranges. A spec
that was scaled is again a spec. Where `Int` stands, one network has an int and many
candidates have an int64 array (`effscale.arrays`).
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from effscale.arrays import multiple, share, whole_share
from effscale.choices import (
    ELEMENT_BYTES,
    MAX_BATCH,
    MAX_THREADS,
    RUNTIMES,
    STORED_BYTES,
    Runtime,
    StoredName,
    is_cuda,
    of_torch,
)
from effscale.markup import figures
from effscale.spec import values
from effscale.spec.lines import Cell, Stage
from effscale.spec.neck import (
    HEADS_PLACES,
    Heads,
    HeadsChange,
    Neck,
    NeckChange,
    Scaling,
)
from effscale.spec.nodes import Origin
from effscale.spec.norm import NetworkNorm, Norm
from effscale.spec.outputs import Head, Output
from effscale.spec.steps import SomeSteps, Step, Steps, WrittenBlock
from effscale.spec.values import (
    ActivationName,
    Argument,
    Channels,
    Count,
    Flag,
    GateName,
    Model,
    Multiplier,
    Name,
    Percent,
    Quantity,
    Reference,
    Repeats,
    Resolution,
    SamePaddingName,
    Scaled,
    Share,
    Text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.arrays import Int
    from effscale.spec.outputs import AnyOutput


ChannelsRule = Literal["nearest", "up"]
RepeatsRule = Literal["ceil", "round"]
TiesRule = Literal["up", "even"]
StemRule = Literal["scaled", "fixed", "mbconv"]
HeadRule = Literal["scaled", "fixed", "grows"]
EndsRule = Literal["scaled", "fixed"]
InsideRule = Literal["scaled", "ratio"]


class Rounding(Model):
    """How a scaled number becomes one that a network can have.

    A file names a policy, `rounding: pycls`, or writes what differs from the
    `efficientnet` policy.
    """

    #: Channels are a multiple of this.
    channel_divisor: Annotated[int, values.whole(1, 1024)] = 8
    #: To the nearest multiple, or up to the next.
    channels: Annotated[ChannelsRule, values.choice("nearest", "up")] = "nearest"
    #: Of more channels than these, as many are scaled; what is not scaled stays.
    max_channels: Channels | None = None
    #: Rounding channels down may lose at most this share of them.
    max_channel_loss: Share = 0.1
    #: Where channels or pixels lie halfway between two multiples.
    ties: Annotated[TiesRule, values.choice("up", "even")] = "up"
    #: Repeats go up to the next whole number, or to the nearest (halves to even).
    repeats: Annotated[RepeatsRule, values.choice("ceil", "round")] = "ceil"
    #: Whether the stem's widths follow the width multiplier; `mbconv`: where there are
    #: stages of mbconv or fused_mbconv, and nowhere else.
    stem: Annotated[StemRule, values.choice(*get_args(StemRule))] = "scaled"
    #: The same of the head's; `grows` is scaled up but never down.
    head: Annotated[HeadRule, values.choice(*get_args(HeadRule))] = "scaled"
    #: Whether the repeats of the first and the last stage follow the depth multiplier.
    ends: Annotated[EndsRule, values.choice(*get_args(EndsRule))] = "scaled"
    #: Whether the channels of a group follow the width multiplier, where a strategy
    #: gives them none of their own.
    group_width: Annotated[EndsRule, values.choice(*get_args(EndsRule))] = "scaled"
    #: Whether the channels inside a bottleneck are scaled by themselves, or keep their
    #: ratio to what it puts out, which is then what whole groups make of it.
    inside: Annotated[InsideRule, values.choice(*get_args(InsideRule))] = "scaled"
    #: Height and width are a multiple of this.
    resolution_multiple: Annotated[int, values.whole(1, 1024)] = 8

    @model_serializer(mode="wrap")
    def _for_older_versions(self, serialize: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401
        """What older versions do not know is written only where it says something."""
        written = serialize(self)
        later = {
            "channels": "nearest",
            "max_channels": None,
            "group_width": "scaled",
            "inside": "scaled",
        }
        return {
            key: each
            for key, each in written.items()
            if key not in later or each != later[key]
        }


#: What well-known implementations do, by name: where each differs from the first.
POLICIES: dict[str, Rounding] = {
    # tpu/models/official/efficientnet/efficientnet_model.py:106-130
    "efficientnet": Rounding.model_construct(),
    # automl/efficientnetv2/effnetv2_model.py:84-95: no rule of the tenth
    "efficientnetv2": Rounding.model_construct(max_channel_loss=1.0),
    # pycls/models/scaler.py: Python's round everywhere, pixels to a multiple of 4.
    # Of an AnyNet (RegNet, ResNeXt) the stem stays, groups have a weight of their own,
    # and bottlenecks keep their ratios (blocks.py:215-226)
    "pycls": Rounding.model_construct(
        max_channel_loss=1.0,
        ties="even",
        repeats="round",
        stem="mbconv",
        group_width="fixed",
        inside="ratio",
        resolution_multiple=4,
    ),
    # ultralytics/nn/tasks.py (`parse_model`), utils/ops.py (`make_divisible`)
    "ultralytics": Rounding.model_construct(
        channels="up", repeats="round", resolution_multiple=32
    ),
    # timm/models/_efficientnet_builder.py:232-267, depth_trunc="round"
    "timm": Rounding.model_construct(repeats="round"),
    # tpu/models/official/efficientnet/lite: fix_head_stem, and repeats of the ends
    "lite": Rounding.model_construct(stem="fixed", head="fixed", ends="fixed"),
    # timm/models/efficientnet.py:1188-1208: fix_stem, max(1280, …), depth_trunc="round"
    "tinynet": Rounding.model_construct(repeats="round", stem="fixed", head="grows"),
}


Policy = Annotated[str, values.choice(*POLICIES)]


def policy(value: Any) -> Any:  # noqa: ANN401 - pydantic judges what this leaves alone
    """The rules of a policy that a file names, or what else it has written."""
    if not isinstance(value, str):
        return value
    if value not in POLICIES:
        expected = f"one of {', '.join(POLICIES)}, or keys and values"
        raise PydanticCustomError("kind", "expected {expected}", {"expected": expected})
    return POLICIES[value]


def _list(value: Any) -> Any:  # noqa: ANN401 - pydantic judges what this leaves alone
    return [value] if isinstance(value, dict) else value


def _one_or_list(steps: Steps) -> Any:  # noqa: ANN401
    written = [step.model_dump(exclude_none=True) for step in steps]
    return written[0] if len(written) == 1 else written


class Squeeze(Model):
    """Squeeze-and-excitation, the same in all blocks that have an `se_ratio`.

    EfficientNet's by default: within the block, the ratio of the block's input.
    """

    #: What the ratio is of: the block's input, or what is gated.
    of: Annotated[Literal["input", "gated"], values.choice("input", "gated")] = "input"
    #: What is gated: the widest map within the block, or what the block puts out.
    at: Annotated[Literal["middle", "output"], values.choice("middle", "output")] = (
        "middle"
    )
    #: The squeezed width is a multiple of this; 1 cuts it to whole channels.
    divisor: Annotated[int, values.whole(1, 1024)] = 1
    activation: ActivationName | None = None
    #: Whether what is squeezed is normalised.
    norm: Flag = False
    gate: GateName = "sigmoid"

    def width(self, gated: "Int", c_in: "Int", ratio: float) -> "Int":
        """The squeezed width, where so many channels are gated and come in.

        Cut to whole channels (MBConvBlock._build, tpu/models/official/efficientnet/
        efficientnet_model.py), or rounded to a multiple (MobileNetV3).
        """
        of = c_in if self.of == "input" else gated
        found: Int
        if self.divisor == 1:
            found = whole_share(of, ratio)
        else:
            found = multiple(share(of, ratio), self.divisor)
        return found

    @model_serializer(mode="wrap")
    def _for_older_versions(self, serialize: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401
        """A norm is written only where there is one."""
        written = serialize(self)
        return {key: each for key, each in written.items() if key != "norm" or each}


class Coefficients(Model):
    """Growth of depth (α), width (β) and resolution (γ) per unit of φ."""

    alpha: Multiplier = 1.2
    beta: Multiplier = 1.1
    gamma: Multiplier = 1.15

    @property
    def product(self) -> float:
        """α·β²·γ²: what a unit of φ multiplies MACs by, were nothing rounded."""
        return self.alpha * self.beta**2 * self.gamma**2

    def _repr_html_(self) -> str:
        """A row of them and their product, for notebooks."""
        factors = {"α": self.alpha, "β": self.beta, "γ": self.gamma}
        return figures("Coefficients", {**factors, "α·β²·γ²": self.product})


def _of_latency(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
    """What says how a network is run, and is refused where no latency is limited."""
    if value is not None and info.data.get("latency", "") is None:
        context = {"expected": "none where no latency is limited"}
        raise PydanticCustomError("kind", "expected {expected}", context)
    return value


def _device(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
    """The device; no latency is known without."""
    if value is None and info.data.get("latency") is not None:
        raise PydanticKnownError("missing")
    return _of_latency(value, info)


def _run(dtype: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
    """The type of elements; of what is run, one that torch runs."""
    if dtype in {*STORED_BYTES} - {*ELEMENT_BYTES} and info.data.get("latency"):
        listed = ", ".join(ELEMENT_BYTES)
        context = {"expected": f"one of {listed} beside a latency", "code": "EFF104"}
        raise PydanticCustomError("kind", "expected {expected}", context)
    return dtype


def _on_cuda(graph: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
    device = info.data.get("device")
    if graph and device is not None and not is_cuda(device):
        context = {"expected": f"false beside device: {device}"}
        raise PydanticCustomError("kind", "expected {expected}", context)
    return _of_latency(graph, info)


def _runs(runtime: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
    """The runtime, beside what it has."""
    ways = {name: info.data.get(name) for name in _WAYS}
    if runtime not in {None, "torch"} and "device" in info.data:
        name = of_torch(info.data["device"] or "cpu", ways)
        if name:
            context = {"expected": f"torch beside {name}: {info.data[name]}".lower()}
            raise PydanticCustomError("kind", "expected {expected}", context)
    return _of_latency(runtime, info)


#: Ways to run a network that torch alone has.
_WAYS = ("channels_last", "compiled", "cuda_graph")


class Budget(Model):
    """Limits of what a network may cost; `effscale check` holds it to them.

    All are counted but latency, which `effscale check --verify` measures.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "dependencies": {
                "latency": {
                    "required": ["device"],
                    "properties": {"dtype": {"enum": [*ELEMENT_BYTES]}},
                },
                **{
                    name: ["latency"]
                    for name in ("device", "threads", "channels_last", "compiled")
                },
                "cuda_graph": {
                    "required": ["latency"],
                    "anyOf": [
                        {"properties": {"cuda_graph": {"const": False}}},
                        {"properties": {"device": {"pattern": "^cuda"}}},
                    ],
                },
                "runtime": {
                    "required": ["latency"],
                    "anyOf": [
                        {"properties": {"runtime": {"const": "torch"}}},
                        {
                            "properties": {
                                "device": {"pattern": "^c"},
                                **{name: {"const": False} for name in _WAYS},
                            }
                        },
                    ],
                },
            }
        }
    )
    macs: Annotated[str, values.limited("macs")] | None = None
    params: Annotated[str, values.limited("params")] | None = None
    activations: Annotated[str, values.limited("activations")] | None = None
    #: Weights and the most that feature maps take at once, of `batch` images.
    memory: Annotated[str, values.limited("memory")] | None = None
    #: The same in training, gradients of weights included.
    training_memory: Annotated[str, values.limited("training_memory")] | None = None
    #: Time of a run of `batch` images on the `device`.
    latency: Annotated[str, values.limited("latency")] | None = None
    #: Images at once, for memory and latency.
    batch: Annotated[int, values.whole(1, MAX_BATCH)] | None = None
    #: What weights and feature maps are stored as, for memory and latency.
    dtype: Annotated[
        Annotated[StoredName, values.choice(*STORED_BYTES)] | None,
        AfterValidator(_run),
    ] = None
    #: What a network is run on, for latency.
    device: Annotated[
        Annotated[str, values.RUNS_ON] | None,
        AfterValidator(_device),
        Field(validate_default=True),
    ] = None
    #: Threads of the CPU, for latency; 1 if left out.
    threads: Annotated[
        Annotated[int, values.whole(1, MAX_THREADS)] | None, AfterValidator(_of_latency)
    ] = None
    #: Whether feature maps are stored with channels last (NHWC), for latency.
    channels_last: Annotated[Flag | None, AfterValidator(_of_latency)] = None
    #: Whether it is run by torch.compile, for latency.
    compiled: Annotated[Flag | None, AfterValidator(_of_latency)] = None
    #: Whether it is captured once and replayed, for latency on CUDA.
    cuda_graph: Annotated[Flag | None, AfterValidator(_on_cuda)] = None
    #: What runs it, for latency; torch if left out.
    runtime: Annotated[
        Annotated[Runtime, values.choice(*RUNTIMES)] | None, AfterValidator(_runs)
    ] = None


class Expected(Model):
    """What a file expects of its own network: exact figures."""

    params: Count | None = None
    macs: Count | None = None


class Published(Model):
    """What the source printed, digit by digit; accuracies in per cent."""

    params: Quantity | None = None
    macs: Quantity | None = None
    top1: Percent | None = None
    top5: Percent | None = None
    #: Average precision of a detector, on COCO.
    ap: Percent | None = None
    #: Mean intersection over union, of a network that tells pixels apart.
    miou: Percent | None = None
    source: Text | None = None
    #: Why a printed figure is not the counted one, where it is not.
    note: Text | None = None


class Variant(Model):
    """A published relative: multipliers rounded by hand, and its own resolution."""

    family: Name | None = None  #: that of the spec, if left out
    depth_multiplier: Scaled = 1.0
    width_multiplier: Scaled = 1.0
    resolution: Resolution
    dropout: Share | None = None
    #: Its own, in place of the baseline's.
    norm: NetworkNorm | None = None
    padding: SamePaddingName | None = None
    expected: Expected | None = None
    published: Published | None = None
    budget: Annotated[Budget, values.later(Budget)] | None = None
    #: The φ it is meant for: its MACs are held to 2^φ times the baseline's.
    phi: Annotated[float, values.number(-50, 50)] | None = None
    #: Repeats of each stage that has some, where no multiplier gives them.
    repeats: tuple[Repeats, ...] | None = None
    #: Channels of each line that states some, of the stem and then of the stages, where
    #: no multiplier gives them.
    channels: tuple[Channels, ...] | None = None
    #: Other keys that lines of the stem state, and parameters of their blocks: a value
    #: for all, or a list with one for each.
    stem: dict[Name, Argument] = Field(default={})
    #: The same of lines of the stages.
    stages: dict[Name, Argument] = Field(default={})
    rounding: Annotated[
        Rounding | None,
        BeforeValidator(policy, json_schema_input_type=Rounding | Policy | None),
    ] = None
    #: A detector's: one of the `backbones` that it scales by, in place of multipliers.
    backbone: Name | None = None
    neck: Annotated[NeckChange, values.later(NeckChange)] | None = None
    heads: Annotated[HeadsChange, values.later(HeadsChange)] | None = None

    @property
    def sections(self) -> dict[tuple[str, ...], object]:
        """What is stated of head, neck and heads, by the place in a spec."""
        found: dict[tuple[str, ...], object] = {
            ("head", "dropout"): self.dropout,
            ("norm",): self.norm,
            ("padding",): self.padding,
        }
        found |= {("neck", name): each for name, each in self.neck or ()}
        found |= {HEADS_PLACES[name]: each for name, each in self.heads or ()}
        return {place: each for place, each in found.items() if each is not None}


#: Models of sections that most files lack, which are built where one has them.
SECTIONS = (Cell, Neck, NeckChange, Heads, HeadsChange, Scaling, Budget)

#: The sections behind the stages, of which a network has one group or the other.
ENDS = (("head",), ("neck", "heads"), ("outputs",))


class Spec(Model):
    """A network as stages. Equal specs are equal networks with equal rules."""

    name: Name
    family: Name | None = None
    source: Text | None = None
    #: The spec whose stem and stages, and all else that is not stated, these are.
    backbone: Reference | None = None
    resolution: Resolution
    image_channels: Channels = 3
    activation: ActivationName = "silu"
    norm: NetworkNorm = Norm.model_construct()
    squeeze_excite: Squeeze = Squeeze.model_construct()
    #: Where `same` padding lies: as much on both sides, or as TensorFlow has it, whose
    #: strided windows begin at the first pixel of an even side.
    padding: SamePaddingName = "centred"
    #: Whether it is as it is shipped: batch norms within convolutions, convolutions of
    #: one map that are added as one.
    deployed: Flag = False
    #: Rate at which the last block would be skipped; block i of N has rate·i/N.
    stochastic_depth: Share = 0.0
    #: Blocks that the file defines; one may use those above it.
    blocks: dict[Name, WrittenBlock] = Field(default={})
    #: Small graphs that stages of cells are wired by.
    cells: dict[Name, Annotated[Cell, values.later(Cell)]] = Field(default={})
    stem: Annotated[
        SomeSteps,
        BeforeValidator(_list, json_schema_input_type=Step | SomeSteps),
        PlainSerializer(_one_or_list),
    ]
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    #: What classifies; a detector has a neck, and heads by level, in its place.
    head: Head | None = None
    neck: Annotated[Neck, values.later(Neck)] | None = None
    heads: Annotated[Heads, values.later(Heads)] | None = None
    #: Heads of any kind, by the names that their outputs have, in the place of both.
    outputs: dict[Name, Output] = Field(default={})
    scaling: Annotated[Scaling, values.later(Scaling)] | None = None
    rounding: Annotated[
        Rounding, BeforeValidator(policy, json_schema_input_type=Rounding | Policy)
    ] = Rounding.model_construct()
    coefficients: Coefficients = Coefficients.model_construct()
    expected: Expected | None = None
    published: Published | None = None
    budget: Annotated[Budget, values.later(Budget)] | None = None
    #: How far a variant's MACs may be from 2^φ times the baseline's, relative to it.
    tolerance: Share | None = None
    variants: dict[Name, Variant] = Field(default={})
    _origin: Origin = PrivateAttr(default=Origin())

    @property
    def origin(self) -> Origin:
        """Where it was read, or what it was made of."""
        return self._origin

    def read_at(self, origin: Origin) -> "Spec":
        """The same, read there."""
        found = self.model_copy()
        found.__pydantic_private__ = {"_origin": origin}
        return found

    @property
    def sections(self) -> dict[str, Head | Neck | Heads]:
        """What is behind the stages, by its key."""
        given = {"head": self.head, "neck": self.neck, "heads": self.heads}
        return {name: each for name, each in given.items() if each is not None}

    @property
    def detector(self) -> tuple[Neck, Heads] | None:
        """The neck and the heads of a detector; none of any other network."""
        match self.sections:
            case {"neck": Neck() as neck, "heads": Heads() as heads}:
                return neck, heads
            case _:
                return None

    @property
    def classifying(self) -> "dict[tuple[str, ...], Head | Heads | AnyOutput]":
        """What tells classes apart, by its place."""
        found: dict[tuple[str, ...], Head | Heads | AnyOutput] = {
            (name,): each
            for name, each in self.sections.items()
            if not isinstance(each, Neck)
        }
        return found | {("outputs", k): each for k, each in self.outputs.items()}

    @property
    def classes(self) -> int:
        """Those of the first that tells some apart."""
        return next(iter(self.classifying.values())).classes

    def _repr_html_(self) -> str:
        """The stages as the file has them, for notebooks."""
        from effscale.spec.dumping import html

        return html(self)

    def __rich_repr__(self) -> "Iterator[tuple[str, object]]":
        """The fields that differ from their defaults, for a readable print."""
        for name in type(self).model_fields:
            if name in self.model_fields_set:
                yield name, getattr(self, name)
