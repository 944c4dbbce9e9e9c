"""torch.export, without the stack traces that each operator was called from."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch.fx import config

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without_stack_traces() -> Iterator[None]:
    """Note none: a file would have paths of this machine, and they take a while."""
    before = getattr(config, "do_not_emit_stack_traces", False)
    config.do_not_emit_stack_traces = True
    try:
        yield
    finally:
        config.do_not_emit_stack_traces = before
