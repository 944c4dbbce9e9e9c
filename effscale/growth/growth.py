"""Growth of each kind of network: its law, its strategies, its words.

`growth_of` is where a network's kind is asked. Whoever scales, searches, explains or
reports asks the object that it returns; another kind is another `Growth` here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias, cast

from effscale.arrays import nearest
from effscale.growth.multipliers import SINGLE, Multipliers, strategy
from effscale.growth.rounding import EXACT
from effscale.growth.scale import followed, rules_of, scale, value, with_value

if TYPE_CHECKING:
    from effscale.arrays import Real
    from effscale.spec.models import Spec

#: MACs of a network, of sides and channels in fractions too.
Macs: TypeAlias = Callable[["Spec"], Fraction]
Interval: TypeAlias = tuple[Decimal, Decimal]


@dataclass(frozen=True)
class Variant:
    """A scaled network, how it came about, and what it is meant to cost."""

    spec: Spec
    strategy: str
    phi: float | None  #: None where no φ gives these multipliers
    multipliers: Multipliers
    target_ratio: float  #: as a multiple of the baseline's MACs
    held: tuple[str, ...] = ()  #: what φ leaves as the baseline has it


@dataclass(frozen=True)
class Factor:
    """One reason: `value` above 1 costs more than the target foresaw."""

    name: str
    value: Fraction
    reason: str


@dataclass(frozen=True)
class Step:
    """A dimension in which two networks differ, and what that multiplies MACs by."""

    dimension: str
    before: Any
    after: Any
    factor: Fraction


class Reason(NamedTuple):
    """What a factor is: above a narrow column, and in words."""

    title: str
    text: str


class Axis(NamedTuple):
    """A coefficient that a grid varies; to the power of φ it is a multiplier."""

    key: str  #: of a candidate's row
    title: str
    multiplier: str
    option: str


@dataclass(frozen=True)
class Growth(ABC):
    """How a network grows by φ, and what is told of it.

    Keys are those of rows in JSON; what they look like in a table is the report's.
    """

    spec: Spec

    #: What `all` stands for.
    strategies: ClassVar[Sequence[str]]
    #: Keys of a row that say how a network was scaled.
    columns: ClassVar[Sequence[str]]
    #: Every factor of `factors`, in their order.
    reasons: ClassVar[Mapping[str, Reason]]
    #: Whether the factors multiply to the deviation, or to the ratio over the target.
    of_deviation: ClassVar[bool]
    #: Dimensions in which two networks differ: the values that make each, the first of
    #: which says it.
    dimensions: ClassVar[Mapping[str, Sequence[Sequence[str]]]] = {}
    #: What stays as it is where depth, width and resolution are searched freely.
    kept: ClassVar[str] = ""
    #: Options by which a search finds what its ray has not, in words.
    elsewhere: ClassVar[str] = ""
    #: φ whose networks are wanted, though no interval around them has the same.
    special: ClassVar[Sequence[float]] = (0.0,)

    #: What a grid varies, and what its points are called.
    axes: ClassVar[Sequence[Axis]]
    points: ClassVar[str] = "points"
    #: Whether a grid keeps what meets the target, or ranks all that it has.
    meets_target: ClassVar[bool] = True
    #: Options of a grid that are of this kind alone, and what is said of others'.
    options: ClassVar[Sequence[str]]
    refusal: ClassVar[str]
    #: Keys of a candidate's row; those of `unsaid` have no value.
    candidate: ClassVar[Sequence[str]]
    unsaid: ClassVar[Sequence[str]] = ()
    #: What decides between candidates that are equally good.
    ties: ClassVar[Sequence[str]]
    #: What the marks of a grid mean, and its root mean square over several φ.
    marks: ClassVar[str]
    tracking: ClassVar[str] = ""

    @abstractmethod
    def at_phi(self, phi: Real, name: str = "compound") -> Multipliers:
        """The multipliers by which strategy `name` scales the network to φ.

        Raises:
            ScaleError: if φ is beyond all networks, or there is no such strategy.
        """

    @property
    def coefficients(self) -> dict[str, float] | None:
        """α, β, γ and α·β²·γ²; None where the growth has no use for them."""
        return None

    @property
    @abstractmethod
    def law(self) -> tuple[str, str]:
        """The law in a line, behind its label."""

    @abstractmethod
    def factors(
        self, given: Multipliers, scaled: Spec, target: float, macs: Macs
    ) -> list[Factor]:
        """Factors whose product is exactly `scaled` over the network over the target.

        `scaled` is what the multipliers give, or a published network in its place.
        """

    @property
    @abstractmethod
    def own(self) -> Sequence[float]:
        """The network's own coefficients, one for each axis."""

    @abstractmethod
    def ranges(self, target: float) -> Sequence[Interval]:
        """Where a grid looks unless it is told, from and to, one for each axis."""

    @abstractmethod
    def at(self, points: Sequence[Real], phi: float) -> Multipliers:
        """The multipliers at φ if these were the coefficients, one for each axis."""

    def nominal(self, points: Sequence[Real]) -> Any:  # noqa: ANN401, ARG002
        """What a unit of φ multiplies MACs by, were nothing rounded; 1 if unknown."""
        return 1.0

    def steps(self, new: Spec, macs: Macs) -> list[Step]:
        """What leads to another network of this kind, dimension by dimension.

        The product of the factors is exactly the ratio of their MACs; each is a ratio
        of two counts, the later with one more dimension of `new` than the earlier.
        """
        found: list[Step] = []
        here, before = self.spec, macs(self.spec)
        for name, paths in self.dimensions.items():
            changes = [(value(here, path), value(new, path)) for path in paths]
            if all(was == now for was, now in changes):
                continue
            for path, (_, now) in zip(paths, changes, strict=True):
                here = with_value(here, path, now)
            after = macs(here)
            found.append(Step(name, *changes[0], after / before))
            before = after
        return found

    def width_beside(self, height: Any) -> Any:  # noqa: ANN401 - a number, or an array
        """The image's width where its height is another: in proportion to it."""
        before, width = self.spec.resolution
        exact = height * (width / before)
        return height if width == before else nearest(exact, ties="even")

    def told(self, variant: Variant) -> dict[str, Any]:  # noqa: ARG002
        """What the row of a variant says besides depth, width, resolution and cost."""
        return {}

    def constants(self, name: str) -> Mapping[str, float]:  # noqa: ARG002
        """What strategy `name` has been told, and a scaled spec does not repeat."""
        return {}

    def unrounded(self, given: Multipliers) -> dict[str, Any]:  # noqa: ARG002
        """Values of dimensions before they are rounded, where that is worth showing."""
        return {}

    def published(self, phi: float) -> dict[str, Multipliers]:  # noqa: ARG002
        """Names of the variants that are the law's at φ but for what was decided."""
        return {}

    def numbers(self, scaled: Spec) -> Sequence[Any]:  # noqa: ARG002
        """What a grid shows of a scaled network at each φ."""
        return ()


