"""Encoders that others have trained: their weights, read as data, and their networks."""
