"""The kind of feature a column makes, decided from its type and values alone.

- A column of booleans is a boolean, a categorical one of numbers is a category.
- Text, categorical or not, is what it spells: yes and no (see `features.PAIRS`), numbers, ISO
  dates. If at least nine in ten values are numbers (dates), but not all, and the others are at
  most `MOST_ODD` different texts, these mean "missing". Any other text is a category.
- A column is dropped if it is empty or constant, a category whose texts are nearly all different
  (identifiers, names, free text), or a column without a name that numbers the rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.base.errors import StepError
from steps.base.parsers import asking
from steps.data import dates, decisions, features, texts, values
from steps.data.decisions import BOOLEAN, CATEGORY, DATE, DROPPED, NUMBER
from steps.data.texts import encode, is_text, short
from steps.data.values import TextRules

MOSTLY = 0.9
MOST_ODD = 10
# A category's texts are known to the model one by one.
MOST_CATEGORIES = 100_000
# What pandas and R call the column that they number rows with.
INDEX_NAMES = re.compile(r"|Unnamed: \d+|rownames|__index_level_\d+__|\.\.\.1|X\.?1?", re.ASCII)
# What may be a number; only parsing tells for sure.
_NUMERIC = (
    f"^[+-]?{texts.BEFORE}[0-9.,][0-9.,'\u2019 \u00a0\u202f]*([eE][+-]?[0-9]+)?{texts.AFTER}$"
    "|^[+-]?(?i:inf|infinity|nan)$|^(?i:true|false)$"
)
# Fewer rows may look numbered by chance.
COUNTED_ROWS = 20


@dataclass(frozen=True)
class Kind:
    """What a column is; `parts` are those of a date, `problem` is what the user must settle.

    `odd` are texts that fit none of its other values, and are missing values from here on.
    """

    decision: decisions.Decision
    parts: tuple[str, ...] = ()
    problem: str = ""
    counts_rows: bool = False
    odd: tuple[str, ...] = ()


def decide(column: pa.ChunkedArray, name: str, rules: TextRules) -> Kind:
    """Decide what a column is; text may be given as a dictionary (see `as_dictionary`)."""
    kind = column.type
    if column.null_count == len(column):
        return _dropped(name, "empty")
    if pa.types.is_boolean(kind):
        return _of_numbers(values.as_floats(column), name, BOOLEAN, _missing(column.null_count))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _of_times(column, name, rules, _missing(column.null_count))
    if is_text(kind):
        return _TextColumn.of(as_dictionary(column), name, rules).decide()
    if pa.types.is_dictionary(kind) and features.holds_categories(kind):
        return _TextColumn.of(as_dictionary(features.as_text(column)), name, rules).as_category()
    if not values.holds_numbers(kind):
        return _dropped(
            name, f"{kind} is no number, text or date; to learn from it, write columns of these"
        )
    floats, wrong = values.numbers(column, name, rules)
    odd = np.unique(floats[list(wrong)]).tolist()
    if len(odd) > MOST_ODD:
        row = min(wrong)
        return Kind(
            decisions.Decision(name, NUMBER),
            problem=f"{wrong[row]} in data row {row + 1} and in {len(wrong) - 1:,} more "
            f"({asking('drop', [name])} leaves it out)",
        )
    # Infinite numbers, or those too large for the forest.
    floats = np.where(np.isin(floats, odd), np.nan, floats) if odd else floats
    codes = f" ({', '.join(map(str, odd))})" if odd else ""
    unit = "in seconds" if values.is_span(kind) else ""
    note = ", ".join(filter(None, (unit, _missing(int(np.isnan(floats).sum()), codes))))
    return replace(_of_numbers(floats, name, NUMBER, note), odd=tuple(map(str, odd)))


def as_dictionary(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Encode text once: later code works on the distinct texts only."""
    kind = column.type
    if pa.types.is_dictionary(kind) or not is_text(kind):
        return column
    return pa.chunked_array([texts.as_dictionary(column)])


def _dropped(name: str, why: str) -> Kind:
    return Kind(decisions.Decision(name, DROPPED, why))


def _missing(rows: int, codes: str = "") -> str:
    return f"{rows:,} missing{codes}" if rows else ""


def _of_numbers(floats: np.ndarray, name: str, kind: str, note: str) -> Kind:
    present = floats[~np.isnan(floats)]
    if not len(present):
        return _dropped(name, "empty")
    low, high = present.min(), present.max()
    if low == high and len(present) == len(floats):
        return _dropped(name, f"always {low:g}")
    counts_rows = False
    if len(present) == len(floats) and _is_whole(present):
        if INDEX_NAMES.fullmatch(name) and len(np.unique(present)) == len(present):
            return _dropped(name, "it only numbers the rows")
        counts_rows = len(present) >= COUNTED_ROWS and _counts(present, low, high)
    return Kind(decisions.Decision(name, kind, note), counts_rows=counts_rows)


def _is_whole(present: np.ndarray) -> bool:
    return bool(np.array_equal(present, np.floor(present)))


