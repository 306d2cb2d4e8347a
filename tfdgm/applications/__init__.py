"""What people do with a density: compress."""

from tfdgm.applications.compression import compress, decompress

__all__ = ['compress', 'decompress']
