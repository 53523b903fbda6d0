"""The demo data set: music, listeners and text, all generated."""
