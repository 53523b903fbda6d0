"""Step 3: listening data and its collaborative-filtering vectors."""
