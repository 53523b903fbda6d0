"""What a user can put right, and names as they can be told to a user."""

import re

# control characters, ends of lines, what turns the direction of writing, bytes that are no UTF-8
_STEERS = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
MOST_SAID = 300  # letters of what another library says


class UserError(Exception):
    """Something the user can put right; its text says what is wrong, where, and the way out."""


def one_line(error: Exception) -> str:
    """What another library's error says, on one line; of a page of it the beginning."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return said if len(said) <= MOST_SAID else f"{said[:MOST_SAID]} …"


def shown(name: str) -> str:
    """A name on one line, with what would steer a terminal as Python escapes it."""
    return _STEERS.sub(lambda found: found[0].encode("unicode_escape").decode(), name)
