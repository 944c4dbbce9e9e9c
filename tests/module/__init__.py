"""Tests of `effscale.module`."""
