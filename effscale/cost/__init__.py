"""What a network costs, by arithmetic, for one network or for arrays of candidates."""
