"""The package's one exception: a failure that the user can act on, in one line."""

from __future__ import annotations

FAILURE = 1
BAD_INPUT = 2


class AzureMLError(Exception):
    """A failure the user can act on.

    The message says what was expected, what was found, and what to do next. It never holds a
    secret. A program that ends with this error exits with `exit_code`.
    """

    def __init__(self, message: str, *, exit_code: int = BAD_INPUT) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UnreachableError(AzureMLError):
    """No answer came: it may come later."""
