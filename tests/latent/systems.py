"""Small models with latent variables, and ways to know their likelihood exactly."""

import keras
import numpy as np
import tensorflow as tf

import tfdgm
from tests.flows.systems import moved
from tfdgm.outputs import MixtureOfGaussians


@keras.saving.register_keras_serializable('tests')
class LinearGaussian(keras.layers.Layer):
    """The parameters of a normal x given z: locations W z + b, and one scale for all sites.

    With standard normal latents, that is probabilistic principal component analysis.
    """

    def __init__(self, sites, **kwargs):
        super().__init__(**kwargs)
        self.sites = sites

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.sites), initializer='glorot_uniform', name='kernel')
        self.bias = self.add_weight(shape=(self.sites,), initializer='zeros', name='bias')
        self.scale = self.add_weight(shape=(), initializer='zeros', name='scale')

    def call(self, z):
        locations = keras.ops.matmul(z, self.kernel) + self.bias
        rest = keras.ops.zeros_like(locations)
        return keras.ops.stack([rest, locations, rest + self.scale], axis=-1)

    def compute_output_shape(self, shape):
        return *shape[:-1], self.sites, 3

    def get_config(self):
        return {**super().get_config(), 'sites': self.sites}


def linear_gaussian(sites=5, num_latents=2, **kwargs):
    """A model whose likelihood is known in closed form: see `exact_log_prob`."""
    return tfdgm.VAE(
        sites, num_latents=num_latents, output=MixtureOfGaussians(1),
        encoder=keras.Sequential([keras.Input((sites,)), keras.layers.Identity()]),
        decoder=keras.Sequential([keras.Input((num_latents,)), LinearGaussian(sites)]), **kwargs)


def layer_of(model):
    return model.decoding.network.layers[-1]


def noise_scale(model):
    return np.log1p(np.exp(float(layer_of(model).scale))) + 1e-3


def randomise(model, rng):
    """Gives a linear model weights away from their initial values."""
    layer = layer_of(model)
    # Orthogonal columns: only then is the exact posterior one of independent latents.
    rows, sites = layer.kernel.shape
    kernel = np.linalg.qr(rng.normal(size=(sites, rows)))[0].T * rng.uniform(0.5, 1.5, (rows, 1))
    layer.kernel.assign(kernel)
    layer.bias.assign(rng.normal(size=layer.bias.shape))
    layer.scale.assign(0.3)
    return model


def make_posterior_exact(model):
    """Sets the encoder to the exact posterior of a linear model whose kernel has orthogonal rows."""
    layer, variance = layer_of(model), noise_scale(model)**2
    kernel = layer.kernel.numpy()
    precision = np.sum(kernel**2, axis=1) / variance + 1
    weights = kernel.T / (variance * precision)
    posterior = model.posterior_layer
    posterior.means.kernel.assign(weights)
    posterior.means.bias.assign(-layer.bias.numpy() @ weights)
    posterior.scales.kernel.assign(np.zeros_like(weights))
    posterior.scales.bias.assign(np.log(np.expm1(precision**-0.5 - 1e-4)))


def exact_log_prob(model, x):
    """Log-likelihoods of a linear model in closed form, `[batch]`."""
    layer = layer_of(model)
    kernel, sites = layer.kernel.numpy().astype('float64'), x.shape[1]
    covariance = kernel.T @ kernel + noise_scale(model)**2 * np.eye(sites)
    differences = x - layer.bias.numpy()
    squares = np.sum(differences * np.linalg.solve(covariance, differences.T).T, axis=1)
    return -0.5 * (squares + np.linalg.slogdet(covariance)[1] + sites * np.log(2 * np.pi))


def by_quadrature(model, x, points=161, reach=7.):
    """Log-likelihoods of a model with two latents and a standard normal prior, by a sum over a grid of latents."""
    axis = np.linspace(-reach, reach, points, dtype='float32')
    z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    log_prior = model.prior().log_prob(z).numpy() + 2 * np.log(axis[1] - axis[0])
    # All events at each place of the grid.
    likelihood = model.decode(z)
    log_joint = np.stack([likelihood.log_prob(event).numpy() + log_prior for event in x])
    return tf.reduce_logsumexp(log_joint.astype('float64'), axis=1).numpy()


# The models that run through the properties of test_properties.py. ----------------------------------------------------

def features_of(condition):
    return 0 if condition is None else condition.num_features


def policy_of(kwargs):
    """The policy that models within a model are given as well, if it is given one."""
    return {'dtype': kwargs['dtype']} if 'dtype' in kwargs else {}


SYSTEMS = {
    'vae': lambda *args, **kwargs: tfdgm.VAE(*args, num_latents=3, hidden_units=(8,), **kwargs),
    'convolutions': lambda *args, **kwargs: tfdgm.VAE(*args, num_latents=3, filters=4, **kwargs),
    'iwae': lambda *args, **kwargs: tfdgm.VAE(
        *args, num_latents=3, hidden_units=(8,), objective=tfdgm.latent.DoublyReparameterized(3), **kwargs),
    'vamp_prior': lambda *args, **kwargs: tfdgm.VAE(
        *args, num_latents=3, hidden_units=(8,), prior=tfdgm.latent.VampPrior(4), **kwargs),
    'flows': lambda *args, **kwargs: tfdgm.VAE(
        *args, num_latents=3, hidden_units=(8,), prior=tfdgm.MAF(3, blocks=1, hidden_units=(6,), **policy_of(kwargs)),
        posterior=tfdgm.IAF(
            3, blocks=1, hidden_units=(6,), condition=tfdgm.conditions.Vector(5), **policy_of(kwargs)), **kwargs),
    'pixel_vae': lambda *args, output=None, **kwargs: tfdgm.VAE(
        *args, num_latents=3, hidden_units=(8,), decoder=tfdgm.GatedPixelCNN(
            *args, output=output, filters=4, blocks=1, **policy_of(kwargs),
            condition=tfdgm.conditions.Vector(3 + features_of(kwargs.get('condition')))), **kwargs),
    'hierarchical_vae': lambda *args, **kwargs: tfdgm.HierarchicalVAE(
        *args, filters=4, latent_channels=3, stochastic_layers=2, **kwargs),
}

# And one whose latents are codes.
ALL = {**SYSTEMS, 'vq_vae': lambda *args, **kwargs: tfdgm.VQVAE(
    *args, num_codes=5, code_size=3, halvings=1, filters=4, **kwargs)}


def make(system, event_shape=None, *, random_weights=True, **kwargs):
    """Makes a small model and gives it weights away from their initial values, so that nothing holds by accident."""
    model = ALL[system](event_shape or (4, 4, 1), **kwargs)
    if system == 'vq_vae':
        model.codebook.started.assign(1.)
        model.prior_is_fitted.assign(1.)
    return moved(model) if random_weights else model


def some_events(model, count=8):
    """Random events in a model's support."""
    generator = np.random.default_rng(2)
    shape = count, *model.event_shape
    if not model.support.is_discrete:
        return generator.normal(size=shape).astype('float32')
    return generator.integers(model.support.levels, size=shape).astype('float32')
