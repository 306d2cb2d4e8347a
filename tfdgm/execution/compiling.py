"""Compiling: what XLA compiles of a model, and what it does not."""

import contextlib
import math

import tensorflow as tf

# How many numbers the variables of a model have on average, from where on XLA pays in updating them.
LARGE = 2**14


class Compiling:
    """Mixed into a `Trainer`: chooses XLA or TensorFlow's own kernels, for each kind of work."""

    # Whether XLA compiles where nobody says otherwise. On CPUs it is left out where TensorFlow's own kernels are faster
    # in steps of training, in scoring or in sampling: `benchmarks/xla.py` measures it.
    xla = trains_with_xla = scores_with_xla = samples_with_xla = True

    def _chooses_xla(self, is_faster: bool) -> bool:
        """Whether 'auto' means XLA, for something that is faster by it on CPUs, or is not."""
        distributed = tf.distribute.has_strategy() or self._is_distributed
        return self.xla and not distributed and (is_faster or bool(tf.config.list_physical_devices('GPU')))

    def uses_xla(self, is_faster: bool) -> bool:
        """Whether XLA compiles something other than training: as `compile` was told, or chosen as there."""
        if self._asked_jit_compile == 'auto':
            return not self.run_eagerly and self._chooses_xla(is_faster)
        return bool(self._asked_jit_compile)

    def compiled_part(self, function):
        """A function of tensors for use inside a `train_step`, compiled by XLA where training is.

        The step around it is not: XLA has no assertions, and the guard needs one.
        """
        if self.run_eagerly or not self.jit_compile:
            return function
        return tf.function(function, jit_compile=True, autograph=False)

    def compiled_update(self, weights: list):
        """What compiles an optimizer's update of weights: XLA, in training by it, but on CPUs if they are small.

        One program that reads and writes each once pays where memory is what takes the time; many small ones are
        updated as fast without, and it takes seconds to compile.
        """
        large = sum(math.prod(weight.shape) for weight in weights) >= LARGE * len(weights)
        return self.compiled_part if large or tf.config.list_physical_devices('GPU') else lambda function: function

    @contextlib.contextmanager
    def _compiling(self, jit_compile):
        """Lets Keras make one of its functions with XLA or without, whatever the others have."""
        jit_compile, self.jit_compile = self.jit_compile, jit_compile
        try:
            yield
        finally:
            self.jit_compile = jit_compile
