"""Tests of `effscale.compare`."""
