"""Networks that people give: Keras models in the place of a system's own."""

import keras
import tensorflow as tf

from tfdgm import checks
from tfdgm.networks.dense import shape_of

# Activations with bounds, and layers that change no number.
SQUASHING = ('sigmoid', 'hard_sigmoid', 'softmax', 'log_sigmoid', 'log_softmax', 'softplus', 'tanh', 'hard_tanh',
             'softsign')
MOVING = keras.layers.Reshape, keras.layers.Flatten, keras.layers.Permute, keras.layers.Dropout


def shape_given(network: keras.Model, name: str, shape: tuple, condition_features: int) -> tuple:
    """The shape of what a Keras model makes of one value of a shape, and of so many features of a condition.

    Raises:
        ValueError: if it is no Keras model, or does not take these.
    """
    checks.instance(network, keras.Model, name, 'a keras.Model')
    inputs = getattr(network, 'inputs', None)  # Which is known once a model has been built from them.
    if inputs and len(inputs) != (2 if condition_features else 1):
        wanted = 'two inputs, the second the features of the condition' if condition_features else (
            'one input, for the model has no condition')
        raise ValueError(f'The {name} should take {wanted}; it takes {len(inputs)}.')
    outputs = getattr(network, 'outputs', None)
    if outputs and len(outputs) != 1:
        raise ValueError(f'The {name} should give one array; it gives {len(outputs)}.')
    try:
        return shape_of(network, shape, condition_features)[1:]
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        raise ValueError(f'The {name} should take arrays of shape {(None, *shape)}'
                         f'{f" and {(None, condition_features)}" if condition_features else ""}: {error}') from error


def refuse_squashed(network: keras.Model, name: str, what: str, why: str = 'become probabilities where needed'):
    """Raises if a Keras model ends in an activation with bounds, where any real numbers are due."""
    activation = last_activation(network)
    if activation in SQUASHING:
        raise ValueError(f'The {name} ends in a {activation}: it should give {what}, any real numbers, which {why}. '
                         'Leave the activation out.')


def last_activation(network) -> str:
    """The name of the activation that a Keras model ends in, before layers that only move numbers; else ''."""
    operations = getattr(network, 'operations', None) or getattr(network, 'layers', None) or []
    for operation in reversed(operations):
        if isinstance(operation, keras.Model):
            return last_activation(operation)
        if not isinstance(operation, MOVING):
            activation = getattr(operation, 'activation', None)
            return getattr(activation, '__name__', '') or type(operation).__name__.lower()
    return ''
