"""Check where outputs may go, before a model is trained or a row is read."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fsspec.utils import glob_translate

from steps.base.errors import StepError
from steps.base.places import check_apart
from steps.data.sources import local_path
from steps.scoring.quarantine import rejected_path
from steps.scoring.sinks import check_output

if TYPE_CHECKING:
    from steps.scoring.input_files import InputFile


def outputs(output: Path, *, quarantine: bool) -> tuple[Path, ...]:
    """Return all places that scoring writes to."""
    return (output, rejected_path(output)) if quarantine else (output,)


def check_outputs(places: Iterable[Path]) -> None:
    """Raise a StepError if something that is no table is in one of the places."""
    for place in places:
        check_output(place)


def check_apart_from_input(
    places: Iterable[Path], location: str, files: tuple[InputFile, ...]
) -> None:
    """Raise a StepError if an output is, holds or lies in an input, or the next run would read it.

    `location` is what the user asked for, `files` are the files at that location.
    """
    # `simplecache::file:///new.csv`: storage that is read through another one.
    named = [local_path(each) for each in location.split("::")]
    inputs = [path for path in named if path is not None and path.exists()]
    inputs += [Path(file.path) for file in files if file.is_local]
    for place in places:
        check_apart(place, inputs)
        if named[0] is not None and _matches(named[0], place):
            raise StepError(
                f"expected an output outside of the input, found that {place} is one of "
                f"{location}; choose another output"
            )


def _matches(pattern: Path, place: Path) -> bool:
    """Tell whether a glob matches a file, even one that does not exist yet."""
    parts = pattern.absolute().parts[1:]
    start = next((at for at, part in enumerate(parts) if glob.has_magic(part)), None)
    if start is None:
        return False
    plain = Path(pattern.absolute().anchor, *parts[:start]).resolve()
    whole = glob.escape(str(plain)) + "/" + "/".join(parts[start:])
    return re.match(glob_translate(whole), str(place.resolve())) is not None
