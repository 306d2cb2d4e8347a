"""Networks that people give: Keras models in the place of a system's own."""

import keras
import tensorflow as tf

from tfdgm import checks
from tfdgm.networks.dense import shape_of


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
    try:
        return shape_of(network, shape, condition_features)[1:]
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        raise ValueError(f'The {name} should take arrays of shape {(None, *shape)}'
                         f'{f" and {(None, condition_features)}" if condition_features else ""}: {error}') from error


def refuse_squashed(network: keras.Model, name: str, what: str):
    """Raises if a Keras model ends in an activation that leaves it probabilities, where any real numbers are due."""
    layers = getattr(network, 'layers', None)
    activation = getattr(getattr(layers[-1] if layers else None, 'activation', None), '__name__', '')
    if activation in ('sigmoid', 'hard_sigmoid', 'softmax', 'log_sigmoid', 'log_softmax'):
        raise ValueError(f'The {name} ends in a {activation}: it should give {what}, any real numbers, which become '
                         'probabilities where they are needed. Leave the activation out.')
