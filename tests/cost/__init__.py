"""Tests of `effscale.cost`."""
