"""Markov chains as a way to sample: what models have in common whose samples are states of them."""

import abc
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfdgm import checks, random
from tfdgm.distribution import condition_tensor


class HasChains(abc.ABC):
    """Mixed into a `GenerativeModel` that samples by Markov chains, which have forgotten their start after `burn_in`.

    A subclass implements `start_events` and `states`.
    """

    # What to do where chains have left all numbers.
    if_diverged = 'its weights have grown too large. Train again, at a lower learning rate.'

    @abc.abstractmethod
    def start_events(self, num_chains: int, seed: tf.Tensor) -> tf.Tensor:
        """Where chains start if nobody says: `[num_chains, *event_shape]`."""

    @abc.abstractmethod
    def states(self, num_steps: int, thinning: int, x: tf.Tensor, condition: tf.Tensor | None,
               seed: tf.Tensor) -> tf.Tensor:
        """States of chains that start from events: `[num_steps, batch, *event_shape]`, `thinning` steps apart."""

    def chain(self, num_steps: int, num_chains: int = 1, *, start: ArrayLike | None = None, burn_in: int = 0,
              thinning: int = 1, condition: ArrayLike | None = None, seed: int | tf.Tensor | None = None) -> tf.Tensor:
        """States of chains, one after the other: `[num_steps, num_chains, *event_shape]`.

        `tfdgm.evaluation.mixing` says of them how far they depend on each other.

        Args:
            num_steps: how many states of each chain.
            num_chains: how many chains; as many as there are events in `start`, if that is given.
            start: the events that they start from, `[num_chains, *event_shape]`; None for the model's own.
            burn_in: how many steps at least come before the first state, in multiples of `thinning`.
            thinning: how many steps there are from one state to the next.
            condition: of a conditional model, one for each chain.
            seed: an integer, a stateless seed, or None.

        Raises:
            ValueError: if an argument is not of its kind.
            RuntimeError: if the chains diverge.
        """
        num_steps, burn_in = checks.integer(num_steps, 'num_steps'), checks.integer(burn_in, 'burn_in', 0)
        thinning = checks.integer(thinning, 'thinning')
        seeds = random.split(random.stateless_seed(seed), 2)
        condition = condition_tensor(self.condition, condition)
        if start is None:
            start = self.start_events(checks.integer(num_chains, 'num_chains'), seeds[0])
        else:
            checks.events(self, start)
            start = tf.convert_to_tensor(start, tf.float32)
            if num_chains not in (1, len(start)):
                raise ValueError(f'There is a chain for each event of start, which are {len(start)}, and num_chains is '
                                 f'{num_chains}: leave it out.')
        if condition is not None and condition.shape[0] != start.shape[0]:
            raise ValueError(f'Expected one condition for each of the {start.shape[0]} chains, got '
                             f'{condition.shape[0]}.')
        skipped = -(-burn_in // thinning)
        states = self.run(self.states, num_steps + skipped, thinning, start, condition, seeds[1],
                          jit_compile=self.uses_xla(self.samples_with_xla))
        return finite(self, states[skipped:])


class ChainSampling:
    """Mixed into the `ModelDistribution` of a model with chains: its samples are their states."""

    def sample(self, sample_shape: int | Sequence[int] | tf.Tensor = (), seed: int | tf.Tensor | None = None,
               name: str = 'sample', burn_in: int | None = None, thinning: int | None = None) -> tf.Tensor:
        """`tfd.Distribution.sample`: by default, the last state of a chain of its own for each sample.

        Args:
            sample_shape: how many events, an integer or a shape.
            seed: an integer, a stateless seed, or None.
            name: a name for its operations.
            burn_in: after how many steps a chain is taken to have forgotten where it started; None for the model's.
            thinning: None; or samples are states of one chain for each condition, so many steps apart.

        Returns:
            `[*sample_shape, *batch_shape, *event_shape]`, float32.

        Raises:
            ValueError: if an argument is not of its kind.
            RuntimeError: if the chains diverge.
        """
        if thinning is None:
            return self.last_states(sample_shape, seed, name, burn_in)
        checks.sample_shape(sample_shape)
        shape = tf.get_static_value(tf.convert_to_tensor(sample_shape, tf.int32))
        if shape is None:
            raise ValueError('Samples from one chain are of a number that is known when a tf.function is traced: '
                             'sample_shape must be an integer or a shape, or leave thinning out.')
        shape = np.reshape(shape, -1).tolist()
        if 0 in shape:
            return tf.zeros((*shape, *self.batch_shape, *self._model.event_shape))
        condition = None if self._condition is None else tf.reshape(
            self.condition, (-1, *self._model.condition.shape))
        chain = self._model.chain(
            int(np.prod(shape)), 1 if condition is None else len(condition), burn_in=self.steps(burn_in),
            thinning=thinning, condition=condition, seed=seed)
        return tf.reshape(chain, (*shape, *self.batch_shape, *self._model.event_shape))

    def last_states(self, sample_shape, seed, name, burn_in, known=()):
        """The last states of chains, a chain for each; what else the model's `sample` takes is `known`."""
        checks.sample_shape(sample_shape)
        return finite(self._model, super().sample(
            sample_shape, seed, name, given=(tf.constant(self.steps(burn_in)), *known)))

    def steps(self, burn_in: int | None) -> int:
        """After how many steps a state is a sample."""
        return self._model.burn_in if burn_in is None else checks.integer(burn_in, 'burn_in')


def finite(model: HasChains, states: tf.Tensor) -> tf.Tensor:
    """The states of chains; raises if they diverged, outside of a `tf.function`."""
    if tf.executing_eagerly() and not np.all(np.isfinite(states)):
        raise RuntimeError(f'The chains of this {type(model).__name__} diverged: {model.if_diverged}')
    return states
