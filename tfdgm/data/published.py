"""Sets of TensorFlow Datasets: images, tables of numbers, and spoken digits."""

import pathlib

import numpy as np
import tensorflow as tf

from tfdgm import checks
from tfdgm.data import planes, sound, tables
from tfdgm.data.splits import SPLITS

# Short names of tables that TensorFlow Datasets has.
TABLES = {'wine_red': 'wine_quality/red', 'wine_white': 'wine_quality/white'}

# Of the sets of sound, in Hz.
SAMPLE_RATES = {'spoken_digit': 8000}
SOUND_LEVELS, LONGEST_SOUND = 256, 8000

# How many training examples at the end become the validation split where the publisher has none.
VALIDATION_EXAMPLES = {'mnist': 10_000, 'fashion_mnist': 10_000}
VALIDATION_SHARE = 0.1


def builder(name: str):
    """A set of TFDS, which takes seconds to import, and `digits` does without."""
    from tfdgm.data import downloads

    return downloads.builder(name, ['digits', *planes.PLANES])


def is_prepared(name: str) -> bool:
    """Whether a set is prepared on this machine."""
    from tfdgm.data import downloads

    return downloads.is_prepared(TABLES.get(name, name))


def is_known(name: str) -> bool:
    """Whether TFDS knows a set by a name, with or without its configuration and version, or has it prepared."""
    import tensorflow_datasets as tfds

    from tfdgm.data import downloads

    first = name.split('/')[0].split(':')[0]
    # Its list of sets of others would come out of the network.
    own = tfds.list_builders(with_community_datasets=False)
    return first in own or pathlib.Path(downloads.data_dir(), first).is_dir()


def is_table(name: str) -> bool:
    """Whether the examples of a set are numbers."""
    import tensorflow_datasets as tfds

    features = builder(TABLES.get(name, name)).info.features
    return isinstance(features, tfds.features.FeaturesDict) and 'features' in features


def is_unpaired(name: str) -> bool:
    """Whether a set is one of two kinds of images, for unpaired translation, as those of TFDS's `cycle_gan` are."""
    return name != 'digits' and name not in planes.PLANES and 'trainA' in builder(TABLES.get(name, name)).info.splits


def table(name: str, columns) -> tuple:
    """The rows of a set whose examples are numbers, `[rows, columns]`, and the columns' names."""
    import tensorflow_datasets as tfds

    examples = tfds.as_numpy(builder(TABLES.get(name, name)).as_dataset(split='train', batch_size=-1))['features']
    names = sorted(examples)
    chosen = tables.places(columns, names, name)
    values = np.stack([np.asarray(examples[names[place]], 'float32') for place in chosen], axis=1)
    return values, [names[place] for place in chosen]


def spoken_digit(split, labels, levels, length):
    """The recordings of one split, companded, cut off or filled up with NaN to one length."""
    import tensorflow_datasets as tfds

    if split not in SPLITS:
        raise ValueError(f'spoken_digit has the splits {", ".join(SPLITS)}; got {split!r}.')
    length = LONGEST_SOUND if length is None else checks.integer(length, 'length of spoken_digit')
    recorded = builder('spoken_digit')
    # A file is called 7_jackson_32.wav: the digit, the speaker, and the number of the recording.
    recordings = [(*example['audio/filename'].decode().removesuffix('.wav').split('_'), example['audio'])
                  for example in tfds.as_numpy(recorded.as_dataset(split='train'))]
    speakers = sorted({speaker for _, speaker, _, _ in recordings})
    numbers = {'test': range(5), 'validation': range(5, 10), 'train': range(10, len(recordings))}[split]
    chosen = sorted(((int(digit), speakers.index(speaker), int(number)), samples)
                    for digit, speaker, number, samples in recordings if int(number) in numbers)
    events = np.full((len(chosen), length), np.nan, 'float32')
    for event, (_, samples) in zip(events, chosen):
        event[:len(samples)] = sound.encode(samples[:length] / sound.LARGEST, levels)
    classes = np.array([(digit, speaker) for (digit, speaker, _), _ in chosen], 'int32')
    return tf.data.Dataset.from_tensor_slices((events, classes) if labels else events)


def images(name, split, labels):
    """A TFDS set of images as pairs (event, label), and how many levels a value has."""
    import tensorflow_datasets as tfds  # It takes seconds to import, and `digits` does without.

    found = builder(name)
    features = found.info.features
    if not isinstance(features, tfds.features.FeaturesDict) or 'image' not in features:
        raise ValueError(f'{name} has no images: its features are {features}.')
    if labels and 'label' not in features:
        raise ValueError(f'{name} has no labels: its features are {", ".join(features)}.')
    try:
        dataset = found.as_dataset(split=with_validation(found.name, split, found.info.splits))
    except (KeyError, ValueError) as error:
        raise ValueError(f'{name} has the splits {", ".join(found.info.splits)}; got {split!r}.') from error

    def event(example):
        label = tf.cast(example['label'], tf.int32) if 'label' in features else tf.constant(-1)
        return tf.cast(example['image'], tf.float32), label

    binary = found.name.startswith('binarized') or np.issubdtype(features['image'].np_dtype, np.bool_)
    return dataset.map(event, tf.data.AUTOTUNE), 2 if binary else 256


def with_validation(name, split, available):
    """Takes the validation split from the end of the training split where there is none."""
    if 'validation' in available or split not in ('train', 'validation'):
        return split
    total = available['train'].num_examples
    kept = total - VALIDATION_EXAMPLES.get(name, round(total * VALIDATION_SHARE))
    return f'train[:{kept}]' if split == 'train' else f'train[{kept}:]'
