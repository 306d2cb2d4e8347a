"""The events that a data-dependent initialisation sees, of whatever `fit` is given."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from tfdgm import checks, inputs

# How many of the first events layers see in a data-dependent initialisation, and of how many there should be no site
# that is the same in all.
EVENTS_TO_START = 256
ENOUGH_TO_VARY = 16


def first_events(model, x, y):
    """Some of the events that `fit` is given, checked.

    Args:
        model: a `tfdgm.Model`.
        x: events, an array or a pipeline.
        y: their conditions, if they are not in the pipeline, or None.

    Returns:
        Events and their conditions, or None, as tensors; and `x`, of which nothing is missing.

    Raises:
        ValueError: if the events are not valid, there are none, or a site of real values is constant.
    """
    if inputs.is_pipeline(x):
        batches, x = first_batches(x)
        firsts = [keras.utils.unpack_x_y_sample_weight(batch)[:2] for batch in batches]
    else:
        firsts = [(x, y)]
    firsts = [(events['events'] if isinstance(events, dict) else events, y) for events, y in firsts]
    for events, _ in firsts:
        checks.events(model, events)
    events = np.concatenate([np.asarray(events, 'float32') for events, _ in firsts])
    if not model.support.is_discrete and len(events) >= ENOUGH_TO_VARY:
        checks.varying(np.ptp(events, axis=0), len(events))
    # From all over an array, which may be sorted by class.
    places = np.linspace(0, len(events) - 1, min(len(events), EVENTS_TO_START)).astype(int)
    y = None if firsts[0][1] is None else tf.constant(np.concatenate([np.asarray(y) for _, y in firsts])[places])
    return tf.constant(events[places]), y, x


def first_batches(batches):
    """The first `EVENTS_TO_START` events of a pipeline, in batches, and the whole: a generator is read but once."""
    firsts, count = [], 0
    if isinstance(batches, keras.utils.PyDataset):
        iterator = (batches[index] for index in range(len(batches)))
    else:
        iterator = iter(batches)
    for batch in iterator:
        firsts.append(batch)
        events = keras.utils.unpack_x_y_sample_weight(batch)[0]
        count += len(events['events'] if isinstance(events, dict) else events)
        if count >= EVENTS_TO_START:
            break
    if not firsts:
        raise inputs.no_batches()
    if iterator is batches:
        batches = (batch for batch in itertools.chain(firsts, iterator))
    return firsts, batches
