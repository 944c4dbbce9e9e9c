"""Tests of `effscale.network`."""
