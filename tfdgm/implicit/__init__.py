"""Models of which one can draw, and that have no density: adversarial ones, autoencoders, and Markov chains."""

from tfdgm.implicit.aae import AAE
from tfdgm.implicit.adversarial import AdversarialModel
from tfdgm.implicit.autoencoder import MatchingAutoencoder
from tfdgm.implicit.cycle_gan import CycleGAN
from tfdgm.implicit.distribution import ImplicitDistribution
from tfdgm.implicit.gan import GAN
from tfdgm.implicit.generator import GeneratorModel
from tfdgm.implicit.gsn import GSN, ChainDistribution
from tfdgm.implicit.wae import WAE
from tfdgm.implicit.wgan import WGAN

__all__ = ['AAE', 'GAN', 'GSN', 'WAE', 'WGAN', 'AdversarialModel', 'ChainDistribution', 'CycleGAN', 'GeneratorModel',
           'ImplicitDistribution', 'MatchingAutoencoder']