def _counts(present: np.ndarray, low: float, high: float) -> bool:
    """Check whether whole numbers are consecutive and distinct, in any order."""
    if high - low != len(present) - 1:
        return False
    seen = np.zeros(len(present), dtype=bool)
    seen[(present - low).astype(np.int64)] = True
    return bool(seen.all())


def _of_times(column: pa.ChunkedArray, name: str, rules: TextRules, note: str) -> Kind:
    try:
        times, _ = dates.read_dates(column, name, rules)
    except StepError as error:
        leave_out = f"({asking('drop', [name])} leaves it out)"
        return Kind(decisions.Decision(name, DATE), problem=f"{error} {leave_out}")
    parts = dates.useful_parts(times)
    if not parts:
        only = pc.strftime(times.drop_null()[:1], "%Y-%m-%d")[0]
        return _dropped(name, f"always {only}")
    told = ", ".join(filter(None, (f"read as {', '.join(parts)}", note)))
    return Kind(decisions.Decision(name, DATE, told), parts=parts)


@dataclass(frozen=True)
class _TextColumn:
    """The different texts of a column, how many rows have each, and which mean "missing"."""

    column: pa.ChunkedArray
    name: str
    rules: TextRules
    codes: np.ndarray
    texts: pa.Array
    counts: np.ndarray
    missing: np.ndarray

    @classmethod
    def of(cls, column: pa.ChunkedArray, name: str, rules: TextRules) -> _TextColumn:
        codes, texts = encode(column)
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        missing = pc.is_in(texts, pa.array(rules.missing)).to_numpy(zero_copy_only=False)
        return cls(column, name, rules, codes, texts, counts, missing)

    @property
    def present(self) -> int:
        return int(self.counts[~self.missing].sum())

    @property
    def missing_note(self) -> str:
        codes = [
            repr(code)
            for code, count in zip(
                self.texts.filter(pa.array(self.missing)).to_pylist(),
                self.counts[self.missing],
                strict=True,
            )
            if count and code
        ]
        # `texts` are trimmed, so blank cells survive only in the raw column.
        raw = self.column.chunk(0).dictionary
        blank = raw.filter(pc.match_substring_regex(raw, r"^\s+$"))
        codes += [repr(text) for text in blank[:1].to_pylist()]
        shown = f" ({', '.join(codes[:5])})" if codes else ""
        return _missing(len(self.codes) - self.present, shown)

    def decide(self) -> Kind:
        present = self.texts.filter(pa.array(~self.missing))
        if not self.present:
            return _dropped(self.name, "empty")
        if len(present) == 1 and self.present == len(self.codes):
            return _dropped(self.name, f"always {short(present[0].as_py())!r}")
        if len(present) == 2 and {text.lower() for text in present.to_pylist()} in map(
            set, features.PAIRS
        ):
            return Kind(decisions.Decision(self.name, BOOLEAN, self.missing_note))
        return self._number() or self._date() or self.as_category()

    def _share(self, fits: np.ndarray) -> float:
        return float(self.counts[fits & ~self.missing].sum() / self.present)

    def _number(self) -> Kind | None:
        seems = pc.match_substring_regex(self.texts, _NUMERIC).to_numpy(zero_copy_only=False)
        if self._share(seems) < MOSTLY:
            return None
        floats, wrong = values.number_texts(self.texts, self.name, self.rules)
        if wrong:
            return self._odd(wrong)
        return _of_numbers(
            np.append(floats, np.nan)[self.codes], self.name, NUMBER, self.missing_note
        )

    def _date(self) -> Kind | None:
        seems = pc.match_substring_regex(self.texts, r"^\d{4}-\d\d-\d\d")
        if self._share(seems.to_numpy(zero_copy_only=False)) < MOSTLY:
            return None
        _, wrong = dates.date_texts(self.texts, self.name, self.rules)
        if wrong:
            return self._odd(wrong)
        return _of_times(self.column, self.name, self.rules, self.missing_note)

    def _odd(self, wrong: dict[int, str]) -> Kind | None:
        """Take the few texts that do not fit as missing; None if there are many."""
        fits = np.ones(len(self.texts), dtype=bool)
        fits[list(wrong)] = False
        if len(wrong) > MOST_ODD or self._share(fits) < MOSTLY:
            return None
        odd = tuple(self.texts[position].as_py() for position in wrong)
        rules = replace(self.rules, missing=(*self.rules.missing, *odd))
        return replace(_TextColumn.of(self.column, self.name, rules).decide(), odd=odd)

    def as_category(self) -> Kind:
        different = int(np.count_nonzero(self.counts[~self.missing]))
        if different > MOST_CATEGORIES or different > MOSTLY * self.present:
            note = f"{different:,} different texts in {self.present:,} rows"
            return _dropped(self.name, note)
        note = f"{different:,} {'value' if different == 1 else 'values'}"
        told = ", ".join(filter(None, (note, self.missing_note)))
        return Kind(decisions.Decision(self.name, CATEGORY, told))
