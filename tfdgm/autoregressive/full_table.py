"""FullTable: the probability of every event in a table."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable
from numpy.typing import ArrayLike

from tfdgm import checks, inputs
from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.conditions import Condition
from tfdgm.layers import ConditionBias
from tfdgm.outputs import Bernoulli, Categorical, Output

LARGEST_TABLE = 2**20

# What `count` gives the log-probability of an event that never occurs; float32 has none of 0.
LOG_OF_NOTHING = -100.


@register_keras_serializable('tfdgm')
class FullTable(AutoregressiveModel):
    """The joint distribution of a few discrete sites as a table of all events.

        p(x) = exp(θ_x) / Σ_y exp(θ_y),    θ_0 = 0

    It can be any distribution at all, with one free parameter less than there are events: 2^n - 1 for n binary sites.
    So it learns nothing from one event about another, and serves as the reference that other models, which say more
    with less, are compared with.

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.FullTable(event_shape=2)
    >>> model.count(np.array([[0, 0], [0, 1], [1, 1], [1, 1]]))
    >>> np.round(model.distribution().prob(np.array([[0, 0], [0, 1], [1, 0], [1, 1]])), 3)
    array([0.25, 0.25, 0.  , 0.5 ], dtype=float32)
    >>> model.count_params()
    3

    Args:
        event_shape: shape of one event.
        output: the family of each site, `tfdgm.outputs.Bernoulli` or `Categorical`.
        condition: what the events depend on; it adds to all θ but the first.
        order: order of the sites, as in `AutoregressiveModel`; no order changes what the table can be.
        seed: of a random order.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if there are more than 2^20 events, or the output is not `Bernoulli` or `Categorical`.
    """

    def __init__(self, event_shape: int | Sequence[int], *, output: Output | None = None,
                 condition: Condition | None = None, order: str | Sequence = 'natural', seed: int | None = 0, **kwargs):
        super().__init__(event_shape, output=output, condition=condition, order=order, seed=seed, **kwargs)
        if not isinstance(self.output, Bernoulli | Categorical):
            raise ValueError('FullTable has a logit for every value of a site: it takes output='
                             f'tfdgm.outputs.Bernoulli() or Categorical(…), got {self.output}.')
        self._levels = self.support.levels
        if self.num_sites * np.log2(self._levels) > np.log2(LARGEST_TABLE):
            raise ValueError(f'FullTable has a number for each of at most {LARGEST_TABLE:,} events; {self.num_sites} '
                             f'sites of {self._levels} values have {self._levels}^{self.num_sites}.')
        size = self._levels ** self.num_sites - 1
        self.logits = self.add_weight(shape=(size,), initializer='zeros', name='logits')
        self.condition_bias = ConditionBias(
            self.condition_features, (size,), dtype=self.dtype_policy, name='condition_bias')
        # Where the table of the events that begin alike, up to each position, starts in what `_marginals` gives.
        lengths = self._levels ** np.arange(1, self.num_sites + 1)
        self._starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype('int32')
        self.built = True

    def count(self, x: ArrayLike):
        """Sets the table to the frequencies of events, which is its exact maximum-likelihood estimate.

        An event that never occurs gets the log-probability -100, since float32 has no logarithm of 0.

        Args:
            x: events, `[n, *event_shape]`.

        Raises:
            ValueError: if the events are not valid, or the model is conditional.
        """
        checks.condition_given(self.condition, None)
        x = inputs.array(x, 'events')
        checks.events(self, x)
        indices = np.asarray(self.to_chain(x)).astype(int) @ self._levels ** np.arange(self.num_sites)[::-1]
        frequencies = np.bincount(indices, minlength=self._levels ** self.num_sites) / len(x)
        logs = np.log(np.where(frequencies > 0, frequencies, 1))
        logs = np.where(frequencies > 0, logs, LOG_OF_NOTHING)
        self.logits.assign(logs[1:] - logs[0])

    def _marginals(self, condition):
        """Unnormalised log-probabilities of all beginnings of events, the shorter ones first: `[batch or 1, …]`."""
        logits = self.logits + self.condition_bias(self.encode_condition(condition))
        table = ops.cast(ops.pad(logits, [[0, 0], [1, 0]]), 'float32')
        tables = [table]
        for _ in range(self.num_sites - 1):
            table = ops.logsumexp(ops.reshape(table, (-1, table.shape[1] // self._levels, self._levels)), axis=-1)
            tables.insert(0, table)
        return ops.concatenate(tables, axis=1)

    def _of_beginnings(self, marginals, places):
        """The output's parameters, given where the tables of all values after a beginning start: `[batch, n]`."""
        places = ops.expand_dims(places, -1) + ops.arange(self._levels, dtype='int32')
        marginals = ops.broadcast_to(marginals, (ops.shape(places)[0], marginals.shape[1]))
        logits = ops.take_along_axis(marginals, ops.reshape(places, (ops.shape(places)[0], -1)), axis=1)
        logits = ops.reshape(logits, ops.shape(places))
        return logits if self.output.num_parameters > 1 else logits[..., 1:] - logits[..., :1]

    def parameters(self, x: tf.Tensor, condition: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        values = ops.cast(self.to_chain(x), 'int32')[:, :-1]
        beginnings = [ops.zeros_like(values[:, 0]) if self.num_sites > 1 else ops.zeros((ops.shape(x)[0],), 'int32')]
        for position in range(self.num_sites - 1):
            beginnings.append((beginnings[-1] + values[:, position]) * self._levels)
        places = ops.stack(beginnings, axis=1) + self._starts
        return self.from_chain(self._of_beginnings(self._marginals(condition), places))

    def initial_state(self, batch_size: int, condition: tf.Tensor | None = None, seed=None):
        return self._marginals(condition), ops.zeros((batch_size,), 'int32')

    def step(self, state, position: tf.Tensor, previous: tf.Tensor):
        marginals, beginning = state
        moved = (beginning + ops.cast(previous, 'int32')) * self._levels
        beginning = ops.where(position > 0, moved, beginning)
        place = beginning + ops.take(self._starts, position)
        return self._of_beginnings(marginals, place[:, None])[:, 0], (marginals, beginning)
