"""What TensorFlow and Keras keep private and there is no public way to: all of it is here.

`tests/test_internals.py` fails where a new version of theirs changes it.
"""

import keras
from tensorflow.python.eager import record


def tape_may_watch() -> bool:
    """Whether some gradient tape might record what is computed now.

    It decides whether many events are scored in pieces, and whether XLA may compile what draws them: a gradient could
    not take the values of its loops out of an XLA function.
    """
    return record.could_possibly_record()


def without_tapes():
    """A context in which no gradient tape records."""
    return record.stop_recording()


def is_from_fit(arguments: dict) -> bool:
    """Whether Keras calls `evaluate` with these arguments from `fit`, which has checked them before."""
    return bool(arguments.get('_use_cached_eval_dataset'))


def layers_within(layer: keras.layers.Layer) -> list:
    """The Keras layers that are parts of another one, at any depth."""
    return list(layer._flatten_layers(include_self=False))


def models_within(model: keras.Model) -> list:
    """The Keras models that are parts of another one, at any depth."""
    return [layer for layer in layers_within(model) if isinstance(layer, keras.Model)]


class Checkpointed:
    """Mixed into a `keras.Model`: `tf.train.Checkpoint` sees all its variables.

    By itself it does not look into the Python lists in which Keras keeps layers and weights.
    """

    def _trackable_children(self, save_type='checkpoint', **kwargs):
        children = super()._trackable_children(save_type, **kwargs)
        if save_type == 'checkpoint':
            children.update({f'variable_{index}': variable.value for index, variable in enumerate(self.variables)})
        return children
