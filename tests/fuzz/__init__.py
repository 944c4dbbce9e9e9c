"""Mutated specs, sent down the whole road that a spec can go."""
