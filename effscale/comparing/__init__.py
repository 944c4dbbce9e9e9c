"""Comparisons of networks: side by side, part by part, and in the papers' tables."""
