"""Records: the elements of a pipeline, from which a model's events and conditions are taken and checked.

A record is a dictionary. Its `event` is the event, `condition` what a conditional model depends on; or the numbers of
several columns are the event, as in a table. What else it holds stays with it.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tfdgm import checks
from tfdgm.data import tables
from tfdgm.evaluation import Classifier

EVENT, CONDITION = 'event', 'condition'


class Unreadable:  # No dataclass, of which Beam would make a row of a table.
    """What a source could not read: it is refused for that reason.

    Args:
        record: what there is of it, a dictionary.
        reason: why it is none, a sentence.
    """

    def __init__(self, record: dict, reason: str):
        self.record = record
        self.reason = reason


@dataclasses.dataclass
class Usable:
    """Those of a batch of records that a model can use, and why it can't use the others.

    Args:
        places: of the records that can be used, in order.
        x: their events, `[len(places), *event_shape]`, or None where there are none.
        y: their conditions, or None.
        reasons: of the others, by their places.
    """

    places: list
    x: np.ndarray | None
    y: np.ndarray | None
    reasons: dict


def record_of(element) -> dict | Unreadable:
    """An element as a record: a mapping, a row or a named tuple as it is; anything else is an event.

    >>> record_of([0, 1])
    {'event': [0, 1]}
    """
    if isinstance(element, Unreadable):
        return element
    if isinstance(element, Mapping):
        return dict(element)
    return dict(element._asdict()) if hasattr(element, '_asdict') else {EVENT: element}


def usable(model, records: Sequence[dict | Unreadable], columns: Sequence[str] | None = None, condition=None) -> Usable:
    """Tells the records that a model can use from the others, by the checks of `predict`.

    All are checked at once, and a batch with a fault by its halves, down to the records that have one.

    Args:
        model: a `tfdgm.Model`.
        records: of any kind.
        columns: whose numbers are the event, in records without an `event`.
        condition: one for all records, instead of their own.

    >>> import tfdgm
    >>> found = usable(tfdgm.NADE(3), [{'event': [0, 1, 1]}, {'event': [0, 2, 1]}, {'event': [0, 1]}])
    >>> found.places, found.x
    ([0], array([[0, 1, 1]]))
    >>> print(found.reasons[1])
    1 of the 3 values lie outside the support, such as 2 in event 0: this NADE needs every value to be 0 or 1.
    """
    parts, reasons, sites = {}, {}, model.num_sites
    for place, record in enumerate(records):
        try:
            parts[place] = event_of(model, record, columns, sites), condition_of(model, record, condition)
        except ValueError as error:
            reasons[place] = str(error)

    def prepared(places):
        x, y = zip(*(parts[place] for place in places))
        x = np.stack(x)
        checks.events(model, x)
        if not depends(model):
            return x, None
        return x, checks.conditions_of_each(model.condition, np.stack(y), len(x), 'events')

    def check(places):
        try:
            prepared(places)
        except ValueError as error:
            if len(places) == 1:
                reasons[places[0]] = str(error)
                return
            check(places[:len(places) // 2])
            check(places[len(places) // 2:])

    if parts:
        check(list(parts))
    places = [place for place in parts if place not in reasons]
    return Usable(places, *(prepared(places) if places else (None, None)), reasons)


def event_of(model, record: dict | Unreadable, columns: Sequence[str] | None, sites: int) -> np.ndarray:
    """The event of a record, as an array; one of a flat list of all its numbers, and one that is shorter filled up.

    Raises:
        ValueError: if there is none.
    """
    if isinstance(record, Unreadable):
        raise ValueError(record.reason)
    if EVENT in record:
        x = checks.as_array(record[EVENT])
    elif not columns:
        raise ValueError(f'This record has no {EVENT!r}, but {", ".join(map(str, record)) or "nothing"}: call it so, '
                         'or name the columns whose numbers are the event, by columns.')
    else:
        missing = [column for column in columns if column not in record]
        if missing:
            raise ValueError(f'This record has no {missing[0]!r}, but {", ".join(map(str, record)) or "nothing"}.')
        x = np.array([number(record[column], column) for column in columns])
    if x.ndim == 1 and x.size == sites:
        return x.reshape(model.event_shape)
    steps = model.event_shape[0]
    if model.variable_length and x.dtype.kind in 'biuf' and x.shape[1:] == model.event_shape[1:] and len(x) < steps:
        return np.pad(x.astype('float64'), [(0, steps - len(x)), *[(0, 0)] * (x.ndim - 1)], constant_values=np.nan)
    return x


def condition_of(model, record: dict, given) -> np.ndarray | None:
    """What a conditional model depends on: what was given for all, or the record's own.

    Raises:
        ValueError: if there is none.
    """
    if not depends(model):
        return None
    value = record.get(CONDITION) if given is None else given
    checks.condition_given(model.condition, value)
    return checks.as_array(number(value, CONDITION))


def depends(model) -> bool:
    """Whether a model needs a condition beside an event; a classifier tells it."""
    return model.condition is not None and not isinstance(model, Classifier)


def number(value, column: str):
    """A value, of text the number that it stands for: in CSV files all is text.

    Raises:
        ValueError: if it is missing, or text that is no finite number.
    """
    if value is None or (isinstance(value, str) and not tables.is_number(value)):
        what = f'holds {value!r}, which is no finite number' if value and value.strip() else 'is empty'
        raise ValueError(f'The column {column} {what}.')
    return float(value) if isinstance(value, str) else value
