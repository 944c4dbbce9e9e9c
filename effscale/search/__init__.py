"""Questions over several counts: why a variant misses its budget, what is near."""
