"""What names a network, or a family of them, on the command line."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from effscale.errors import did_you_mean


class SpecReference(click.ParamType[str]):
    """A spec: a file, `-`, or a built-in name; completed from both."""

    name = "spec"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Built-in names that fit, then whatever files do."""
        del ctx, param
        from effscale.spec.builtin import names

        found = [CompletionItem(n) for n in names() if n.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type="file")]


class Family(click.ParamType[str]):
    """A family of built-in networks."""

    name = "family"

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """`value`, if there is such a family."""
        from effscale.spec.builtin import families

        if value not in families():
            listed = ", ".join(families())
            hint = did_you_mean(value, list(families()))
            self.fail(f"expected one of {listed}, got {value!r}{hint}", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Those that fit."""
        del ctx, param
        from effscale.spec.builtin import families

        return [CompletionItem(n) for n in families() if n.startswith(incomplete)]


FAMILY = Family()


class SpecOrFamily(SpecReference):
    """A spec, or a family of those that are built in; completed from all of them."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Families that fit, then what any spec is completed from."""
        specs = super().shell_complete(ctx, param, incomplete)
        known = {item.value for item in specs}
        families = FAMILY.shell_complete(ctx, param, incomplete)
        return [*(item for item in families if item.value not in known), *specs]
