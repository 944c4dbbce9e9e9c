"""The operators of the language, a file for each family."""
