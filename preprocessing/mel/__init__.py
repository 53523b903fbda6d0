"""Step 4: audio to mel spectrograms, and the store that they are written to."""
