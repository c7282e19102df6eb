"""Parameters that several steps share, each declared once."""

from __future__ import annotations

from steps.base import dask_cluster
from steps.base.parameters import parameter
from steps.base.parsers import AUTO, NONE, integer
from steps.data import tables
from steps.data.sources import location


def workspace() -> str:
    """Declare which Azure ML workspace to log to."""
    return parameter(
        location,
        AUTO,
        "Azure ML workspace: `auto` (a `config.json`, if there is one), `none` (stay local), or "
        "a path to one",
        in_key=False,
    )


def seed() -> int:
    """Declare the seed of everything random."""
    return parameter(
        integer(0, 2**32 - 1),
        "42",
        "seed of the split, of the forest, of a random search and of the intervals",
    )


def scheduler() -> str | None:
    """Declare the Dask scheduler to work on."""
    return parameter(
        dask_cluster.scheduler,
        NONE,
        "Dask scheduler to work on: `none`, `auto` (that of a job of several nodes), `local`, or "
        "`tls://host:port` (`tcp://` only in a network that you trust)",
        in_key=False,
    )


def delimiter_of_new_rows() -> str | None:
    """Declare what separates the columns of an input to score; None is `auto`."""
    return parameter(
        _delimiter_or_auto,
        AUTO,
        "of a CSV input: `auto` is that of the training data; a character, or `tab`",
    )


def _delimiter_or_auto(value: str) -> str | None:
    return None if value == AUTO else tables.delimiter(value)
