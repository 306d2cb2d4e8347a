"""Installs the library `tfdgm`, the pretrained models `zoo` and the command `tfdgm`."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(r"__version__ = '(.+)'", (ROOT / 'tfdgm' / '__init__.py').read_text())[1]

PARQUET = ['pandas>=3.0', 'pyarrow>=23.0']
COMPRESSION = ['constriction>=0.5']
HUB = ['huggingface_hub>=2.4']
DEMO = ['gradio>=6.0']
BEAM = ['apache-beam>=2.77', 'google-crc32c>=1.7']  # The checksums of TFRecords.
TEST = [*PARQUET, *COMPRESSION, *HUB, *DEMO, *BEAM, 'prdc>=0.2', 'pytest>=9.2', 'pytest-xdist>=3.8', 'ruff>=0.17.5']
DOCS = ['sphinx>=9.0', 'furo>=2025.12', 'myst-nb>=1.4', 'playwright>=1.50', 'sphinx-design>=0.7',
        'sphinx-mathjax-offline>=0.0.2']

setup(
    name='tfdgm',
    version=VERSION,
    description='Deep generative models as TensorFlow Probability distributions on Keras 3, with pretrained weights',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=find_packages(include=['tfdgm', 'tfdgm.*', 'zoo']),
    package_data={
        'tfdgm': ['py.typed', 'demo/pad.js'],
        'zoo': ['*/config.json', '*/model.weights.h5', '*/README.md', '*/*.png', '*/*.wav']},
    entry_points={'console_scripts': ['tfdgm=zoo.__main__:main']},
    install_requires=[
        'tensorflow>=2.21',
        'tensorflow-probability>=0.25',
        'tf-keras>=2.21',  # TensorFlow Probability imports it.
        'keras>=3.15.1',
        'tensorflow-datasets>=4.9.10',
        'importlib_resources>=7.1',  # TensorFlow Datasets imports it without saying so.
        'numpy>=2.4',
        'scikit-learn>=1.9',
        'scipy>=1.17',
        'pot>=0.9.7',
        'matplotlib>=3.11',
        'h5py>=3.14',
        'pillow>=12.0',
        'psutil>=7.2',
        'tqdm>=4.67',
        'typer>=0.29',
        'rich>=15.0',
    ],
    extras_require={
        'test': TEST,
        'docs': DOCS,
        'compression': COMPRESSION,
        'parquet': PARQUET,
        'hub': HUB,
        'demo': DEMO,
        'beam': BEAM,
        'gpu': ['tensorflow[and-cuda]>=2.21'],
    },
)