@dataclass(frozen=True)
class Classifier(Growth):
    """Depth, width and resolution by α^φ, β^φ, γ^φ (Tan & Le 2019, equation 3)."""

    strategies = SINGLE
    columns = ("depth_multiplier", "width_multiplier", "resolution_multiplier")
    reasons: ClassVar = {
        "coefficients": Reason(
            "coefficients", "d·w²·r² of the multipliers over the target ratio"
        ),
        "other scaling": Reason(
            "other scaling",
            "layers that do not grow as d·w²·r²: first, last, depthwise",
        ),
        "repeats": Reason("repeats", "rounded to whole blocks"),
        "channels": Reason("channels", "rounded to a multiple of the divisor"),
        "resolution": Reason("resolution", "rounded to a multiple in pixels"),
        "odd sizes": Reason("odd sizes", "a stride rounds an odd side up"),
    }
    of_deviation = True
    elsewhere = "--free, or --strategy dw"

    axes = (
        Axis("alpha", "α", "depth", "alpha"),
        Axis("beta", "β", "width", "beta"),
        Axis("gamma", "γ", "resolution", "gamma"),
    )
    options = (
        *("alpha", "beta", "gamma", "plot", "strategy", "constraint", "evaluate"),
    )
    refusal = "{options} is of a file with a neck; {name} has none"
    candidate = (
        *("alpha", "beta", "gamma", "product", *columns, "resolution"),
        *("params", "macs", "activations", "products"),
        *("macs_ratio", "deviation", "rms_error"),
        *("grid_points", "pareto", "own_coefficients", "target_ratio"),
        *("measured", "agrees"),
    )
    ties = ("deviation", "alpha", "beta", "gamma")
    tracking = "rms error: root mean square over φ of log(MACs ratio / target)"
    marks = (
        "★ the spec's own coefficients  ◆ on the front of params against activations"
    )

    def at_phi(self, phi: Real, name: str = "compound") -> Multipliers:
        given = strategy(name, phi, self.spec.coefficients)
        return given.by(self.spec.rounding)

    @property
    def coefficients(self) -> dict[str, float] | None:
        given = self.spec.coefficients
        return {**dict(given), "product": given.product}

    @property
    def law(self) -> tuple[str, str]:
        c = self.spec.coefficients
        given = f"α {c.alpha:g}  β {c.beta:g}  γ {c.gamma:g}"
        return "compound", f"{given}  α·β²·γ² {c.product:.3f}"

    def constants(self, name: str) -> Mapping[str, float]:
        named = zip((axis.key for axis in self.axes), self.own, strict=True)
        return dict(named) if name == "compound" else {}

    def factors(
        self, given: Multipliers, scaled: Spec, target: float, macs: Macs
    ) -> list[Factor]:
        """Each is a ratio of two counts, the later with one more rounding.

        - coefficients: d·w²·r² / target.
        - other scaling: the network with fractional repeats, channels and sides, over
          d·w²·r² times the baseline; sides are never rounded up here, of either.
        - repeats, channels, resolution: the same with that rounding, over the one
          before.
        - odd sizes: sides rounded up at each stride, over the same without; the
          baseline's own share of it divided out.
        """
        spec, rules = self.spec, rules_of(self.spec)
        dimensions = ("depth", "width", "resolution", "image_width")
        depth, width, height, across = (
            Fraction(cast("float", given.factor(name))) for name in dimensions
        )
        nominal = depth * width**2 * height * across
        smooth_base = macs(_smooth(spec))
        rounded = [EXACT]
        for names in (("repeats",), ("channels", "group_width"), ("resolution",)):
            one_more = {name: getattr(rules, name) for name in names}
            rounded.append(replace(rounded[-1], **one_more))
        costs = [macs(_smooth(scale(spec, given, rules=each))) for each in rounded]
        values = (
            nominal / Fraction(target),
            costs[0] / (nominal * smooth_base),
            *(after / before for before, after in pairwise(costs)),
            (macs(scaled) / costs[-1]) / (macs(spec) / smooth_base),
        )
        named = zip(self.reasons.items(), values, strict=True)
        return [Factor(name, value, reason.text) for (name, reason), value in named]

    @property
    def own(self) -> Sequence[float]:
        given = self.spec.coefficients
        return given.alpha, given.beta, given.gamma

    def ranges(self, target: float) -> Sequence[Interval]:
        """All that can be feasible, at two decimals; 1 where nothing would follow."""
        one, root = Decimal(1), math.ceil(100 * math.sqrt(target)) / 100
        moved = {*followed(self.spec), "resolution"}
        return [
            (one, Decimal(str(high)) if axis.multiplier in moved else one)
            for axis, high in zip(self.axes, (target, root, root), strict=True)
        ]

    def at(self, points: Sequence[Real], phi: float) -> Multipliers:
        given = Multipliers(*(each**phi for each in points))
        return given.by(self.spec.rounding)

    def nominal(self, points: Sequence[Real]) -> Any:  # noqa: ANN401
        alpha, beta, gamma = points
        return alpha * beta**2 * gamma**2


