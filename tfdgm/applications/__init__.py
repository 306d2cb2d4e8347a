"""What people do with a density: classify, reject, complete, augment, compress."""

from tfdgm.applications.augmentation import augment
from tfdgm.applications.bayes import BayesClassifier
from tfdgm.applications.completing import Completion, complete
from tfdgm.applications.compression import compress, decompress
from tfdgm.applications.conditioning import ClassifiedDistribution, Conditioned, condition_by_classifier
from tfdgm.applications.features import Features
from tfdgm.applications.outliers import OutlierDetector

__all__ = ['BayesClassifier', 'ClassifiedDistribution', 'Completion', 'Conditioned', 'Features', 'OutlierDetector',
           'augment', 'complete', 'compress', 'condition_by_classifier', 'decompress']
