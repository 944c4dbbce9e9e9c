"""Tests of `effscale.growth`."""
