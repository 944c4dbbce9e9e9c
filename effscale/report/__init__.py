"""Answers of commands: rows, tables, pictures, and the formats that show them."""
