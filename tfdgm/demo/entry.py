"""Entry: a pretrained model, and what it can be asked on the page."""

import functools
import os
import pathlib
import threading

import numpy as np

from tfdgm import data, pretrained
from tfdgm.applications.completing import method_of
from tfdgm.autoregressive import AutoregressiveModel
from tfdgm.boltzmann import UnnormalizedModel
from tfdgm.conditions import Condition, Image, Label, Labels, Vector
from tfdgm.config_file import shown
from tfdgm.density import DensityModel
from tfdgm.evaluation import Classifier
from tfdgm.implicit import CycleGAN
from tfdgm.implicit.generator import GeneratorModel
from tfdgm.latent_space import LatentSpace
from tfdgm.model import GenerativeModel
from tfdgm.pretrained import cards, files
from tfdgm.pretrained.families import FAMILIES, family_of
from tfdgm.support import Integers

# How many examples of its data a model is shown with.
EXAMPLES = 200
KINDS = {'image': 'a picture of {} pixels', 'sound': 'a sound of {} steps', 'table': 'a row of {} numbers',
         'numbers': '{} numbers'}
NOUNS = {'image': 'picture', 'sound': 'sound', 'table': 'row', 'numbers': 'event'}
SITES = {'image': 'pixel', 'sound': 'step'}


