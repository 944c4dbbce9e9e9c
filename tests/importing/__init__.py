"""Networks of other code as specs."""
