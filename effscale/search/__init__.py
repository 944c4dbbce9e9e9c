"""Searches over many networks: grids, fits, sweeps, and why a target is missed."""
