"""Tables of real numbers as data: CSV files of one's own, and those that TensorFlow Datasets knows."""

import csv
import os
import pathlib
import re
from collections.abc import Sequence

import numpy as np

from tfdgm.data import folders, splits

SUFFIXES = '.csv', '.tsv'
LEAST_ROWS, LONGEST_LINE = 10, 2**16
MISSING = '', '?', 'na', 'n/a', 'nan', 'null', 'none'
LARGEST = float(np.finfo('float32').max)


def read(path: str | os.PathLike, columns: Sequence[int | str] | None = None) -> np.ndarray:
    """Reads a CSV file of numbers.

    Args:
        path: of the file. Commas separate its fields, or semicolons or tabs where the first line has some; tabs where
            its name ends in .tsv. A first row without any number, and with words where rows below have numbers, names
            the columns; one without a name is called 'Unnamed: 0', with its number, as pandas calls it.
        columns: a list of those to keep, by name or by number from 0; None for all, but for a first column without a
            name: that is where pandas writes its index.

    Returns:
        `[rows, columns]`, float32.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if there are no rows, a column is unknown, or values are missing or no finite numbers, which are
            all named.

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
    if columns is None and names[0] == unnamed(0):
        columns = list(range(1, len(names)))
    chosen = places(columns, names, path)
    faults = [fault for line, row in rows for fault in faults_of(row, line, chosen, names)]
    if faults:
        raise ValueError(f'{path} has lines that cannot be used: {folders.listed(faults, "; ")}. Fill in what is '
                         'missing, remove the lines, or leave the columns out, by columns.')
    values = np.array([[float(row[place]) for place in chosen] for _, row in rows], 'float32')
    return values, [names[place] for place in chosen]


def contents(path) -> tuple:
    """The names of a CSV file's columns; its rows, as pairs of a line number and fields; and its path."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'There is no file {path}.')
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            # Names in quotes may hold separators, and ends of lines.
            separator = separator_of(path, file.read(LONGEST_LINE))
            file.seek(0)
            reader = csv.reader(file, delimiter=separator)
            rows = [(reader.line_num, row) for row in reader if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f'{path} is not a CSV file: {error}') from error
    names = list(map(str, range(len(rows[0][1])))) if rows else []
    if rows and is_header([row for _, row in rows]):
        names = [name.strip() or unnamed(place) for place, name in enumerate(rows.pop(0)[1])]
    if not rows:
        raise ValueError(f'{path} has no rows of numbers.')
    return names, rows, path


def separator_of(path, beginning: str) -> str:
    """What separates the fields of a CSV file, by the beginning of its text."""
    first, *_ = re.sub('"[^"]*"', '', beginning).lstrip().splitlines() or ['']
    separator = next((mark for mark in ';\t' if mark in first), ',')
    return '\t' if str(path).lower().endswith('.tsv') else separator


def is_header(rows: list) -> bool:
    """Whether the first row names the columns: it holds no number, and a name where a row below holds one.

    A word for what is missing is a name beside others that are, as that of sodium; alone, it may be data.
    """
    first, *others = rows
    if len(first) > 1 and not first[0].strip() and first[1:] == list(map(str, range(len(first) - 1))):
        return True  # As pandas writes columns that have no names.
    if any(map(looks_like_a_number, first)):
        return False
    return any(is_name(field) and (not others or any(place < len(row) and is_number(row[place]) for row in others))
               for place, field in enumerate(first))


def is_name(field: str) -> bool:
    """Whether a word can stand for nothing but a name."""
    return field.strip() == 'Na' or field.strip().lower() not in MISSING


def unnamed(place: int) -> str:
    """What a column without a name is called: as by pandas."""
    return f'Unnamed: {place}'


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


def faults_of(row, line, chosen, names):
    """Yields what is wrong with one row, in words."""
    if len(row) != len(names):
        yield f'line {line} has {len(row)} fields, and the first line has {len(names)}'
        return
    for place in chosen:
        if not is_number(row[place]):
            what = f'holds {row[place]!r}, which is no finite number' if row[place].strip() else 'is empty'
            yield f'column {names[place]} in line {line} {what}'


def looks_like_a_number(field) -> bool:
    """Whether a field is written as a number, also one that is not finite as float32; NaN is a word for nothing."""
    try:
        return not np.isnan(float(field))
    except ValueError:
        return False


def is_number(field) -> bool:
    """Whether a field of a CSV file is a finite number, also as float32."""
    try:
        return '_' not in field and abs(float(field)) <= LARGEST
    except ValueError:
        return False


def split_of(values, split, name) -> np.ndarray:
    """One of three splits of rows that are shuffled once: about 80 % to train, 10 % for validation, 10 % to test."""
    wanted = splits.parts(split, name)
    tenth = len(values) // 10
    parts = np.split(np.random.RandomState(0).permutation(len(values)), [len(values) - 2 * tenth, len(values) - tenth])
    return values[np.concatenate([parts[splits.SPLITS.index(part)] for part in wanted])]