class Entry:
    """A pretrained model with its configuration.

    Args:
        name: what it is called.
        folder: where it is.

    Raises:
        As `tfdgm.pretrained.load`.

    Attributes:
        model: the model.
        config: its configuration.
        lock: whoever asks the model something holds it: a page may ask several things at once.
    """

    def __init__(self, name: str, folder: str | os.PathLike):
        self.name, self.folder = name, pathlib.Path(folder)
        self.config = pretrained.read_config(self.folder)
        self.model = pretrained.load(self.folder)
        self.lock = threading.RLock()

    @property
    def kind(self) -> str:
        """What its events are: an image, a sound, the row of a table, or numbers otherwise."""
        shape = self.model.event_shape
        if len(shape) == 3 and shape[-1] in (1, 3):
            return 'image'
        if len(shape) == 1:
            return 'sound' if files.rate_of(self.config) else 'table'
        return 'numbers'

    @property
    def noun(self) -> str:
        """What one calls an event of that kind."""
        return NOUNS[self.kind]

    @property
    def site(self) -> str:
        """What one calls a number of it."""
        return SITES.get(self.kind, 'number')

    @property
    def columns(self) -> list:
        """What the numbers of an event are called."""
        return [str(name) for name in files.columns_of(self.config) or range(self.model.num_sites)]

    @functools.cached_property
    def facts(self) -> dict:
        """What there is to know of it in a few words, by what stands beside them."""
        model, results = self.model, self.config.get('results', {}).get('test', {})
        measures = self.config.get('samples', {})
        size = 'x'.join(map(str, model.event_shape))
        facts = {'family': FAMILIES.get(family_of(self.config), 'one of your own'),
                 'class': f'tfdgm.{type(model).__name__}', 'parameters': f'{model.count_params():,}',
                 'trained on': self.config['dataset']['name'],
                 'an event': f'{KINDS[self.kind].format(size)}, each {model.support}'}
        if model.condition is not None and not isinstance(model, CycleGAN | Classifier):
            facts['depends on'] = model.condition.describe()
        if 'nll' in results:
            facts['on test data'] = self.in_words(results)
        elif 'accuracy' in results:
            facts['on test data'] = f'{results["accuracy"]:.2%} of the labels are right'
        elif 'frechet_distance' in measures:
            facts['on test data'] = f'Fréchet distance {measures["frechet_distance"]:,.3g}'
        return facts

    def in_words(self, results: dict) -> str:
        """A negative log-likelihood, of test data or of one event, in the same words wherever it stands."""
        figures = shown(results)
        bound = 'at most ' if getattr(self.model, 'is_bound', False) else ''
        return f'negative log-likelihood: {bound}{figures["nats"]} nats, {figures.get("bits/dim", "-")} bits/dim'

    @property
    def meaning(self) -> str:
        """What those figures are of one event, in a sentence or two."""
        what = 'probability' if self.model.support.is_discrete else 'density'
        words = (f'This is minus the logarithm of its {what}, and the same in bits for each number of it: less is '
                 'likelier.')
        if getattr(self.model, 'is_bound', False):
            return f'{words} It is not known exactly: this is an upper bound.'
        if isinstance(self.model, UnnormalizedModel):
            return f'{words} It is as exact as the constant of the model, which chains have estimated.'
        return words

    @property
    def about(self) -> str:
        """The first sentence of what its class says of itself."""
        return (type(self.model).__doc__ or '').strip().split('\n\n')[0].replace('\n', ' ')

    # What it can be asked --------------------------------------------------------------------------------------------

    @property
    def draws(self) -> bool:
        """Whether it draws events here."""
        return isinstance(self.model, GenerativeModel) and not self.translates and isinstance(
            self.model.condition, None | Label | Labels | Image | Vector)

    @property
    def scores(self) -> bool:
        """Whether it gives the probability of an event, or its density."""
        return isinstance(self.model, DensityModel) and self.draws

    @property
    def scores_sites(self) -> bool:
        """Whether it gives that of each site, given those before it."""
        return self.scores and isinstance(self.model, AutoregressiveModel) and len(self.model.orderings) == 1

    @property
    def completes(self) -> bool:
        """Whether it draws a part of an image given the rest."""
        try:
            method_of(self.model)
        except ValueError:
            return False
        return self.draws and self.kind in ('image', 'table')

    @property
    def walks(self) -> bool:
        """Whether its events have latents between which one can walk."""
        return isinstance(self.model, LatentSpace | GeneratorModel) and self.draws and self.kind == 'image'

    @property
    def translates(self) -> bool:
        """Whether it makes one kind of event of another."""
        return isinstance(self.model, CycleGAN)

    @property
    def classifies(self) -> bool:
        """Whether it tells the labels of events."""
        return isinstance(self.model, Classifier)

    @functools.cached_property
    def cannot(self) -> list[str]:
        """What it does not do, and why: sentences."""
        model, sentences = self.model, []
        if self.translates:
            return ['It makes one kind of picture of another: it has no samples without one, and no density.']
        if self.classifies:
            return ['It tells labels of pictures, and makes none: it is here because its features measure samples.']
        if not self.draws:
            return [f'It depends on {model.condition.describe()}, which one gives in Python: '
                    'model.distribution(…).']
        if not self.scores:
            sentences.append(f'No probabilities: {article(type(model).__name__)} learns to make samples and has no '
                             'density.')
        elif not self.scores_sites:
            sentences.append('No probabilities pixel by pixel: those come from models that go through an event in one '
                             'order, the autoregressive ones.')
        if not self.completes:
            sentences.append('No completion: there is no way to draw one part of an event given another, for such a '
                             'model.')
        if not isinstance(model, LatentSpace | GeneratorModel):
            sentences.append('No latent space: nothing but the values themselves describes an event.')
        return sentences

    # What its model is shown ------------------------------------------------------------------------------------------

    @property
    def has_data(self) -> bool:
        """Whether the data that it was trained on are on this machine."""
        return data.is_here(self.config['dataset']['name'])

    @functools.cached_property
    def examples(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Events that it was not trained on, and what they depend on or are the other kind of; or None."""
        return cards.examples_of(self.config['dataset'], EXAMPLES)[1:]

    @functools.cached_property
    def span(self) -> tuple[float, float]:
        """The values from black to white: of real values, those of a few samples."""
        if isinstance(self.model.support, Integers):
            return 0., self.model.support.levels - 1.
        from tfdgm.demo import views

        events = self.examples[0] if self.has_data else views.drawn(self, 16)
        return float(events.min()), float(events.max())

    @property
    def shades(self) -> int:
        """How many shades there are from black to white."""
        return self.model.support.levels if isinstance(self.model.support, Integers) else 256

    def values_of(self, shades: np.ndarray) -> np.ndarray:
        """The values of shades from 0, black, to 1, white."""
        low, high = self.span
        values = low + np.asarray(shades, 'float32') * (high - low)
        return np.round(values) if isinstance(self.model.support, Integers) else values


def values_of_condition(condition: Condition, shades: np.ndarray) -> np.ndarray:
    """The values of shades from 0 to 1 in an image that a model depends on."""
    shades = np.asarray(shades, 'float32')
    return shades if condition.levels is None else np.round(shades * (condition.levels - 1))


def article(name: str) -> str:
    """A name with its article.

    >>> article('AAE'), article('GAN')
    ('an AAE', 'a GAN')
    """
    return f'{"an" if name[0] in "AEIO" else "a"} {name}'
