"""Tables of real numbers as data: CSV files of one's own, and those that TensorFlow Datasets knows."""

import csv
import pathlib

import numpy as np

LEAST_ROWS = 10
SPLITS = 'train', 'validation', 'test'


def read(path, columns=None) -> np.ndarray:
    """Reads a CSV file of numbers.

    Args:
        path: of the file. A first row without any number names the columns.
        columns: which to keep, by name or by number from 0; None for all.

    Returns:
        `[rows, columns]`, float32.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if there are no rows, a column is unknown, or a value is missing or no finite number.

    >>> import pathlib, tfdgm
    >>> _ = pathlib.Path('heights.csv').write_text('name,cm,kg\\n' + 'Ada,170,60\\nBo,181,82.5\\n' * 5)
    >>> tfdgm.tables.read('heights.csv', columns=['cm', 'kg']).shape
    (10, 2)
    >>> pathlib.Path('heights.csv').unlink()
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'There is no file {path}.')
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            rows = [(reader.line_num, row) for reader in [csv.reader(file)] for row in reader if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not a CSV file: {error}') from error
    width = len(rows[0][1]) if rows else 0
    has_names = rows and not any(is_number(field) for field in rows[0][1])
    names = [name.strip() for name in rows.pop(0)[1]] if has_names else [str(index) for index in range(width)]
    if not rows:
        raise ValueError(f'{path} has no rows of numbers.')
    chosen = places(columns, names, path)
    return np.array([numbers(row, line, chosen, names, path) for line, row in rows], 'float32')


def check_density(values, name):
    """Raises unless a table can have a density that is learned from it: several rows, and no constant column."""
    if len(values) < LEAST_ROWS:
        raise ValueError(f'{name} has {len(values)} rows of numbers; to learn a density takes at least {LEAST_ROWS}.')
    constant = np.flatnonzero(np.ptp(values, axis=0) == 0)
    if len(constant):
        raise ValueError(f'The column {constant[0]} of those chosen from {name} holds {values[0, constant[0]]:g} in '
                         'every row: a density there has no bound. Leave it out, by columns.')


def places(columns, names, where) -> list:
    """The places of columns that are given by name or by number; of all for None."""
    columns = names if columns is None else columns
    chosen = []
    for column in columns:
        if isinstance(column, str) and column in names:
            chosen.append(names.index(column))
        elif isinstance(column, int) and not isinstance(column, bool) and 0 <= column < len(names):
            chosen.append(column)
        else:
            raise ValueError(f'{where} has no column {column!r}. Its columns are {", ".join(names)}.')
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f'columns of {where} should be one or more different ones, got {columns!r}.')
    return chosen


def numbers(row, line, chosen, names, path) -> list:
    """The numbers in the chosen columns of one row."""
    if len(row) != len(names):
        raise ValueError(f'Line {line} of {path} has {len(row)} fields, and the first line has {len(names)}.')
    for column in chosen:
        if not is_number(row[column]):
            what = f'holds {row[column]!r}, which is no finite number' if row[column].strip() else 'is empty'
            raise ValueError(f'The column {names[column]} in line {line} of {path} {what}. Fill it in, remove that '
                             'line, or leave the column out, by columns.')
    return [float(row[column]) for column in chosen]


def is_number(field) -> bool:
    """Whether a field of a CSV file is a finite number."""
    try:
        return bool(np.isfinite(float(field)))
    except ValueError:
        return False


def split_of(values, split, name) -> np.ndarray:
    """One of three splits of rows that are shuffled once: about 80 % to train, 10 % for validation, 10 % to test."""
    if split not in SPLITS:
        raise ValueError(f'{name} has the splits {", ".join(SPLITS)}; got {split!r}.')
    tenth = len(values) // 10
    parts = np.split(np.random.RandomState(0).permutation(len(values)), [len(values) - 2 * tenth, len(values) - tenth])
    return values[parts[SPLITS.index(split)]]
