"""Networks as torch modules: built, measured, timed and exported."""
