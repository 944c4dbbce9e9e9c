"""Tests of `effscale.cli`."""
