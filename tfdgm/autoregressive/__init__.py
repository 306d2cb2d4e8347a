"""Exact density by the chain rule."""

from tfdgm.autoregressive.baselines import FVSBN, Independent, MarkovChain
from tfdgm.autoregressive.made import MADE
from tfdgm.autoregressive.model import AutoregressiveModel
from tfdgm.autoregressive.nade import NADE
from tfdgm.autoregressive.pixel_cnn import GatedPixelCNN, PixelCNN
from tfdgm.autoregressive.pixel_cnn_pp import PixelCNNPlusPlus
from tfdgm.autoregressive.pixel_rnn import PixelRNN

__all__ = [
    'FVSBN', 'MADE', 'NADE', 'AutoregressiveModel', 'GatedPixelCNN', 'Independent', 'MarkovChain', 'PixelCNN',
    'PixelCNNPlusPlus', 'PixelRNN']
