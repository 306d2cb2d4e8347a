"""Exact density by the chain rule."""

from tfdgm.autoregressive.baselines import FVSBN, Independent, MarkovChain
from tfdgm.autoregressive.made import MADE
from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.autoregressive.nade import NADE
from tfdgm.autoregressive.pixel_cnn import GatedPixelCNN, PixelCNN

__all__ = ['FVSBN', 'MADE', 'NADE', 'AutoregressiveModel', 'GatedPixelCNN', 'Independent', 'MarkovChain', 'PixelCNN']
