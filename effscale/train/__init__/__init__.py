"""Training a built network: data, draws, schedule, checkpoints, and the loop."""
