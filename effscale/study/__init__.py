"""Studies: candidates evaluated by a command, anywhere, each just once."""
