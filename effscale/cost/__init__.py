"""Costs of networks by arithmetic: counts, memory, and what other tools count."""
