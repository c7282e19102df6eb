"""Kill steps with SIGKILL at random moments; used by test_faults.py, and by hand with more kills.

    MLFLOW_TRACKING_URI=… MLFLOW_EXPERIMENT_NAME=… python -m tests.end_to_end.faults 50 <seed>

Each step runs in a fork of this process, which has done the imports: the kills hit the work.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback

from steps.cli import launch
from steps.store.chain import load

STEPS = ("preprocess", "train", "batch_score", "main")
SMALL = ["--n_estimators=1,2", "--max_depth=2"]


def arguments(step: str) -> list[str]:
    """Return the command line of a step that takes about two seconds."""
    return SMALL if step in ("train", "main") else []


def undisturbed(step: str) -> float:
    """Run a step to its end, in a fork; give the seconds that it took."""
    started = time.monotonic()
    _, status = os.waitpid(_fork(step), 0)
    code = os.waitstatus_to_exitcode(status)
    assert code == 0, f"{step} ended with {code}"
    return time.monotonic() - started


def kill_one(step: str, after: float) -> bool:
    """Start a step and kill it after some seconds; tell whether it was still at work."""
    child = _fork(step)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _fork(step: str) -> int:
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = launch(load(step), arguments(step))
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stdout.flush()
            os._exit(code)
    return child


def main(kills: int, seed: int) -> None:
    """Kill steps until `kills` kills have hit; then run each step once more, undisturbed."""
    chance = random.Random(seed)
    hit = 0
    while hit < kills:
        step = STEPS[hit % len(STEPS)]
        hit += kill_one(step, chance.uniform(0.02, 2.5))
    for step in STEPS:
        undisturbed(step)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
