"""Speed: one script a topic, each prints a table; see README.md beside this file."""

import interrupts  # noqa: F401 - before what takes long
