"""The language of spec files: models, loading, dumping, the schema, built-ins."""
