"""Sphinx's configuration. From the top: `sphinx-build -W --keep-going -b html docs docs/_build/html`."""

import inspect
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))  # For the extension `gallery`.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import keras
from numpy.typing import ArrayLike
from sphinx.util.inspect import stringify_signature
from sphinx.util.typing import stringify_annotation

ROOT = pathlib.Path(__file__).resolve().parents[1]

project = 'tfdgm'
author = 'The tfdgm authors'
release = version = re.search(r"__version__ = '(.+)'", (ROOT / 'tfdgm' / '__init__.py').read_text())[1]

extensions = [
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.doctest',
    'sphinx.ext.napoleon',
    'sphinx-mathjax-offline',
    'sphinx_design',
    'gallery',
]
exclude_patterns = ['_build', 'tables']

# Markdown
myst_enable_extensions = ['amsmath', 'colon_fence', 'dollarmath']
myst_heading_anchors = 3

# The notebooks of `learn` run when they have changed; a build of another kind finds what the last one computed.
nb_execution_mode = 'cache'
nb_execution_cache_path = str(ROOT / 'docs' / '_build' / 'notebooks')
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

# Docstrings: Google's sections; a single backtick links where it names something of the library, else marks code.
default_role = 'py:obj'
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
# Methods without a docstring of their own would show those of Keras and TensorFlow Probability.
autodoc_inherit_docstrings = False

# `sphinx-build -b doctest` runs the examples of these pages; those of the docstrings are pytest's.
doctest_test_doctest_blocks = ''

# What Sphinx makes of the names of two types, and the names.
NAMES = {stringify_annotation(ArrayLike, 'smart'): 'ArrayLike', 'DatasetV2': 'Dataset'}

html_theme = 'furo'
html_title = f'{project} {release}'
html_show_copyright = False
html_static_path = ['_static']
html_favicon = '_static/favicon.svg'
html_css_files = ['style.css']


def separate_plurals(app, what, name, obj, options, lines):
    """Lets a plural ending follow a backtick, as in Markdown; reStructuredText wants a mark between them."""
    lines[:] = [re.sub(r'(`[^`]+`)s\b', r'\1\\ s', line) for line in lines]


def readable_signature(app, what, name, obj, options, signature, return_annotation):
    """Names types as the code does, and gives a Keras model the signature of its constructor.

    Keras hides it behind `__new__(*args, **kwargs)`.
    """
    if what == 'class' and issubclass(obj, keras.Model):
        _, *others = inspect.signature(obj.__init__).parameters.values()
        signature = stringify_signature(inspect.Signature(others), unqualified_typehints=True)
    for written, meant in NAMES.items():
        signature = signature and signature.replace(written, meant)
        return_annotation = return_annotation and return_annotation.replace(written, meant)
    return signature, return_annotation


def setup(app):
    app.connect('autodoc-process-docstring', separate_plurals)
    app.connect('autodoc-process-signature', readable_signature)
