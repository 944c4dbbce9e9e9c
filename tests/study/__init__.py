"""Tests of `effscale.report`."""
