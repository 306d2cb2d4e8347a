"""What people do with a density: classify, reject, complete, compress."""

from tfdgm.applications.bayes import BayesClassifier
from tfdgm.applications.completing import Completion, complete
from tfdgm.applications.compression import compress, decompress
from tfdgm.applications.outliers import OutlierDetector

__all__ = ['BayesClassifier', 'Completion', 'OutlierDetector', 'complete', 'compress', 'decompress']
