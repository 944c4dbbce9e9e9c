"""Tests mirror the package: a file a module, in the same order."""
