"""Classifier: p(label | event), whose last hidden layer gives features by which samples are compared."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import ops
from keras.saving import register_keras_serializable
from numpy.typing import ArrayLike

from tfdgm import checks, exporting
from tfdgm.conditions import Label
from tfdgm.execution import pieces
from tfdgm.layers import Standardization, dense
from tfdgm.model import Model
from tfdgm.networks.autoencoders import convolves, encoder_of
from tfdgm.networks.dense import called
from tfdgm.support import Support, support_of


@register_keras_serializable('tfdgm')
class Classifier(Model):
    """A classifier, p(label | event), by whose last hidden layer samples can be compared with data.

    `fit`, `evaluate`, saving and recipes are those of all models. The loss is the cross-entropy in nats.

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.Classifier((8, 8, 1), levels=17, condition=tfdgm.conditions.Label(10), filters=4)
    >>> model.compile()
    >>> sorted(model.fit(np.ones([20, 8, 8, 1]), np.arange(20) % 10, verbose=0).history)
    ['accuracy', 'loss']
    >>> model.features(np.ones([3, 8, 8, 1])).shape, model.classify(np.ones([3, 8, 8, 1])).shape
    (TensorShape([3, 256]), TensorShape([3]))

    Args:
        event_shape: shape of one event.
        condition: the `Label` that is to be told.
        levels: how many values a site can take, for integers 0 … levels-1; None for real values, see `adapt`.
        hidden_units: the widths of dense networks; None has images go through residual convolutions.
        filters: how many channels convolutions have at the finest scale.
        blocks: how many residual blocks there are at each scale.
        dropout: the dropout rate of the features.
        seed: of the dropout, an integer from 0; None draws one.
        **kwargs: `name`, `dtype` and `trainable`.

    Raises:
        ValueError: if an argument is not of its kind.
    """

    def __init__(self, event_shape: int | Sequence[int], *, condition: Label, levels: int | None = None,
                 hidden_units: Sequence[int] | None = None, filters: int = 32, blocks: int = 1, dropout: float = 0.5,
                 seed: int | None = 0, **kwargs):
        super().__init__(event_shape, condition=condition, **kwargs)
        checks.instance(condition, Label, 'condition', 'tfdgm.conditions.Label(10)')
        self.levels = None if levels is None else checks.integer(levels, 'levels', 2)
        self.hidden_units = None if hidden_units is None else checks.integers(hidden_units, 'hidden_units')
        self.filters = checks.integer(filters, 'filters')
        self.blocks = checks.integer(blocks, 'blocks', 0)
        self.dropout = checks.rate(dropout, 'dropout')
        self.seed = checks.seed(seed)
        self.standardization = None if self.support.is_discrete else Standardization(
            self.event_shape, dtype='float32', name='standardization')
        self.network, units = encoder_of(
            None, self.event_shape, 0, hidden_units=self.hidden_units, filters=self.filters, blocks=self.blocks,
            activation='relu', name='network', dtype=self.dtype_policy)
        self.dropout_layer = keras.layers.Dropout(self.dropout, seed=self.seed, name='dropout_layer')
        self.last = dense(units, condition.num_classes, 'last', self.dtype_policy)
        self.accuracy_tracker = keras.metrics.Mean(name='accuracy')
        self.built = True

    @property
    def trains_with_xla(self) -> bool:
        """On CPUs, XLA pays for dense networks; TensorFlow's own kernels train convolutions faster."""
        given = self._arguments  # Keras's constructor asks before the attributes are there.
        return not convolves(checks.event_shape(given['event_shape']), given['hidden_units'])

    scores_with_xla = False

    @property
    def support(self) -> Support:
        return support_of(self.levels)

    def features_of(self, x: tf.Tensor) -> tf.Tensor:
        """`features`, of tensors: float32 `[batch, *event_shape]` -> `[batch, units]`."""
        x = x / (self.levels - 1) if self.standardization is None else self.standardization(x)[0]
        return ops.cast(called(self.network, ops.cast(x, self.compute_dtype), None), 'float32')

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The logits of all labels: `[batch, *event_shape]` -> `[batch, num_classes]`, float32."""
        features = self.dropout_layer(self.features_of(ops.cast(x, 'float32')), training=training)
        return ops.cast(self.last(features), 'float32')

    def features(self, x: ArrayLike) -> tf.Tensor:
        """What the last hidden layer makes of events: `[batch, *event_shape]` -> `[batch, units]`.

        Raises:
            ValueError: if the events are not valid.
        """
        return self._in_pieces(self.features_of, x)

    def classify(self, x: ArrayLike) -> tf.Tensor:
        """The most probable labels of events: `[batch, *event_shape]` -> `[batch]`, int32.

        Raises:
            ValueError: if the events are not valid.
        """
        return self.labels_of(self.features(x))

    def log_prob_of_labels(self, x: ArrayLike) -> tf.Tensor:
        """log p(label | event) of all labels, in nats: `[batch, *event_shape]` -> `[batch, num_classes]`.

        Raises:
            ValueError: if the events are not valid.
        """
        return ops.log_softmax(self._in_pieces(self.call, x))

    def labels_of(self, features: ArrayLike) -> tf.Tensor:
        """The most probable labels of what `features` gave: `[batch, units]` -> `[batch]`, int32."""
        return ops.argmax(self.last(ops.convert_to_tensor(features, 'float32')), axis=-1)

    def signatures(self, jit_compile: bool | str = 'auto') -> dict[str, exporting.Signature]:
        def of_events(function, output):
            return exporting.mapping(self, lambda x, condition: function(x), 'events', self.event_shape, self.support,
                                     output, conditional=False)

        return {'log_prob_of_labels': of_events(lambda x: ops.log_softmax(self(x)), 'log_probs'),
                'features': of_events(self.features_of, 'features')}

    def _in_pieces(self, method, x):
        checks.events(self, x)
        return pieces.score(lambda batch, _: self.run(method, batch, jit_compile=False),
                            tf.convert_to_tensor(x, tf.float32), None, pieces.size_of(self.num_sites))

    def terms(self, x: tf.Tensor, condition: tf.Tensor, training: bool) -> dict:
        """The cross-entropy of each event as 'loss', in nats, and whether its label is the most probable."""
        logits = self(self.valid_events(x), training=training)
        losses = -ops.sum(self.encode_condition(condition) * ops.log_softmax(logits), axis=-1)
        return {'loss': losses, 'accuracy': ops.argmax(logits, axis=-1) == ops.cast(condition, 'int32')}

    def training_loss(self, x: tf.Tensor, condition: tf.Tensor | None) -> tf.Tensor:
        return self.training_terms(x, condition)['loss']

    def training_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        return self.terms(x, condition, True)

    def validation_terms(self, x: tf.Tensor, condition: tf.Tensor | None) -> dict:
        return self.terms(x, condition, False)

    def update_metrics(self, terms: dict, x: tf.Tensor, sample_weight: tf.Tensor | None):
        self.accuracy_tracker.update_state(terms['accuracy'], sample_weight)
