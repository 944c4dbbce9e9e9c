"""Tests of `effscale.spec`."""
