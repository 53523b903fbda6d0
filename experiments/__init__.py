"""The paper's experiments, one command each."""

import interrupts  # noqa: F401 - before what takes long
