"""Networks grown from a spec: multipliers, rounding, strategies, variants."""
