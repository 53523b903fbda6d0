"""Step 2: word vectors: their files, training them, looking tags up."""
