"""Layers whose kernel is divided by its largest singular value."""

import keras
import tensorflow as tf
from keras import ops


class SpectrallyNormalized:
    """Mixed into a Keras layer with a kernel, before its class: no output grows faster than the input.

    The largest singular value of the kernel, as a matrix from all that comes in to what comes out, is found by one step
    of power iteration from the vector of the step before; `iterate` keeps the next. (Keras's own wrapper overwrites the
    kernel while the layer is called, also in steps that are not applied, and its gradient knows nothing of it.)

    Source: T. Miyato, T. Kataoka, M. Koyama and Y. Yoshida, "Spectral normalization for generative adversarial
    networks", 2018 (https://arxiv.org/abs/1802.05957).
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.singular_vector = self.add_weight(
            shape=(super().kernel.shape[-1],), initializer=keras.initializers.RandomNormal(seed=0), trainable=False,
            name='singular_vector')

    def _iterated(self):
        """The kernel as a matrix, and the next estimates of its first singular vectors."""
        matrix = ops.reshape(super().kernel, (-1, super().kernel.shape[-1]))
        left = unit(ops.matmul(matrix, self.singular_vector[:, None]))
        right = unit(ops.matmul(ops.transpose(matrix), left))
        return matrix, ops.stop_gradient(left), ops.stop_gradient(right)

    @property
    def kernel(self):
        """The kernel over its largest singular value."""
        matrix, left, right = self._iterated()
        return super().kernel / ops.sum(left * ops.matmul(matrix, right))

    # Keras's own methods would save the kernel as it is used.
    def save_own_variables(self, store):
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        keras.layers.Layer.load_own_variables(self, store)

    def iterate(self):
        """Takes one step of power iteration."""
        self.singular_vector.assign(self._iterated()[2][:, 0])


def unit(vector: tf.Tensor) -> tf.Tensor:
    """A vector over its length."""
    return vector / (ops.norm(vector) + 1e-12)


class SpectralDense(SpectrallyNormalized, keras.layers.Dense):
    """`keras.layers.Dense`, spectrally normalised."""


class SpectralConvolution(SpectrallyNormalized, keras.layers.Conv2D):
    """`keras.layers.Conv2D`, spectrally normalised."""
