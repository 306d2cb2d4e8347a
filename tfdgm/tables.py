"""Tables of real numbers as data: CSV files of one's own, and those that TensorFlow Datasets knows."""

import csv
import pathlib
import re

import numpy as np

LEAST_ROWS = 10
MISSING = '', '?', 'na', 'n/a', 'nan', 'null', 'none'
LARGEST = float(np.finfo('float32').max)
SPLITS = 'train', 'validation', 'test'


def read(path, columns=None) -> np.ndarray:
    """Reads a CSV file of numbers.

    Args:
        path: of the file. Commas separate its fields, or semicolons or tabs where the first line has some. A first row
            without any number names the columns.
        columns: a list of those to keep, by name or by number from 0; None for all.

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
    values, _ = read_with_names(path, columns)
    return values


def read_with_names(path, columns=None) -> tuple:
    """What `read` gives, and the names of its columns; their numbers, where the file has no names."""
    names, rows, path = contents(path)
    chosen = places(columns, names, path)
    values = np.array([numbers(row, line, chosen, names, path) for line, row in rows], 'float32')
    return values, [names[place] for place in chosen]


def contents(path) -> tuple:
    """The names of a CSV file's columns; its rows, as pairs of a line number and fields; and its path."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'There is no file {path}.')
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            first = file.readline()
            unquoted = re.sub('"[^"]*"', '', first)
            separator = next((mark for mark in ';\t' if mark in unquoted), ',')
            file.seek(0)
            reader = csv.reader(file, delimiter=separator)
            rows = [(reader.line_num, row) for row in reader if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not a CSV file: {error}') from error
    names = list(map(str, range(len(rows[0][1])))) if rows else []
    # A row of nothing but marks for missing values is no row of names.
    if rows and not any(is_number(field) or field.strip().lower() in MISSING for field in rows[0][1]):
        names = [name.strip() for name in rows.pop(0)[1]]
    if not rows:
        raise ValueError(f'{path} has no rows of numbers.')
    return names, rows, path


def check_density(values, name):
    """Raises unless a table can have a density that is learned from it: several rows, and no constant column."""
    if len(values) < LEAST_ROWS:
        raise ValueError(f'{name} has {len(values)} rows of numbers; to learn a density takes at least {LEAST_ROWS}.')
    _, first = np.unique(values, axis=1, return_index=True)
    repeated = sorted(set(range(values.shape[1])) - set(first))
    if repeated:
        same = next(column for column in range(repeated[0]) if (values[:, column] == values[:, repeated[0]]).all())
        raise ValueError(f'The columns {same} and {repeated[0]} of those chosen from {name} are the same in every row: '
                         'a density there has no bound. Leave one out, by columns.')
    constant = np.flatnonzero(np.ptp(values, axis=0) == 0)
    if len(constant):
        raise ValueError(f'The column {constant[0]} of those chosen from {name} holds {values[0, constant[0]]:.9g} in '
                         'every row, to the precision of float32: a density there has no bound. Leave it out, by '
                         'columns.')


def places(columns, names, where) -> list:
    """The places of columns that are given by name or by number; of all for None."""
    if columns is None:
        return list(range(len(names)))
    if not isinstance(columns, list | tuple):
        raise ValueError(f'columns of {where} should be a list of names or numbers, got {columns!r}.')
    chosen = []
    for column in columns:
        if isinstance(column, str) and names.count(column) > 1:
            raise ValueError(f'{where} has {names.count(column)} columns called {column!r}; choose by number, from 0.')
        if isinstance(column, str) and column in names:
            chosen.append(names.index(column))
        elif isinstance(column, int | np.integer) and not isinstance(column, bool) and 0 <= column < len(names):
            chosen.append(int(column))
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
    """Whether a field of a CSV file is a finite number, also as float32."""
    try:
        return '_' not in field and abs(float(field)) <= LARGEST
    except ValueError:
        return False


def split_of(values, split, name) -> np.ndarray:
    """One of three splits of rows that are shuffled once: about 80 % to train, 10 % for validation, 10 % to test."""
    if split not in SPLITS:
        raise ValueError(f'{name} has the splits {", ".join(SPLITS)}; got {split!r}.')
    tenth = len(values) // 10
    parts = np.split(np.random.RandomState(0).permutation(len(values)), [len(values) - 2 * tenth, len(values) - tenth])
    return values[parts[SPLITS.index(split)]]