def _smooth(spec: Spec) -> Spec:
    """`spec` with its sides as fractions, which no stride rounds up."""
    height, width = (Fraction(cast("int", side)) for side in spec.resolution)
    return spec.model_copy(update={"resolution": (height, width)})


def growth_of(spec: Spec) -> Growth:
    """How `spec` grows, which is a matter of the kind of network that it is."""
    if not spec.detector:
        return Classifier(spec)
    from effscale.growth.detector import Detector  # where there is one

    return Detector(spec, *spec.detector)


def at_phi(spec: Spec, phi: Real, name: str = "compound") -> Multipliers:
    """The multipliers by which strategy `name` scales `spec` to φ.

    Raises:
        ScaleError: if φ is beyond all networks, or `spec` knows no such strategy.
    """
    return growth_of(spec).at_phi(phi, name)


def family(
    baseline: Spec, phis: Sequence[float], strategies: Sequence[str] = ("compound",)
) -> list[Variant]:
    """A variant of target 2^φ for each φ and strategy: `b0-phi4`, `b0-depth-phi4`.

    The strategy `all` stands for those that the paper compares.

    Raises:
        ScaleError: if a variant would leave the range of what a network can be.
    """
    return [make() for make in recipes(baseline, phis, strategies).values()]


def recipes(
    baseline: Spec, phis: Sequence[float], strategies: Sequence[str]
) -> dict[str, Callable[[], Variant]]:
    """How each variant of a family is made, by its name."""
    growth = growth_of(baseline)
    every = dict.fromkeys(
        name
        for each in strategies
        for name in (growth.strategies if each == "all" else [each])
    )
    return {
        called(baseline, name, phi): partial(_variant, growth, phi, name)
        for phi in phis
        for name in every
    }


def _variant(growth: Growth, phi: float, name: str) -> Variant:
    multipliers = growth.at_phi(phi, name)
    scaled = scale(growth.spec, multipliers)
    named = with_value(scaled, ("name",), called(growth.spec, name, phi))
    return Variant(named, name, phi, multipliers, float(2.0**phi))


def called(baseline: Spec, strategy: str, phi: float) -> str:
    """What a variant is called: `b0-phi4`, `b0-depth-phi4`."""
    short = [] if strategy == "compound" else [strategy.replace(":", "")]
    return "-".join([baseline.name, *short, f"phi{phi:.12g}"])
