"""Order, bounded memory, and the first failure."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steps.base.errors import FAILURE, StepError
from steps.scoring import stream
from steps.scoring.predictor import Predictor
from steps.scoring.quarantine import BadRows
from steps.scoring.rows import Predicted, Rows, Selection
from tests.scoring.conftest import SCHEMA

SELECTION = Selection(SCHEMA, (), None)


@dataclass(frozen=True)
class Numbered:
    """A chunk of one row that takes its time."""

    number: int
    file: str = "t.csv"

    def decode(self, selection: Selection) -> Rows:
        time.sleep(random.Random(self.number).random() / 200)
        if self.number == 50:
            raise OSError("chunk 50")
        if self.number == 51:
            raise OSError("chunk 51")
        return Rows([np.array([float(self.number)])], None, None, None, 1)


class Half(Predictor):
    def __init__(self) -> None:
        pass

    def predict(self, features: Any) -> Predicted:
        # Some probability: a thousandth of the row's number.
        output = np.stack([features[0], features[0]], axis=1) / 1000
        return Predicted(output, np.zeros(len(output), dtype=np.intp))


class Collecting:
    path = Path("nowhere")

    def __init__(self) -> None:
        self.written: list[int] = []

    def encode(self, rows: Rows, predicted: object) -> int:
        return int(rows.features[0][0])

    def write(self, encoded: int) -> int:
        self.written.append(encoded)
        return 1


SCORER = stream.Scorer(Half(), SELECTION, None)


def run(chunks: Iterable[Numbered], sink: Collecting) -> stream.Totals:
    return stream.score(chunks, SCORER, sink, BadRows(), lambda _: None, workers=4)


def test_order_and_bound() -> None:
    sink, read, most = Collecting(), 0, 0

    def chunks() -> Iterator[Numbered]:
        nonlocal read, most
        for number in range(100, 300):
            read += 1
            most = max(most, read - len(sink.written))
            yield Numbered(number)

    totals = run(chunks(), sink)
    assert sink.written == list(range(100, 300))
    assert totals.written == 200
    assert most <= 4 + 2 + 2


def test_first_failure_in_the_order_of_rows() -> None:
    sink = Collecting()
    chunks = (Numbered(number) for number in range(40, 10**9))
    with pytest.raises(OSError, match="chunk 50"):
        stream.score(
            chunks,
            stream.Scorer(Half(), SELECTION, None),
            sink,
            BadRows(),
            lambda _: None,
            workers=4,
        )
    assert sink.written[:10] == list(range(40, 50))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("predict")]


def test_a_lost_row_is_noticed() -> None:
    class Losing(Collecting):
        def write(self, encoded: int) -> int:
            return 0

    with pytest.raises(
        StepError, match=r"all 1 good rows of .*t\.csv to be written, found 0"
    ) as raised:
        run([Numbered(1)], Losing())
    assert raised.value.exit_code == FAILURE
