"""What a YAML file says: models, loading with line and column, dumping, built-ins."""
