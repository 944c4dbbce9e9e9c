"""Tests of `effscale.check`."""
