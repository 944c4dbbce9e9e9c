"""Networks beside each other: side by side, part by part, and in the papers' tables."""
