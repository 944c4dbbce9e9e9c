"""Tests of `effscale.module.train`."""
