"""Models with latent variables, whose likelihood has a bound: p(x) = ∫ p(x | z) p(z) dz."""

from tfdgm.latent.hierarchical_vae import HierarchicalVAE
from tfdgm.latent.model import Draws, Elbo, LatentVariableModel
from tfdgm.latent.objectives import ELBO, DoublyReparameterized, ImportanceWeighted
from tfdgm.latent.priors import VampPrior
from tfdgm.latent.vae import VAE
from tfdgm.latent.warm_up import KLWarmUp

__all__ = ['ELBO', 'VAE', 'DoublyReparameterized', 'Draws', 'Elbo', 'HierarchicalVAE', 'ImportanceWeighted', 'KLWarmUp',
           'LatentVariableModel', 'VampPrior']
