"""The dataset directory: its files, opening and checking it, its mel store."""
