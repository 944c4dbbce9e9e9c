"""Rows of plain data, and the formats that show them: the only room with rich."""
