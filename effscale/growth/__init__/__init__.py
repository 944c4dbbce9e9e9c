"""Spec to spec: multipliers, rounding rules, strategies, published variants."""
