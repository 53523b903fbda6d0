"""The work behind retrieve.py, a module a topic."""
