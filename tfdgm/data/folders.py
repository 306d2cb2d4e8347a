"""Folders of files as data: which files count, what their labels are, and in which split each is."""

import concurrent.futures
import dataclasses
import os
import pathlib
import unicodedata
from collections.abc import Callable

from tqdm import tqdm

from tfdgm.data import splits

SUFFIXES = {'images': ('.bmp', '.gif', '.jpeg', '.jpg', '.png', '.webp'), 'sounds': ('.wav',)}
# Images and sounds that cannot be read here: to pass them over among others would lose data without a word.
UNREADABLE = {
    'images': ('.arw', '.avif', '.cr2', '.dng', '.heic', '.heif', '.jp2', '.jxl', '.nef', '.tif', '.tiff'),
    'sounds': ('.aac', '.aif', '.aiff', '.flac', '.m4a', '.mp3', '.ogg', '.opus', '.wma')}
# What systems leave in folders beside hidden files, in small letters.
LEFT_BEHIND = '__macosx', 'thumbs.db', 'desktop.ini', '@eadir'
NAMED = 5  # How many files an error names.
SOON = 2  # Seconds until a progress bar appears.


@dataclasses.dataclass(frozen=True)
class File:
    """A file of a folder."""

    name: str  # Relative to the folder, with slashes.
    path: pathlib.Path
    stamp: tuple  # Its size in bytes, and when it was changed.
    split: str
    place: float  # By which the files of a split are ordered.
    label: str | None  # The subfolder that it is in, within that of its split if there are such.


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of files of one kind, ordered as if shuffled once, whatever order the file system lists them in."""

    name: str
    kind: str
    files: tuple
    sorted_by_hand: bool  # Whether the splits are subfolders.

    def labels(self, classes=None) -> tuple[list, list]:
        """The label of each file, and the names of the classes in the order of their numbers.

        Args:
            classes: these names; by default those of all subfolders, in alphabetical order.

        Raises:
            ValueError: if files are in no subfolder, or in one that is no class.
        """
        outside = sorted(file.name for file in self.files if file.label is None)
        if outside:
            raise ValueError(f'{self.name} has no labels for {listed(outside)}: a label is the name of the subfolder '
                             'that a file is in. Move them into subfolders, or load without labels.')
        found = sorted({file.label for file in self.files})
        classes = found if classes is None else checked_classes(classes)
        unknown = [label for label in found if label not in classes]
        if unknown:
            raise ValueError(f'{self.name} has the subfolders {listed(unknown)}, which are none of the classes '
                             f'{", ".join(classes)}.')
        return [classes.index(file.label) for file in self.files], list(classes)

    def chosen(self, split: str) -> list:
        """The places of the files of a split.

        Raises:
            ValueError: if there is no such split.
            EmptySplitError: if no file is in it.
        """
        wanted = splits.parts(split, self.name)
        chosen = [place for place, file in enumerate(self.files) if file.split in wanted]
        splits.check_not_empty(chosen, len(self.files), split, self.name, self.sorted_by_hand)
        return chosen


def checked_classes(classes) -> list:
    """Names of classes, if they are a list of different texts."""
    if (not isinstance(classes, list | tuple) or not all(isinstance(label, str) for label in classes)
            or len(set(classes)) < len(classes) or not classes):
        raise ValueError(f'classes should be a list of the names of different subfolders, got {classes!r}.')
    return [unicodedata.normalize('NFC', label) for label in classes]


def read(path: pathlib.Path, name: str) -> Folder:
    """Lists a folder: its files and those of its subfolders. Hidden files are passed over, and so are other kinds.

    Args:
        path: of the folder.
        name: what errors call it.

    Raises:
        ValueError: if it holds neither images nor WAV files, both, or some that cannot be read.
    """
    found = walk(path)
    kinds = {kind: [relative for relative, file in found.items() if file.suffix.lower() in suffixes]
             for kind, suffixes in SUFFIXES.items()}
    if all(kinds.values()):
        examples = [kinds[kind][0] for kind in ('images', 'sounds')]
        raise ValueError(f'{name} holds images and sounds, such as {" and ".join(examples)}: a data set has one kind. '
                         'Move one of them elsewhere.')
    kind = next((kind for kind, names in kinds.items() if names), None)
    suffixes = sum(UNREADABLE.values(), ()) if kind is None else UNREADABLE[kind]
    report({relative: f'is of a kind, {file.suffix}, that cannot be read' for relative, file in found.items()
            if file.suffix.lower() in suffixes}, name, 'Convert them, images to PNG and sound to WAV.')
    if kind is None:
        raise ValueError(f'{name} holds no images ({", ".join(SUFFIXES["images"])}) and no sounds (.wav), nor do its '
                         f'subfolders{f"; there are {listed(list(found))}" if found else ""}.')
    given = split_folders(kinds[kind], name)
    files = [file_of(relative, found[relative], given) for relative in kinds[kind]]
    return Folder(name, kind, tuple(sorted(files, key=lambda file: (file.place, file.name))), bool(given))


def walk(root: pathlib.Path) -> dict:
    """The visible files in a folder and below, by their relative names, in alphabetical order."""
    found, seen = {}, set()

    def refuse(error):
        raise error

    for folder, subfolders, names in os.walk(root, onerror=refuse, followlinks=True):
        # A link to a folder above would never end.
        subfolders[:] = [name for name in sorted(subfolders) if is_visible(name)]
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        for file in names:
            if is_visible(file):
                path = pathlib.Path(folder, file)
                # Systems write one and the same accent in two ways.
                found[unicodedata.normalize('NFC', path.relative_to(root).as_posix())] = path
    return dict(sorted(found.items()))


def is_visible(name: str) -> bool:
    """Whether a file or a folder is visible: neither hidden nor left behind by a system."""
    return not name.startswith('.') and name.lower() not in LEFT_BEHIND


def split_folders(names: list, name: str) -> set:
    """The splits that have a subfolder of their own; none where the files are split by their names.

    Raises:
        ValueError: if there are other files or subfolders beside them.
    """
    first = {relative.split('/')[0] if '/' in relative else None for relative in names}
    own = {part for part in first if part is not None and part.lower() in splits.SPLITS}
    others = [relative for relative in names if relative.split('/')[0] not in own or '/' not in relative]
    if not own or ('train' not in map(str.lower, own) and others):
        return set()  # A class may be called `test`.
    if others:
        raise ValueError(f'{name} has the subfolder {min(own)} and, beside it, {listed(others)}: where some subfolders '
                         f'are called {", ".join(splits.SPLITS)}, all files have to be in them. Rename the subfolder, '
                         'or move the others.')
    return {part.lower() for part in own}


def file_of(relative: str, path: pathlib.Path, given: set) -> File:
    """A file, with its split and its label, where these splits have a subfolder of their own."""
    *parts, _ = relative.split('/')
    place, split = splits.place_of(relative.encode('utf-8', 'surrogateescape')), None
    if given:
        split, *parts = parts[0].lower(), *parts[1:]
    if not given:
        split = splits.split_at(place)
    elif split == 'train' and 'validation' not in given:
        split = splits.split_at(place, ('train', 'validation'))
    status = path.stat() if path.exists() else None
    return File(relative, path.absolute(), status and (status.st_size, status.st_mtime_ns), split, place,
                parts[0] if parts else None)


def each(function: Callable, folder: Folder, doing: str) -> tuple[list, dict]:
    """What a function makes of each file, in several threads; and what it said of the files that it does not take.

    A progress bar shows in a terminal, where it takes long.

    Args:
        function: of a `File`; raises what there is to say about it.
        folder: the files.
        doing: what the progress bar says.

    Returns:
        The results, None of files that are not taken; and messages by the names of these files.
    """
    problems = {}

    def attempt(file):
        if file.stamp is None:
            problems[file.name] = 'is a link to nothing'
        elif not file.stamp[0]:
            problems[file.name] = 'is empty'
        else:
            try:
                return function(file)
            except Exception as error:  # Pillow raises what its readers of many formats raise.
                problems[file.name] = str(error) or type(error).__name__
        return None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(tqdm(pool.map(attempt, folder.files), f'{doing} {folder.name}', len(folder.files), unit='file',
                            delay=SOON, leave=False, disable=None))
    return results, problems


def report(problems: dict, name: str, remedy: str):
    """Raises if there are files that cannot be used, and names them: the first several, and how many more.

    Raises:
        ValueError: with what is wrong with each.
    """
    if problems:
        said = [f'{relative} {problems[relative].rstrip(".")}' for relative in sorted(problems)]
        count = f'{len(said):,} files' if len(said) > 1 else 'a file'
        raise ValueError(f'{name} has {count} that cannot be used: {listed(said, "; ")}. {remedy}')


def listed(names: list, separator: str = ', ') -> str:
    """The first several names, and how many more there are."""
    more = len(names) - NAMED
    return separator.join(names[:NAMED]) + (f'{separator}and {more:,} more' if more > 0 else '')
