"""Splits of a user's own data: by a hash of what each example is called or holds, so that they never change."""

import hashlib
from collections.abc import Iterable

from tfdgm.data.errors import EmptySplitError

SPLITS = 'train', 'validation', 'test'
# The shares of the splits; of what is for training and validation only, the same two in proportion.
SHARES = {'train': 0.8, 'validation': 0.1, 'test': 0.1}


def parts(split: str, name) -> list:
    """The splits that are meant by one of their names, or by several joined as in 'train+validation'.

    Raises:
        ValueError: if one of them is none of `SPLITS`, or is there twice.
    """
    chosen = split.split('+')
    if not set(chosen) <= set(SPLITS) or len(set(chosen)) < len(chosen):
        raise ValueError(f'{name} has the splits {", ".join(SPLITS)}; got {split!r}.')
    return chosen


def place_of(key: bytes) -> float:
    """A number from 0 to 1 that follows from the key alone, and is uniform over different keys."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()) / 2**64


def split_at(place: float, splits: Iterable[str] = SPLITS) -> str:
    """The split of an example at a place, where these splits share the whole."""
    splits = list(splits)
    end, total = 0., sum(SHARES[split] for split in splits)
    for split in splits:
        end += SHARES[split] / total
        if place < end:
            return split
    return splits[-1]


def check_not_empty(chosen, total: int, split: str, name, sorted_by_hand: bool = False):
    """Raises if no example was chosen, by chance or by the subfolders that they are in.

    Raises:
        EmptySplitError: with what to do.
    """
    if not len(chosen) and sorted_by_hand:
        raise EmptySplitError(f'{name} has {total:,} examples in subfolders called as splits, and none of them is in '
                              f'the split {split!r}. Move some there.')
    if not len(chosen):
        raise EmptySplitError(
            f'{name} has {total:,} examples, and none of them is in the split {split!r}: each is in it by chance, with '
            f'a share of {" + ".join(f"{SHARES[part]:.0%}" for part in split.split("+"))}. Add examples, or sort them '
            'yourself: a folder may have subfolders called train, validation and test.')
