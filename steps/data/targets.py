"""What to predict, classes or numbers, decided from the target's values.

With `task=auto`, text and booleans are classes, and so are whole numbers with at most
`MOST_WHOLE` different values, none in a single row and most in `FEW_ROWS` or more, or with two
values. All other numbers are predicted as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steps.base.errors import StepError
from steps.data import values
from steps.data.schema import Label
from steps.data.texts import BOOLEANS, LARGEST, is_text
from steps.data.values import TextRules

AUTO, CLASSIFICATION, REGRESSION = "auto", "classification", "regression"
TASKS = (AUTO, CLASSIFICATION, REGRESSION)
MOST_WHOLE = 20
FEW_ROWS = 4
MOST_CLASSES = 200


@dataclass(frozen=True)
class Target:
    """The target's values: int64, bool or string labels of `classes`, or float64 (no classes).

    `present` marks the rows that have a value; `labels` holds those rows only. `notes` and
    `warnings` tell what was decided, and what to look at.
    """

    labels: pa.Array
    classes: tuple[Label, ...]
    present: np.ndarray
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_target(
    column: pa.ChunkedArray,
    name: str,
    rules: TextRules,
    task: str = AUTO,
    positive: str = AUTO,
) -> Target:
    """Read the target as `task` says, or as its values suggest; `positive` names a class.

    Raises a StepError if the target cannot be predicted that way.
    """
    _check_type(column.type, name)
    found = _with_nulls(column, name, rules)
    present = found.is_valid().to_numpy(zero_copy_only=False)
    if not present.any():
        raise StepError(f"expected values of target {name}, found none in any row")
    labels = _measured(found.drop_null(), name, rules, task)
    without = int(len(present) - present.sum())
    notes = [f"{without:,} rows without {name} are left out"] if without else []
    if task == REGRESSION or (task == AUTO and _is_to_be_measured(labels)):
        labels = _numbers(labels, name)
        if task == AUTO:
            different = len(np.unique(labels.to_numpy()))
            notes.append(
                f"{name} is predicted as a number, {different:,} different values "
                "(-P task=classification takes them for classes)"
            )
        return Target(labels, (), present, tuple(notes))
    labels = _labels(labels, name)
    classes, told = _ordered(sorted(pc.unique(labels).to_pylist()), name, positive)
    return Target(labels, classes, present, (*notes, *told), _look_alike(classes, name))


def _check_type(kind: pa.DataType, name: str) -> None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        found, instead = f"dates ({kind})", "a number of days or a class"
    elif values.is_span(kind):
        found, instead = f"times ({kind})", "a number of seconds or a class"
    elif values.holds_numbers(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return
    else:
        found, instead = str(kind), "a number or a class"
    raise StepError(
        f"expected classes or numbers in target {name}, found {found}; choose another target, or "
        f"write {instead} instead"
    )


def _with_nulls(column: pa.ChunkedArray, name: str, rules: TextRules) -> pa.Array:
    """Return booleans, numbers or trimmed text, with null where there is no value."""
    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if pa.types.is_decimal(kind):
        column, is_number = column.cast(pa.float64()), True
    if not (is_number or pa.types.is_boolean(kind)):
        column = _without_codes(values.label_texts(column, str), rules)
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if is_number:
        missing = array.is_null(nan_is_null=True)
        if rules.missing_numbers:
            floats = values.as_floats(array)
            missing = pc.or_(missing, pa.array(np.isin(floats, rules.missing_numbers)))
        array = pc.if_else(missing, None, array)
    return array


def _without_codes(texts: pa.ChunkedArray, rules: TextRules) -> pa.ChunkedArray:
    """Treat NA and the like as a missing label, unless fewer than two classes would remain."""
    is_code = pc.is_in(texts, pa.array(rules.missing))
    without = pc.if_else(is_code, None, texts)
    return without if len(pc.unique(without.drop_null())) >= 2 else texts


def _is_to_be_measured(labels: pa.Array) -> bool:
    if is_text(labels.type) or pa.types.is_boolean(labels.type):
        return False
    floats = values.as_floats(labels)
    if not _is_whole(floats).all():
        return True
    different, rows = np.unique(floats, return_counts=True)
    # Counts of events have rare values too; a class has more than one row.
    are_rare = bool(rows.min() == 1 or np.median(rows) < FEW_ROWS)
    return len(different) > MOST_WHOLE or (len(different) > 2 and are_rare)


def _measured(labels: pa.Array, name: str, rules: TextRules, task: str) -> pa.Array:
    """Turn text into the numbers that it spells, if these are what is to be predicted."""
    if task == CLASSIFICATION or not is_text(labels.type):
        return labels
    floats, wrong = values.numbers(labels, name, rules)
    are_booleans = pc.any(pc.is_in(labels, pa.array(list(BOOLEANS)))).as_py()
    if wrong or are_booleans or np.isnan(floats).any():
        return labels
    spelled = pa.array(floats)
    return spelled if task == REGRESSION or _is_to_be_measured(spelled) else labels


def _is_whole(floats: np.ndarray) -> np.ndarray:
    # From 2**53 up, floats do not hold every whole number exactly.
    whole: np.ndarray = (floats == np.round(floats)) & (np.abs(floats) < 2**53)
    return whole


def _numbers(labels: pa.Array, name: str) -> pa.Array:
    if is_text(labels.type) or pa.types.is_boolean(labels.type):
        raise StepError(
            f"expected numbers in target {name}, found {_some(pc.unique(labels).to_pylist())}; "
            "leave out -P task=regression to predict classes"
        )
    floats = values.as_floats(labels)
    if not values.fits(floats):
        worst = floats[np.argmax(np.abs(floats))]
        raise StepError(
            f"expected finite numbers up to {LARGEST:.2g} in target {name}, found {worst}; "
            "leave its row out"
        )
    if floats.min() == floats.max():
        raise StepError(
            f"expected more than one value of target {name}, found {floats[0]:g} in each row"
        )
    return pa.array(floats)


def _labels(labels: pa.Array, name: str) -> pa.Array:
    if not (pa.types.is_floating(labels.type) or pa.types.is_uint64(labels.type)):
        is_integer = pa.types.is_integer(labels.type)
        return labels.cast(pa.int64()) if is_integer else labels
    floats = values.as_floats(labels)
    whole = _is_whole(floats)
    if not whole.all():
        raise StepError(
            f"expected whole numbers, text or booleans as classes of target {name}, found numbers "
            f"such as {floats[~whole][0]}; predict them as numbers (-P task=regression)"
        )
    return pa.array(floats.astype(np.int64))


def _ordered(
    classes: list[Label], name: str, positive: str
) -> tuple[tuple[Label, ...], tuple[str, ...]]:
    """Check the classes; of two, the positive one is the last."""
    if len(classes) < 2:
        raise StepError(
            f"expected at least two classes in target {name}, found {len(classes)}: "
            f"{_some(classes)}"
        )
    if len(classes) > MOST_CLASSES:
        raise StepError(
            f"expected at most {MOST_CLASSES} classes in target {name}, found {len(classes):,}: "
            f"{_some(classes)}; merge rare ones, or choose another target"
        )
    if len(classes) > 2:
        if positive != AUTO:
            raise StepError(
                f"parameter positive: expected two classes in target {name}, found "
                f"{len(classes)}; leave it out"
            )
        return tuple(classes), (f"{name} has {len(classes)} classes: {_some(classes)}",)
    if positive != AUTO:
        spelled = {values.spell(label): label for label in classes}
        wanted = spelled.get(positive, spelled.get(positive.lower()))
        if wanted is None:
            raise StepError(
                f"parameter positive: expected a class of target {name} ({_some(classes)}), "
                f"found {positive!r}"
            )
        classes = sorted(classes, key=lambda label: label == wanted)
    negative, chosen = classes
    if positive == AUTO and not isinstance(chosen, str):
        # Nobody is surprised that 1 and True are positive, so say nothing.
        return tuple(classes), ()
    other = f" (-P 'positive={values.spell(negative)}' for the other)" if positive == AUTO else ""
    return tuple(classes), (f"{name}={chosen} is the positive class, {negative} the other{other}",)


def _look_alike(classes: tuple[Label, ...], name: str) -> tuple[str, ...]:
    """Warn of classes of text that differ in upper and lower case only."""
    spelled: dict[str, list[Label]] = {}
    for label in classes:
        spelled.setdefault(str(label).casefold(), []).append(label)
    alike = [", ".join(map(str, labels)) for labels in spelled.values() if len(labels) > 1]
    if not alike:
        return ()
    shown = "; ".join(alike[:5]) + (" …" if len(alike) > 5 else "")
    return (
        f"{name} has classes that differ only in upper and lower case ({shown}) and are learned as "
        "different ones; write them alike if they are the same",
    )


def _some(labels: list[Label]) -> str:
    return ", ".join(str(label) for label in labels[:5]) + (" …" if len(labels) > 5 else "")
