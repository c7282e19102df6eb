"""Names of runs: the step, and what sets this run of it apart.

`train: max_depth=3`, `batch_score: new.csv`. Parameters at their defaults are not named.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath

from mlflow.utils import name_utils

from steps.base import parameters
from steps.base.secrets import masked
from steps.data.sources import without_secrets

# The tag that holds it.
NAME = "mlflow.runName"
LONGEST, LONGEST_VALUE = 100, 32


def run_name(
    step: str, kind: type[parameters.Dataclass], texts: Mapping[str, str], subject: str = ""
) -> str:
    """Name a run of a step with these parameter texts, in at most 100 characters.

    The file that the parameter `subject` names comes first, by its name alone. Of the others only
    those that change the result are named. There is no secret in it.
    """
    default = parameters.defaults(kind)
    deciding = parameters.names(kind, in_key=True)
    differing = {
        name: masked(text)
        for name, text in texts.items()
        if text != default[name] and (name in deciding or name == subject)
    }
    words = [_file_name(differing.pop(subject))] if subject in differing else []
    words += [f"{name}={_cut(text, LONGEST_VALUE)}" for name, text in differing.items()]
    return _cut(f"{step}: {', '.join(words)}" if words else step, LONGEST)


def is_generated(name: str) -> bool:
    """Tell whether a run has the name that MLflow gives if nobody else does: `calm-hog-12`."""
    # mlflow 3.15 keeps these words private; its own names differ from all others by them only.
    predicate, _, rest = name.partition("-")
    noun, _, number = rest.partition("-")
    return (
        predicate in name_utils._GENERATOR_PREDICATES
        and noun in name_utils._GENERATOR_NOUNS
        and number.isdecimal()
    )


def _file_name(location: str) -> str:
    return _cut(PurePath(without_secrets(location)).name or location, LONGEST_VALUE)


def _cut(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
