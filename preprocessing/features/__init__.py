"""Step 5: vectors of the songs by an encoder that others have trained."""
