"""Many events in pieces, so that neither memory nor the number of compiled programs grows with how many there are."""

import tensorflow as tf
from keras import tree

from tfdgm import random


def size_of(num_sites: int) -> int:
    """How many events of so many sites go through a model at once: a power of two, from 64 to 16,384."""
    return 2 ** min(max((2**19 // num_sites).bit_length() - 1, 6), 14)


def draw(sample, count, size: int, condition, seed, given=(), exact: bool = False, dtypes=tf.float32):
    """Draws events, so that of one seed the first ones are the same however many are drawn.

    Every piece has a seed of its own, and a piece of fewer events is the beginning of a whole one. So a few programs
    serve all counts: pieces have a power of two of events, of which those too many are cut off.

    Args:
        sample: `(size, condition, seed, *given)` -> a structure of tensors `[size, …]`. Of one seed, the first must be
            the same for all sizes.
        count: how many to draw, an integer or a scalar tensor of one that is not known yet.
        size: how many a whole piece has.
        condition: one for each, `[count, …]`, or None.
        seed: a stateless seed.
        given: more arguments: what has axes has one entry for each event, `[count, …]`.
        exact: whether a piece has as many events as are needed; else a power of two.
        dtypes: of the structure.

    Returns:
        The structure, of tensors `[count, …]`.
    """
    known = tf.get_static_value(count)
    if known is None:
        def piece(drawn, index, condition, *given):
            return sample(drawn, condition, _seed(seed, index), *given)

        return _of_unknown(piece, count, size, (condition, *given), exact, dtypes)
    pieces, count = [], int(known)
    for start in range(0, max(count, 1), size):
        missing = min(max(count - start, 1), size)
        drawn = missing if exact else 1 << (missing - 1).bit_length()
        places = None if drawn == count else tf.minimum(tf.range(start, start + drawn), max(count - 1, 0))
        pieces.append(sample(drawn, *_at(places, condition), _seed(seed, start // size), *_at(places, *given)))
    if len(pieces) == 1 and count == drawn:
        return pieces[0]
    return tree.map_structure(lambda *parts: tf.concat(parts, axis=0)[:count], *pieces)


def score(log_prob, x, condition, size: int, exact: bool = True):
    """Log-probabilities `[n]` of events `[n, …]`, `size` of them at once.

    Args:
        log_prob: `(x, condition)` -> `[n]`.
        x: events; in a graph their number may not be known yet.
        condition: one for each, or None.
        size: how many at once.
        exact: whether the last piece has as many events as are left; else a power of two, some of them twice, so that
            a few programs serve all counts.
    """
    count, scores = x.shape[0], []
    if count is None:
        return _of_unknown(
            lambda scored, index, *events: log_prob(*events), tf.shape(x)[0], size, (x, condition), exact, tf.float32)
    for start in range(0, count, size):
        left = min(count - start, size)
        scored = left if exact else 1 << (left - 1).bit_length()
        if scored == count:
            return log_prob(x, condition)
        places = tf.minimum(tf.range(start, start + scored), count - 1)
        scores.append(log_prob(*_at(places, x, condition))[:left])
    return tf.concat(scores, axis=0)


def _of_unknown(function, count, size, parts, exact, dtypes):
    """What a function makes of events, piece by piece, in a graph that does not know how many there are.

    Args:
        function: `(size of the piece, its index, *parts)` -> a structure of tensors `[size, …]`.
        count: how many events, a scalar tensor.
        size: how many a whole piece has.
        parts: as `given` of `draw`.
        exact: whether pieces have as many events as there are, up to a whole piece; else the power of two above.
        dtypes: of the structure.
    """
    drawn = tf.clip_by_value(count, 1, size)
    if not exact:
        powers = tf.constant([1 << power for power in range(size.bit_length())])
        drawn = tf.reduce_min(tf.boolean_mask(powers, powers >= drawn))
    first_places = tf.range(drawn)  # Outside the loop, where XLA can tell how many.

    def piece(index):
        places = tf.minimum(index * size + first_places, tf.maximum(count - 1, 0))
        return function(drawn, index, *_at(places, *parts))

    pieces = tf.map_fn(piece, tf.range((tf.maximum(count, 1) + size - 1) // size), fn_output_signature=dtypes)
    return tree.map_structure(lambda part: tf.reshape(part, tf.concat([[-1], tf.shape(part)[2:]], 0))[:count], pieces)


def _at(places, *parts):
    """What is given for the events at those places, all for None; the same where there is one for all."""
    def taken(part):
        if part is None or places is None or not part.shape.rank:
            return part
        # There may be none, and then one that nobody will see.
        return tf.gather(tf.pad(part, [[0, 1], *[[0, 0]] * (part.shape.rank - 1)]), places)

    return [taken(part) for part in parts]


def _seed(seed, index):
    """The seed of a piece; the first has the seed itself."""
    if isinstance(index, int):
        return random.fold_in(seed, index) if index else seed
    return tf.where(index == 0, seed, random.fold_in(seed, index))
