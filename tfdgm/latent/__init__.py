"""Models with latent variables, whose likelihood has a bound: p(x) = ∫ p(x | z) p(z) dz."""

from tfdgm.latent.annealing import annealed_importance_sampling
from tfdgm.latent.autoencoding import AutoencodingModel, Elbo
from tfdgm.latent.codebook import Codebook
from tfdgm.latent.hierarchical_vae import HierarchicalVAE
from tfdgm.latent.model import Draws, LatentVariableModel
from tfdgm.latent.objectives import ELBO, DoublyReparameterized, ImportanceWeighted
from tfdgm.latent.priors import VampPrior
from tfdgm.latent.vae import VAE
from tfdgm.latent.vq_vae import VQVAE
from tfdgm.latent.warm_up import KLWarmUp

__all__ = ['ELBO', 'VAE', 'VQVAE', 'AutoencodingModel', 'Codebook', 'DoublyReparameterized', 'Draws', 'Elbo',
           'HierarchicalVAE', 'ImportanceWeighted', 'KLWarmUp', 'LatentVariableModel', 'VampPrior',
           'annealed_importance_sampling']
