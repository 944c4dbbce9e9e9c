"""Step 1 by accuracy: candidates evaluated by a command, anywhere, each just once."""
