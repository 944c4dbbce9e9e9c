"""Training: data, recipe, loop and checkpoints."""
