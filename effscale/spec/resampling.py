"""Steps that make other positions of a map's: pools, and what grows or shrinks it."""

from typing import TYPE_CHECKING, Annotated, Literal

from effscale.arrays import Int, divided
from effscale.errors import Fault
from effscale.spec import values
from effscale.spec.line import SQUARE, Line
from effscale.spec.values import (
    Flag,
    InterpolationName,
    Padding,
    PoolKind,
    PoolPaddingName,
    Read,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def plain(window: Window) -> str:
    """`3×2`, or one number for both."""
    rows, columns = window
    return str(rows) if rows == columns else f"{rows}×{columns}"


class Pool(Line):
    """Maximum or mean of windows."""

    block: Literal["max_pool", "avg_pool"]
    kernel: Window
    stride: Window = SQUARE
    #: As a convolution's; `ceil`: none, but a last window may run over the end.
    padding: PoolPaddingName = "same"
    #: Whether its padding is taken for zeros; else it is of pixels alone.
    include_padding: Flag = False

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Windows without a middle, unless they lie apart, edge to edge.

        And what is said of padding that a pool has not, or that is never counted.
        """
        if self.kernel != self.stride:
            yield from super().faults(c_in)
        bare = {"valid", "ceil"} | (
            {"tensorflow"} if self.block == "avg_pool" else set()
        )
        if self.include_padding and self.padding in bare:
            message = f"expected none of {self.block} with padding: {self.padding}"
            yield Fault(("include_padding",), f"{message}, got True", "EFF104")
        yield from self._beyond()

    def _beyond(self) -> "Iterator[Fault]":
        """Padding that a window could lie in, so that it had nothing to tell of."""
        if isinstance(self.padding, tuple):
            half = self.kernel[0] // 2, self.kernel[1] // 2
            if any(n > most for n, most in zip(self.padding, half, strict=True)):
                message = f"expected at most half of the kernel, {plain(half)}, got"
                yield Fault(("padding",), f"{message} {plain(self.padding)}")
        if self.padding == "ceil" and any(
            k < s for k, s in zip(self.kernel, self.stride, strict=True)
        ):
            message = f"expected at least the stride, {plain(self.stride)}, for"
            found = plain(self.kernel)
            yield Fault(("kernel",), f"{message} padding: ceil, got {found}")


class BlurPool(Line):
    """Windows weighed by binomials, so that no stride leaves a position out."""

    block: Literal["blur_pool"]
    #: Side of the kernel, whose weights are not learnt: (1 2 1) for 3, and so on.
    kernel: Annotated[int, values.odd(3, 15)] = 3
    #: Positions from one window to the next; at 1 nothing is blurred.
    stride: Window = (2, 2)


class ChannelPool(Line):
    """Mean or maximum of the channels of each position: a map of one channel."""

    block: Literal["channel_pool"]
    kind: Annotated[PoolKind, values.choice("avg", "max")] = "avg"

    def c_out(self, c_in: Int) -> Int:
        del c_in
        return 1


class GlobalPool(Line):
    """Mean or maximum of all positions; or of as many parts as there are to be."""

    block: Literal["global_pool"]
    kind: Annotated[PoolKind, values.choice("avg", "max")] = "avg"
    #: Positions that it makes of any number, down and across.
    to: Window = SQUARE
    whole = True

    def sides_after(self, sides: Window) -> Window:
        del sides
        return self.to

    def sides_before(self, sides: Window) -> Window:
        """One is enough for any."""
        del sides
        return SQUARE


class Upsample(Line):
    """A map made larger by a factor, or brought to the size of another line's."""

    block: Literal["upsample"]
    factor: Annotated[int, values.whole(2, 32)] | None = None
    #: The line whose map's size it takes.
    like: Read | None = None
    mode: InterpolationName = "nearest"

    @property
    def likened(self) -> str | None:
        return self.like

    @property
    def grows(self) -> Window:
        factor = self.factor or 1
        return factor, factor

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """A size that is said twice, or not at all."""
        del c_in
        if self.factor is None and self.like is None:
            yield Fault((), "missing factor or like", "EFF101")
        elif self.factor is not None and self.like is not None:
            yield Fault(("like",), "expected factor or like, got both")


class PixelShuffle(Line):
    """factor² channels become as many positions (Shi et al. 2016)."""

    block: Literal["pixel_shuffle"]
    factor: Annotated[int, values.whole(2, 32)] = 2

    @property
    def grows(self) -> Window:
        return self.factor, self.factor

    def c_out(self, c_in: Int) -> Int:
        found: Int = divided(c_in, self.factor**2)
        return found

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Channels that do not go into positions."""
        if c_in % self.factor**2:
            message = f"expected one whose square divides {c_in} channels, got"
            yield Fault(("factor",), f"{message} {self.factor}")


class PixelUnshuffle(Line):
    """factor² positions become as many channels: the way back of a pixel shuffle."""

    block: Literal["pixel_unshuffle"]
    factor: Annotated[int, values.whole(2, 32)] = 2

    @property
    def window(self) -> tuple[Window, Window, Padding]:
        sides = self.factor, self.factor
        return sides, sides, "valid"

    def c_out(self, c_in: Int) -> Int:
        return c_in * self.factor**2

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """None that it could tell of channels alone."""
        del c_in
        yield from ()
