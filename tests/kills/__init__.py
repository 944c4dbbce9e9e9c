"""What commands leave behind that are killed while they write, or run out of disk."""
