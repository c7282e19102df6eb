"""Code in a process that may not write anywhere, as root may."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import PROJECT

NOBODY = 65534
# After the imports: nobody may not be allowed to read the packages of root.
DROP = f"""
import os
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
"""


@contextmanager
def read_only_folder() -> Iterator[Path]:
    """Make a folder that others see, unlike pytest's own, and in which nobody may write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


def run_unprivileged(
    imports: str, code: str, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run code after its imports, as a user who owns nothing, in a folder."""
    return subprocess.run(
        [sys.executable, "-c", imports + DROP + code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
