"""Studies of candidates by accuracy, each evaluated once by a command, anywhere."""
