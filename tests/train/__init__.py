"""Tests of `effscale.train`."""
