"""Models of images: causal layers over pixels in raster order."""

from tfdgm.autoregressive.images.pixel_cnn import GatedPixelCNN, PixelCNN
from tfdgm.autoregressive.images.pixel_cnn_pp import PixelCNNPlusPlus
from tfdgm.autoregressive.images.pixel_rnn import PixelRNN

__all__ = ['GatedPixelCNN', 'PixelCNN', 'PixelCNNPlusPlus', 'PixelRNN']
