"""What a user can put right."""


class UserError(Exception):
    """Something the user can put right; its text says what is wrong, where, and the way out."""


def one_line(error: Exception) -> str:
    """What another library's error says, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
