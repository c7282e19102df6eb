"""The package's one exception: a failure that the user can act on, in one line."""

from __future__ import annotations

FAILURE = 1
BAD_INPUT = 2


class AzureMLError(Exception):
    """A failure the user can act on.

    The message says what was expected, what was found, and what to do next. It never holds a
    secret. `exit_code` is that of a program that ends with it.
    """

    def __init__(self, message: str, *, exit_code: int = BAD_INPUT) -> None:
        super().__init__(message)
        self.exit_code = exit_code
