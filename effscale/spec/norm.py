"""Norms of feature maps: a network's own choice, or that of one line."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    ConfigDict,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from effscale.data import data
from effscale.spec import values
from effscale.spec.values import Channels, Flag, Model, Share

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

NormKind = Literal["batch", "layer", "group", "instance", "rms", "none"]
KINDS: tuple[str, ...] = get_args(NormKind)

#: Where a file states none: torch's own, and of the two over channels ConvNeXt's.
EPS = {"layer": 1e-6, "rms": 1e-6, "group": 1e-5, "instance": 1e-5}
#: Of a group norm that states neither their number nor their width (Wu & He 2018).
GROUPS = 32


#: All kinds that normalise.
NORMS = tuple(kind for kind in KINDS if kind != "none")
#: Keys that not all kinds have.
OF_KINDS: dict[str, tuple[str, ...]] = {
    "eps": NORMS,
    "momentum": ("batch",),
    "groups": ("group",),
    "group_width": ("group",),
    "shift": ("layer", "group"),
}


def _none(beside: str) -> PydanticCustomError:
    expected = f"none beside {beside}"
    return PydanticCustomError("kind", "expected {expected}", {"expected": expected})


def _of(key: str) -> AfterValidator:
    """A value that is refused beside a kind that does not have it."""

    def check(value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
        kind = info.data.get("kind")
        if kind is not None and kind not in OF_KINDS[key]:
            raise _none(f"kind: {kind}")
        return value

    return AfterValidator(check)


def _alone(group_width: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
    if None not in {group_width, info.data.get("groups")}:
        raise _none("groups")
    return group_width


class Norm(Model):
    """Normalisation, with a scale and a shift for each channel.

    Of a channel over a batch of images (`batch`), of each position's channels (`layer`;
    `rms` without mean and shift), of each image's groups of channels (`group`), or of
    each image's channels (`instance`). Where a network has `none`, its convolutions
    have biases.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "dependencies": {
                "momentum": {"properties": {"kind": {"const": "batch"}}},
                "eps": {"properties": {"kind": {"not": {"const": "none"}}}},
                **{
                    key: {
                        "properties": {"kind": {"const": "group"}},
                        "required": ["kind"],
                    }
                    for key in ("groups", "group_width")
                },
                "shift": {
                    "properties": {"kind": {"enum": [*OF_KINDS["shift"]]}},
                    "required": ["kind"],
                },
            },
            "not": {"required": ["groups", "group_width"]},
        }
    )
    kind: Annotated[NormKind, values.choice(*KINDS)] = "batch"
    eps: Annotated[float, values.number(0, 1, above=True), _of("eps")] = 1e-3
    #: Of running statistics, as torch means it (TensorFlow's is 1 − it).
    momentum: Annotated[Share, _of("momentum")] = 0.01
    groups: Annotated[Channels | None, _of("groups")] = None
    #: Channels of a group, in place of the number of groups.
    group_width: Annotated[
        Channels | None, AfterValidator(_alone), _of("group_width")
    ] = None

    #: Whether a number is learnt for each channel that is added.
    shift: Annotated[Flag, _of("shift")] = True

    @property
    def in_groups(self) -> bool:
        """Whether it is of each image's groups of channels, which are to be several."""
        return self.kind in {"group", "instance"}

    @model_validator(mode="before")
    @classmethod
    def _as_its_kind(cls, stated: Any) -> Any:  # noqa: ANN401 - whatever a file holds
        """The epsilon, and the number of groups, where a file states none."""
        if not isinstance(stated, dict):
            return stated
        kind = stated.get("kind", "batch")
        unsaid: dict[str, Any] = {}
        if isinstance(kind, str) and kind in EPS:
            unsaid["eps"] = EPS[kind]
        said = (stated.get(key) for key in ("groups", "group_width"))
        if kind == "group" and all(each is None for each in said):
            stated = {**stated, "groups": GROUPS}
        return {**unsaid, **stated}

    @model_serializer(mode="wrap")
    def _of_its_kind(self, serialize: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401
        """Its kind where it is not batch norm, and what that kind has."""
        return {
            name: each
            for name, each in serialize(self).items()
            if self.kind in OF_KINDS.get(name, KINDS)
            and (name, each) not in {("kind", "batch"), ("shift", True)}
        }


@data
class NormWord:
    """A norm by one of these kinds alone, or in keys and values; or true and false."""

    kinds: tuple[str, ...]
    flags: bool = False

    def check(self, value: Any, handler: "Callable[[Any], Any]") -> Any:  # noqa: ANN401
        """The norm, or the flag."""
        if self.flags and isinstance(value, bool):
            return value
        word = isinstance(value, str) and value in self.kinds
        if not word and not isinstance(value, dict | Norm):
            words = ", ".join([*(["true", "false"] if self.flags else []), *self.kinds])
            context = {"expected": f"one of {words}, or keys and values"}
            raise PydanticCustomError("kind", "expected {expected}", context)
        return handler({"kind": value} if word else value)

    def __get_pydantic_core_schema__(
        self, source: object, handler: "GetCoreSchemaHandler"
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            self.check, handler.generate_schema(Norm)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: "GetJsonSchemaHandler"
    ) -> dict[str, Any]:
        flags = [{"type": "boolean"}] if self.flags else []
        return {"anyOf": [*flags, {"enum": [*self.kinds]}, handler(schema)]}


def _flag_or_norm(value: Any) -> Any:  # noqa: ANN401 - a norm, or a flag
    return value if isinstance(value, bool) else value.model_dump(exclude_none=True)


NetworkNorm = Annotated[Norm, NormWord(KINDS)]
#: Of a line that is a norm alone.
OwnNorm = Annotated[Norm, NormWord(NORMS)]
#: Of a convolution; true: the network's own, false: none.
LineNorm = Annotated[
    Norm | bool, NormWord(NORMS, flags=True), PlainSerializer(_flag_or_norm)
]
