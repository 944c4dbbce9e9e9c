"""Tests of `effscale.search`."""
