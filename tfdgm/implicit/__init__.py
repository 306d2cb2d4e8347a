"""Models of which one can draw, and that have no density: adversarial ones."""

from tfdgm.implicit.distribution import ImplicitDistribution
from tfdgm.implicit.gan import GAN
from tfdgm.implicit.model import AdversarialModel
from tfdgm.implicit.wgan import WGAN

__all__ = ['GAN', 'WGAN', 'AdversarialModel', 'ImplicitDistribution']
