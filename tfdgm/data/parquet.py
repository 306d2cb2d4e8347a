"""Tables in Parquet files, which pandas reads."""

import pathlib

import numpy as np

from tfdgm.data import folders, splits, tables

SUFFIXES = '.parquet', '.pq'


def load(path: pathlib.Path, split: str, columns, name: str) -> np.ndarray:
    """The rows of one split, `[rows, columns]`, float32.

    A row is in a split by a hash of all its numbers, also those in columns that are left out: where rows are added, it
    stays there, and equal ones are together.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no table of numbers.
    """
    wanted = splits.parts(split, name)
    values, _, numbers = read(path, columns, name)
    tables.check_density(values, name)
    places = np.array([splits.place_of(row.tobytes()) for row in numbers])
    chosen = [place for place in np.argsort(places, kind='stable') if splits.split_at(places[place]) in wanted]
    splits.check_not_empty(chosen, len(values), split, name)
    return values[chosen]


def read(path: pathlib.Path, columns, name: str) -> tuple:
    """The chosen columns, float32; their names; and all columns of numbers, float64, NaN where one is missing."""
    if not path.is_file():
        raise FileNotFoundError(f'There is no file {name}.')
    try:
        import pandas as pd  # Not needed by anything else, and it takes a second to import.

        frame = pd.read_parquet(path)
    except ImportError as error:
        raise ValueError(f'{name} is a Parquet file, and to read it takes pandas and pyarrow: '
                         "pip install 'tfdgm[parquet]'.") from error
    except Exception as error:  # What its engines raise for files that are damaged.
        raise ValueError(f'{name} is not a Parquet file, or is damaged: {error}') from error
    names = list(map(str, frame.columns))
    places = tables.places(columns, names, name)
    numeric = [pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind)
               for kind in frame.dtypes]
    for place in places:
        if not numeric[place]:
            raise ValueError(f'The column {names[place]} of {name} holds no numbers, but {frame.dtypes.iloc[place]}. '
                             'Leave it out, by columns.')
    numbers = frame.iloc[:, np.flatnonzero(numeric)].to_numpy('float64', na_value=np.nan)
    chosen = numbers[:, [int(np.sum(numeric[:place])) for place in places]]
    bad = [f'row {row}, column {names[places[column]]}'
           for row, column in np.argwhere(~(abs(chosen) <= tables.LARGEST))]
    if bad:
        raise ValueError(f'{name} has values that are missing or no finite numbers: {folders.listed(bad, "; ")}; the '
                         'first row is 0. Fill them in, remove the rows, or leave the columns out, by columns.')
    values = chosen.astype('float32')
    return values, [names[place] for place in places], numbers + 0.
