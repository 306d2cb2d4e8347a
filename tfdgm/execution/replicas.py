"""Replicas: what a step knows of the others, of which each sees a part of the same batch.

Under `tf.distribute` a step runs once on each device. With a single replica everything here is what it was given.
"""

import tensorflow as tf


def _context():
    """The replica's context, if there are several."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def summed(values):
    """The sums of tensors over all replicas, a structure as it is given."""
    context = _context()
    return values if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, values)


def share_of(count: tf.Tensor | int) -> tf.Tensor | float:
    """What part of all events this replica has, if they are so many."""
    if _context() is None:
        return 1.
    count = tf.cast(count, tf.float32)
    return count / summed(count)


def averaged(means: list, count: tf.Tensor | int) -> list:
    """Means over the events of all replicas, from means over the `count` events of each."""
    if _context() is None:
        return means
    share = share_of(count)
    return summed([share * mean for mean in means])


def gathered(values: tf.Tensor) -> tf.Tensor:
    """What all replicas have, `[n, …]` each, one behind the other in their order."""
    context = _context()
    return values if context is None else context.all_gather(values, axis=0)


def before(count: tf.Tensor | int) -> tf.Tensor | int:
    """How many events the replicas before this one have, if this one has `count`."""
    context = _context()
    if context is None:
        return 0
    places = tf.range(context.num_replicas_in_sync)
    counts = summed(tf.where(places == context.replica_id_in_sync_group, tf.cast(count, tf.float32), 0.))
    return tf.cast(tf.reduce_sum(tf.where(places < context.replica_id_in_sync_group, counts, 0.)), tf.int32)


def of_first(values):
    """The tensors of the first replica, on all of them: what is kept of a batch must be the same everywhere."""
    context = _context()
    if context is None:
        return values
    is_first = tf.equal(context.replica_id_in_sync_group, 0)
    return summed(tf.nest.map_structure(lambda value: tf.where(is_first, value, tf.zeros_like(value)), values))


def own_seed(seed: tf.Tensor) -> tf.Tensor:
    """A stateless seed of this replica's, from one that all have; the first keeps it."""
    context = _context()
    if context is None:
        return seed
    index = context.replica_id_in_sync_group
    folded = tf.random.experimental.stateless_fold_in(seed, index, alg='philox')
    return tf.where(tf.equal(index, 0), seed, folded)
