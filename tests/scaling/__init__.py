"""Tests of `effscale.scaling`."""
