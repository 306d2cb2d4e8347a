"""What the estimators for scikit-learn share: their data, and the models that they are given or make."""

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import validate_data

from tfdgm import checks
from tfdgm.density import DensityModel
from tfdgm.model import Model


def checked_data(estimator, x: ArrayLike, y: ArrayLike = 'no_validation', *, reset: bool = False, at_least: int = 1):
    """Data as scikit-learn checks them: `[n, …]`, numbers; with `y`, both.

    Raises:
        ValueError: if they are not valid, or of another shape than those of `fit`.
    """
    checked = validate_data(
        estimator, x, y, reset=reset, allow_nd=True, dtype='numeric', ensure_min_samples=at_least)
    x = checked[0] if isinstance(checked, tuple) else checked
    if reset:
        estimator.event_shape_ = x.shape[1:]
    elif x.shape[1:] != estimator.event_shape_:
        raise ValueError(f'Expected events of shape {estimator.event_shape_}, as in fit, got {x.shape[1:]}.')
    return checked


def require_density(model, what: str):
    """Raises unless a model gives log-probabilities."""
    if isinstance(model, DensityModel):
        return
    if isinstance(model, Model):
        raise ValueError(f'{what} needs log-probabilities, and a {type(model).__name__} gives none: take a '
                         'tfdgm.DensityModel. What samples of models without a density are worth, '
                         'tfdgm.evaluation.measured says.')
    raise ValueError(f'{what} takes a trained tfdgm.DensityModel, or a function from an event shape to a compiled one; '
                     f'got {model!r}.')


def is_maker(model) -> bool:
    """Whether an estimator is given a function that makes models, and no model."""
    return isinstance(model, Callable) and not isinstance(model, keras.Model)


def made(make: Callable, x: np.ndarray, what: str, options: dict | None, random_state: int | None) -> DensityModel:
    """A model of events by a function, trained on them."""
    if random_state is not None:
        keras.utils.set_random_seed(checks.seed(random_state))
    model = make(x.shape[1:])
    require_density(model, f'{what}, from its function,')
    if model.condition is not None:
        raise ValueError(f'{what} takes a function that makes models without a condition; this {type(model).__name__} '
                         f'has one: {model.condition}.')
    if not isinstance(options, dict | None):
        raise ValueError(f"fit_options must be a dictionary, such as {{'epochs': 10}}, got {options!r}.")
    if model.standardization is not None:
        model.adapt(x)
    if not model.compiled:
        model.compile()
    model.fit(x, **{'verbose': 0, **(options or {})})
    return model
