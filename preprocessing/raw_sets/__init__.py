"""Step 0: a reader for each raw data set, and what they have in common."""
