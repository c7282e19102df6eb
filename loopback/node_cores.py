"""What a node of a job may use of this machine: cores of its own, or a share of one core's time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

# Short, or a node that has used its share would leave its peers waiting for an answer.
_PERIOD = 10_000
_ROOT = Path("/sys/fs/cgroup")


def command_prefix(place: int, cores: float) -> list[str]:
    """Return the program that runs the command of the node at a place within its cores.

    A whole number of cores are the node's own, as far as this machine has enough. Less than one is
    a share of one core's time, which leaves the rest to what serves the nodes. Raises OSError if
    this process may not make a control group.
    """
    own = sorted(os.sched_getaffinity(0))
    count = max(1, int(cores))
    first = place * count
    numbers = [str(own[each % len(own)]) for each in range(first, first + count)]
    pin = ["taskset", "-c", ",".join(numbers)]
    if cores >= 1:
        return pin
    # The shell joins the group and becomes the command.
    join = 'echo $$ > "$0" && exec "$@"'
    return [*pin, "/bin/sh", "-c", join, str(_limited_group(place, cores) / "cgroup.procs")]


def remove_groups() -> None:
    """Remove the control groups of this process's nodes, which have ended."""
    for place in (_ROOT / "cpu", _ROOT):
        for group in place.glob(f"loopback-{os.getpid()}-*"):
            with suppress(OSError):
                group.rmdir()


def _limited_group(place: int, share: float) -> Path:
    first_version = (_ROOT / "cpu" / "cpu.cfs_quota_us").exists()
    group = (_ROOT / "cpu" if first_version else _ROOT) / f"loopback-{os.getpid()}-{place}"
    group.mkdir(exist_ok=True)
    quota = int(share * _PERIOD)
    if first_version:
        (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(quota))
    else:
        (group / "cpu.max").write_text(f"{quota} {_PERIOD}")
    return group
