"""Training of built networks: data, recipe, loop and checkpoints."""
