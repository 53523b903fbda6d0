"""Step 0: which tags stay, how they are called, their categories."""
