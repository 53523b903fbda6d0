"""Step 1: which tags and songs, and the split into train, valid and test."""
