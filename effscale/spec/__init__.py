"""The language of spec files: models, loading with line and column, built-ins."""
