"""Networks of other code as specs: traced, read, put into lines, and proved equal."""
