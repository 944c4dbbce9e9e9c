"""Rules for spec files, the findings by them, and the fixes of those."""
