"""Steps that keep a map's shape and have no window: scales, products, dropout."""

from typing import TYPE_CHECKING, Annotated, Literal

from effscale.spec import values
from effscale.spec.line import Line
from effscale.spec.values import Channels, Flag, Share

if TYPE_CHECKING:
    from effscale.arrays import Int


class LayerScale(Line):
    """Each channel times a number that is learnt."""

    block: Literal["layer_scale"]
    #: What each begins with.
    initial: Annotated[float, values.number(0, 1, above=True)] = 1e-6
    #: Whether there is one number for all channels.
    single: Flag = False
    #: Whether a learnt number is added, too.
    shift: Flag = False


class ResponseNorm(Line):
    """ConvNeXt V2's global response norm."""

    block: Literal["global_response_norm"]


class ChannelAttention(Line):
    """Each channel times what a 1-D convolution makes of the channels' means (ECA)."""

    block: Literal["channel_attention"]
    #: Channels that it sees; left out, as many as follow from the number of channels.
    size: Annotated[int, values.odd(1, 63)] | None = None


class PadChannels(Line):
    """Channels of zeros after those that come in."""

    block: Literal["pad_channels"]
    #: How many there are then; left out, those of the line that uses the block.
    channels: Channels | None = None

    def of(self, unstated: "Int") -> "Int":
        """The channels it puts out where the ones it does not state are these."""
        return unstated if self.channels is None else self.channels


class Multiply(Line):
    """What comes in times a number."""

    block: Literal["multiply"]
    #: The number: -1 takes it away from what it is added to.
    by: Annotated[float, values.number(-100, 100)]


class Dropout(Line):
    """Elements dropped in training."""

    block: Literal["dropout"]
    #: How many of them.
    rate: Share
