"""Whether a name of data is a path, and what lies there."""

import os
import pathlib

from tfdgm.data import arrays, folders, parquet, planes, published, tables

TABLES = *tables.SUFFIXES, *parquet.SUFFIXES
ROOTS = '.', '~', os.sep


def path_of(name) -> pathlib.Path | None:
    """The path that a name is; None of a name by which data are known.

    A path object is one, and so is a text that begins like one or ends like a file that `load` takes. Any other text is
    one if a file or a folder is there and no set of data has that name.
    """
    if isinstance(name, os.PathLike):
        return pathlib.Path(name).expanduser()
    if not isinstance(name, str) or not name:
        return None
    path = pathlib.Path(name)
    if name.startswith(ROOTS) or path.suffix.lower() in (*TABLES, *arrays.SUFFIXES):
        return path.expanduser()
    if name in ('digits', *planes.PLANES, *published.SAMPLE_RATES, *published.TABLES) or not path.exists():
        return None
    return None if published.is_known(name) else path


def look(path: pathlib.Path, name: str) -> tuple[str, folders.Folder | None]:
    """The kind of data at a path, 'table', 'arrays', 'images' or 'sounds', and the folder, if it is one.

    Args:
        path: where to look.
        name: what errors call it.

    Raises:
        FileNotFoundError: if there is nothing.
        ValueError: if it is nothing that can be read.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        folder = folders.read(path, name)
        return folder.kind, folder
    if suffix in TABLES:
        return 'table', None
    if suffix in arrays.SUFFIXES:
        return 'arrays', None
    if path.exists():
        raise ValueError(f'{name} should be a folder of images or of WAV files, or end in '
                         f'{", ".join((*arrays.SUFFIXES, *TABLES))}.')
    raise FileNotFoundError(f'There is no file and no folder {name}.')
