"""Layers of units, each with weights to the next: the part that RBM and DBM share, of sums, fields and Gibbs steps."""

import numpy as np
import tensorflow as tf
from keras import ops

from tfdgm import random

# Up to how many states of one side a sum goes over all of them, and how many of them at once.
MOST_STATES, STATES_AT_ONCE = 2**20, 2**12


class Layers:
    """Mixed into a model with layers of units: 0 are the visible ones, 1, 2, … the hidden ones.

    Units are connected with those of the layers beside theirs only. So the even layers, `even`, are independent given
    the odd ones, `odd`: each a list of arrays `[n, units]`, of which the first of `even` are the features of events.

    The model has `visible`, `hidden_layers` (how many units each has), `kernel(index)` and `biases()`.
    """

    @property
    def sizes(self) -> tuple:
        """How many numbers each layer has."""
        return self.visible.num_features, *self.hidden_layers

    def _field(self, layer, even, odd, biases):
        """What the layers beside one add up to for it: `[n, units]`, float32."""
        def values(index):
            return (odd if index % 2 else even)[index // 2]

        total = biases[layer]
        if layer > 0:
            total += self.product(values(layer - 1), self.kernel(layer - 1))
        if layer < len(self.hidden_layers):
            total += self.product(values(layer + 1), self.kernel(layer), transpose=True)
        return total

    def product(self, values: tf.Tensor, kernel, transpose: bool = False) -> tf.Tensor:
        """Values times a kernel, in the precision in which the model computes, as float32."""
        factors = ops.cast(values, self.compute_dtype), ops.cast(kernel, self.compute_dtype)
        return ops.cast(tf.matmul(*factors, transpose_b=transpose), 'float32')

    def odd_fields(self, even: list, biases: list) -> list:
        """The fields of the odd layers given the even ones."""
        return [self._field(layer, even, None, biases) for layer in range(1, len(self.sizes), 2)]

    def even_fields(self, odd: list, biases: list) -> list:
        """The fields of the even layers given the odd ones."""
        return [self._field(layer, None, odd, biases) for layer in range(0, len(self.sizes), 2)]

    # Sums ------------------------------------------------------------------------------------------------------------

    def log_sum_over_odd(self, x: tf.Tensor, even: list, odd_fields: list, biases: list) -> tf.Tensor:
        """The logarithm of the sum of exp(-energy) over the odd layers, given events `[n, sites]` and even layers."""
        total = self.visible.log_measure(x)
        total += sum(ops.sum(values * bias, axis=1) for values, bias in zip(even, biases[::2]))
        return total + sum(ops.sum(ops.softplus(field), axis=1) for field in odd_fields)

    def log_sum_over_even(self, odd: list, even_fields: list, biases: list, temperature: float | tf.Tensor = 1.,
                          base: tf.Tensor | float = 0.) -> tf.Tensor:
        """The same over the even layers, events among them.

        With an inverse temperature below 1, of a distribution between the model and one in which units are independent
        of each other: the visible ones in the field `base`, the others fair coins.
        """
        visible, *others = even_fields
        total = self.visible.log_sum(temperature * visible + (1 - temperature) * base)
        total += temperature * sum(ops.sum(values * bias, axis=1) for values, bias in zip(odd, biases[1::2]))
        return total + sum(ops.sum(ops.softplus(temperature * field), axis=1) for field in others)

    # Gibbs steps -----------------------------------------------------------------------------------------------------

    def draw_events(self, field: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Events given the field of the visible units: `[n, sites]`."""
        shape = ops.shape(field)[0], self.num_sites, self.output.num_uniforms
        return self.visible.draw(field, random.uniforms(shape, seed))

    def draw_even(self, fields: list, seed: tf.Tensor, known=None) -> tuple:
        """Events `[n, sites]`, and the even layers, given their fields.

        Args:
            fields: of the even layers.
            seed: a stateless seed.
            known: None, or a part of the events and where it is, both `[n, sites]`.
        """
        seeds = random.split(seed, len(fields))
        x = self.draw_events(fields[0], seeds[0])
        if known is not None:
            x = ops.where(known[1] == 1, known[0], x)
        return x, [self.visible.features(x), *map(coins, fields[1:], seeds[1:])]

    def draw_odd(self, fields: list, seed: tf.Tensor) -> list:
        """The odd layers, given their fields."""
        return list(map(coins, fields, random.split(seed, len(fields))))

    def gibbs_step(self, odd: list, biases: list, seed: tf.Tensor, known=None) -> tuple:
        """Events drawn given the odd layers, and the odd layers drawn given them."""
        even_seed, odd_seed = random.split(seed, 2)
        x, even = self.draw_even(self.even_fields(odd, biases), even_seed, known)
        return x, self.draw_odd(self.odd_fields(even, biases), odd_seed)

    def after_steps(self, odd: list, biases: list, num_steps, seed: tf.Tensor, known=None) -> list:
        """The odd layers after some steps."""
        def body(index, *odd):
            return index + 1, *self.gibbs_step(list(odd), biases, random.fold_in(seed, index), known)[1]

        shapes = tf.TensorShape([]), *(values.shape for values in odd)
        return list(tf.while_loop(
            lambda index, *odd: index < num_steps, body, (0, *odd), shape_invariants=shapes)[1:])

    # Everything ------------------------------------------------------------------------------------------------------

    @property
    def sides(self) -> dict:
        """How many states the odd layers have, and the even ones if events are discrete: by name."""
        odd, even = (sum(self.hidden_layers[start::2]) for start in (0, 1))
        sides = {'odd': 2**odd}
        if self.support.is_discrete:
            sides['even'] = 2**even * self.support.levels**self.num_sites
        return sides

    def log_sums_of_states(self, side: str, indices: tf.Tensor) -> tf.Tensor:
        """Of some states of one side, by their indices `[n]`, the logarithms of the sums over the other side."""
        biases = self.biases()
        if side == 'odd':
            odd = digits_of(indices, 2, *self.hidden_layers[::2])
            return self.log_sum_over_even(odd, self.even_fields(odd, biases), biases)
        coins_of_even = self.hidden_layers[1::2]
        hidden = digits_of(indices, 2, *coins_of_even)
        x, = digits_of(indices // 2**sum(coins_of_even), self.support.levels, self.num_sites)
        even = [self.visible.features(x), *hidden]
        return self.log_sum_over_odd(x, even, self.odd_fields(even, biases), biases)

    def log_sum_over_all(self) -> float:
        """log Z, by a sum over the states of the side that has fewer."""
        side, count = min(self.sides.items(), key=lambda item: item[1])
        parts = []
        for start in range(0, count, STATES_AT_ONCE):
            indices = tf.range(start, min(start + STATES_AT_ONCE, count))
            parts.append(self.run(self.log_sums_of_states, side, indices, jit_compile=False).numpy())
        return float(np.logaddexp.reduce(np.concatenate(parts).astype('float64')))


def coins(field: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Binary units drawn given their field: `[n, units]`, float32."""
    return ops.cast(random.uniforms(ops.shape(field), seed) < ops.sigmoid(field), 'float32')


def digits_of(indices: tf.Tensor, base: int, *counts: int) -> list:
    """Integers as digits in a base, the lowest first, in groups of so many: float32 `[n, count]` each."""
    powers = [base**place for place in range(sum(counts))]
    digits = tf.cast(indices[:, None] // tf.constant(powers, indices.dtype, (1, len(powers))) % base, tf.float32)
    return tf.split(digits, counts, axis=1) if counts else []
