"""Help in groups: options under the headings of what they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

NETWORK, OUTPUT = "Network", "Output"


def titled(title: str) -> Callable[[F], F]:
    """The heading in --help of the options below it that have none of their own."""

    def decorate(command: F) -> F:
        for each in getattr(command, "__click_params__", ()):
            if isinstance(each, click.Option) and not hasattr(each, "title"):
                each.title = title  # type: ignore[attr-defined]
        return command

    return decorate


def under(title: str, options: Callable[[F], F]) -> Callable[[F], F]:
    """Options that stand under a heading in whatever command has them."""

    def decorate(command: F) -> F:
        before = len(getattr(command, "__click_params__", ()))
        command = options(command)
        for each in command.__click_params__[before:]:  # type: ignore[attr-defined]
            if isinstance(each, click.Option) and not hasattr(each, "title"):
                each.title = title  # type: ignore[attr-defined]
        return command

    return decorate


class Command(click.Command):
    """A command whose --help has its options under their headings, output last."""

    def get_help(self, ctx: click.Context) -> str:
        """Its help, laid out by cloup, which nothing but help needs."""
        import cloup

        groups: dict[str, cloup.OptionGroup] = {}
        for each in self.params:
            if title := getattr(each, "title", ""):
                group = groups.setdefault(title, cloup.OptionGroup(title))
                each.group = group  # type: ignore[attr-defined]
        params = sorted(
            self.params, key=lambda each: getattr(each, "title", "") == OUTPUT
        )
        ctx.formatter_class = cloup.HelpFormatter
        grouped = cloup.Command(self.name, params=params, help=self.help)
        return grouped.get_help(ctx)
