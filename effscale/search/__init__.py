"""Searches over many networks: grids, fits, sweeps, and why a budget is missed."""
