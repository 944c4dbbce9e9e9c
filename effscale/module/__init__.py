"""Networks as torch modules: the only room that imports torch."""
