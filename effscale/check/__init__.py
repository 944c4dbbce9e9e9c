"""Rules that spec files are held to, what breaks them, and how that is mended."""
