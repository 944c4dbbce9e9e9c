"""A spec as layers: the vocabulary, the blocks, and how stages become a network."""
