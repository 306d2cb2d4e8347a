"""AAE: the adversarial autoencoder, whose latents a critic compares with those of a prior."""

from collections.abc import Sequence

from keras.saving import register_keras_serializable

from tfdgm.implicit.autoencoder import MatchingAutoencoder


@register_keras_serializable('tfdgm')
class AAE(MatchingAutoencoder):
    """The adversarial autoencoder: the encoder rebuilds events, and is to fool a critic that knows the prior's latents.

    Both are one step here, of the squared error and `weight` times -log D of the latents; in the paper they are two,
    one after the other. The metric `js` is the critic's estimate, from below, of the Jensen-Shannon divergence between
    the latents of the data and the prior, in nats; `reconstruction` is the squared error of an event, summed over its
    sites.

    Source: A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow and B. Frey, "Adversarial autoencoders", 2016
    (https://arxiv.org/abs/1511.05644), with deterministic encoders; a condition as in their section 4.

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.AAE((8, 8, 1), levels=17, num_latents=2, hidden_units=(16,))
    >>> model.compile()
    >>> history = model.fit(np.ones([32, 8, 8, 1]), verbose=0)
    >>> sorted(history.history), model.encode(np.ones([1, 8, 8, 1])).shape
    (['generator_loss', 'js', 'loss', 'reconstruction'], TensorShape([1, 2]))

    Args:
        event_shape: shape of one event.
        num_latents: how many latents.
        weight: the weight of -log D of the latents.
        **kwargs: see `MatchingAutoencoder`.

    Raises:
        ValueError: if an argument is not of its kind, or parts don't fit each other.
    """

    measured_terms = 'reconstruction', 'js'

    def __init__(self, event_shape: int | Sequence[int], *, num_latents: int = 8, weight: float = 10., **kwargs):
        super().__init__(event_shape, num_latents=num_latents, weight=weight, **kwargs)
