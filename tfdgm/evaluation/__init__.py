"""What a trained model is worth: figures of held-out data, and pictures of samples."""

from tfdgm.evaluation import evaluate, pictures

__all__ = ['evaluate', 'pictures']
