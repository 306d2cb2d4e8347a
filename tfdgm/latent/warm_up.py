"""KLWarmUp: starts the training of a model with latent variables with little weight on the KL term."""

import keras
from keras.saving import register_keras_serializable

from tfdgm import checks


@register_keras_serializable('tfdgm')
class KLWarmUp(keras.callbacks.Callback):
    """Raises the weight of the KL term linearly from 0 to 1 over the first epochs; after `fit` it is 1 in any case.

    A decoder that is strong early learns to do without latents, and then the posterior stays at the prior.

    Sources: S. Bowman et al., "Generating sentences from a continuous space", 2016 (https://arxiv.org/abs/1511.06349);
    C. Sønderby et al., "Ladder variational autoencoders", 2016 (https://arxiv.org/abs/1602.02282).

    Args:
        epochs: after how many epochs the weight is 1, at least 1. They count from the first of a `fit`, or from its
            `initial_epoch`.

    Raises:
        ValueError: if `epochs` is not an integer of at least 1, or, in `fit`, if the model has no KL term.

    >>> import numpy as np, tfdgm
    >>> model = tfdgm.VAE(4, num_latents=2)
    >>> model.compile()
    >>> _ = model.fit(np.ones([8, 4]), epochs=8, callbacks=[tfdgm.latent.KLWarmUp(4)], verbose=0)
    >>> float(model.kl_weight)
    1.0
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = checks.integer(epochs, 'epochs of KLWarmUp')

    def on_train_begin(self, logs: dict | None = None):
        if not hasattr(self.model, 'kl_weight'):
            raise ValueError(f'KLWarmUp is for models whose objective has a KL term; {type(self.model).__name__} has '
                             'none.')

    def on_epoch_begin(self, epoch: int, logs: dict | None = None):
        self.model.kl_weight.assign(min(1., epoch / self.epochs))

    def on_train_end(self, logs: dict | None = None):
        # What trains or saves the model next knows nothing of this.
        self.model.kl_weight.assign(1.)

    def get_config(self) -> dict:
        return {'epochs': self.epochs}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)
