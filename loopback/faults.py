"""What a test can make go wrong in the loopback workspace."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

# Where a fault applies: searched in "METHOD host/path".
TRACKING = r" \S+/mlflow/v2\.0/"
LOG_BATCH = r"POST \S+/mlflow/v2\.0/\S+/runs/log-batch$"
BLOB_UPLOAD = r"PUT \S+\.blob\."
LOGIN = r"POST login\."
ARM = r" management\."


@dataclass
class Fault:
    """An answer for the next requests that match; status 0 stands for the death of the service."""

    where: str
    status: int
    times: int
    after: int = 0
    retry_after: float | None = None
    code: str = "ServiceError"
    message: str = "A planned fault."
    late: bool = False
    """The request is carried out, and its answer is lost."""


class Faults:
    """The switches of one loopback workspace; may be turned from any thread."""

    def __init__(self, set_dead: Callable[[bool], None]) -> None:
        self._set_dead = set_dead
        self._planned: list[Fault] = []
        self.answered = 0
        """Requests that got a planned answer since the last `clear`."""
        self.token_lifetime = 3600.0
        """Seconds that tokens issued from now on are good for, job tokens included."""
        self.tokens_valid_from = 0.0
        self.refuse_secrets = False
        """AAD answers every client secret, the right one too, as an expired one."""

    def answer(
        self,
        status: int,
        where: str = TRACKING,
        *,
        times: int = 1,
        after: int = 0,
        retry_after: float | None = 1,
        code: str = "ServiceError",
        message: str = "A planned fault.",
    ) -> None:
        """Let `after` requests that match `where` through, then answer `times` with `status`."""
        self._planned.append(Fault(where, status, times, after, retry_after, code, message))

    def lose_answer(self, where: str) -> None:
        """Carry out the next request that matches `where`, then cut the connection."""
        self._planned.append(Fault(where, 503, 1, late=True))

    def die(self, where: str | None = None, *, after: int = 0) -> None:
        """Cut and refuse all connections: now, or after `after` requests that match `where`."""
        if where is None:
            self._set_dead(True)
        else:
            self._planned.append(Fault(where, 0, 1, after))

    def revive(self) -> None:
        """Take connections again; all other faults stay."""
        self._set_dead(False)

    def revoke_tokens(self) -> None:
        """Invalidate every token issued so far; a client that logs in again can go on."""
        self.tokens_valid_from = time.time()

    def clear(self) -> None:
        """Clear all faults."""
        self._planned.clear()
        self.answered = 0
        self.token_lifetime = 3600.0
        self.tokens_valid_from = 0.0
        self.refuse_secrets = False
        self._set_dead(False)

    def take(self, request: str) -> Fault | None:
        """Return the fault planned for this request, counting it, and carry out a planned death."""
        for fault in self._planned:
            if fault.times > 0 and re.search(fault.where, request):
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                self.answered += 1
                if fault.status == 0:
                    self._set_dead(True)
                return fault
        return None
