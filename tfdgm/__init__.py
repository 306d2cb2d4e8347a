"""Deep generative models as TensorFlow Probability distributions, on Keras 3."""

from tfdgm import (
    applications,
    boltzmann,
    conditions,
    data,
    errors,
    flows,
    implicit,
    latent,
    outputs,
    pretrained,
    random,
)
from tfdgm.autoregressive import (
    FVSBN,
    MADE,
    NADE,
    AutoregressiveModel,
    CausalTransformer,
    FullTable,
    GatedPixelCNN,
    Independent,
    MarkovChain,
    PixelCNN,
    PixelCNNPlusPlus,
    PixelRNN,
    RecurrentModel,
    WaveNet,
)
from tfdgm.boltzmann import DBM, RBM, EnergyModel
from tfdgm.data import planes, sound, tables
from tfdgm.density import DensityModel
from tfdgm.distribution import DensityDistribution, ModelDistribution
from tfdgm.evaluation import Classifier, evaluate, pictures
from tfdgm.flows import FFJORD, IAF, MAF, NICE, AffineCouplingFlow, FlowModel, Glow, NeuralSplineFlow, RealNVP
from tfdgm.implicit import AAE, GAN, GSN, WAE, WGAN, CycleGAN
from tfdgm.latent import VAE, VQVAE, HierarchicalVAE
from tfdgm.latent_space import LatentSpace
from tfdgm.model import GenerativeModel, Model
from tfdgm.pretrained import training

__version__ = '0.1.0'

__all__ = [
    'AAE',
    'DBM',
    'FFJORD',
    'FVSBN',
    'GAN',
    'GSN',
    'IAF',
    'MADE',
    'MAF',
    'NADE',
    'NICE',
    'RBM',
    'VAE',
    'VQVAE',
    'WAE',
    'WGAN',
    'AffineCouplingFlow',
    'AutoregressiveModel',
    'CausalTransformer',
    'Classifier',
    'CycleGAN',
    'DensityDistribution',
    'DensityModel',
    'EnergyModel',
    'FlowModel',
    'FullTable',
    'GatedPixelCNN',
    'GenerativeModel',
    'Glow',
    'HierarchicalVAE',
    'Independent',
    'LatentSpace',
    'MarkovChain',
    'Model',
    'ModelDistribution',
    'NeuralSplineFlow',
    'PixelCNN',
    'PixelCNNPlusPlus',
    'PixelRNN',
    'RealNVP',
    'RecurrentModel',
    'WaveNet',
    'applications',
    'boltzmann',
    'conditions',
    'data',
    'errors',
    'evaluate',
    'flows',
    'implicit',
    'latent',
    'outputs',
    'pictures',
    'planes',
    'pretrained',
    'random',
    'sound',
    'tables',
    'training',
]
