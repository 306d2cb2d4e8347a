"""Bad input to flows: it is refused, or gives NaN, never a number."""

import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.flows.systems import VECTOR_SYSTEMS, make, some_events
from tfdgm.conditions import Label, Vector
from tfdgm.flows import UniformDequantization


@pytest.mark.parametrize('make_model, message', [
    (lambda: tfdgm.NICE(1), 'needs at least two'),
    (lambda: tfdgm.Glow((28, 28, 1), scales=3), 'multiples of 8.*Use fewer scales, or pad'),
    (lambda: tfdgm.RealNVP((28, 27, 1)), 'multiples of 4'),
    (lambda: tfdgm.Glow(16), 'is for images'),
    (lambda: tfdgm.Glow((8, 8, 1), steps=0), 'steps of Glow must be an integer of at least 1'),
    (lambda: tfdgm.NICE(4, dequantization=256), r'UniformDequantization\(256\), got 256'),
    (lambda: UniformDequantization(1), 'levels .* at least 2'),
    (lambda: UniformDequantization(4, draws=0), 'draws .* at least 1'),
    (lambda: UniformDequantization(4, logit=0.5), 'between 0 and 0.5'),
    (lambda: tfdgm.FFJORD(2, solver='euler'), "one of 'runge_kutta', 'dormand_prince'; got 'euler'"),
    (lambda: tfdgm.FFJORD(2, trace='rough'), "one of 'exact', 'hutchinson'"),
    (lambda: tfdgm.FFJORD(2, regularization=-1), 'regularization of FFJORD must be a finite number from 0'),
    (lambda: tfdgm.NeuralSplineFlow(2, bins=1), 'bins .* at least 2'),
    (lambda: tfdgm.NeuralSplineFlow(2, bound=-1), 'bound .* above 0'),
    (lambda: tfdgm.FFJORD(2, solver='dormand_prince').compile(jit_compile=True), "can't train through an adaptive"),
    (lambda: make('affine', 2).distribution().sample(temperature=0), 'temperature must be a finite number above 0'),
    (lambda: make('affine', 2).decode(np.zeros([3, 3])), r'Expected latents, .* of shape \(None, 2\)'),
    (lambda: make('affine', 2).decode([[0., np.nan]]), 'finite in float32, got nan, the first in row 0'),
    (lambda: make('affine', 2).encode(3), r'Expected events of shape \(2,\)'),
    (lambda: make('affine', 2).decode([['a', 'b']]), 'Expected latents, .* type <U1'),
    (lambda: make('affine', 2).decode([[1e300, 0.]]), 'finite in float32, got 1e[+]300, the first in row 0'),
    (lambda: make('glow').decode(np.zeros([0, 16])), 'Expected latents, at least one'),
    (lambda: make('affine', 2).encode([[0., 1e300]]), '1e[+]300 in event 0.* a finite real number'),
    (lambda: make('affine', 2, condition=Vector(1)).encode([[0., 1.]], [[1e300]]), 'finite .*, got 1e[+]300'),
    *((lambda values=values, score=score: getattr(make('affine', 2).distribution(), score)(values),
       f'numbers that are real, got values of type {kind}')
      for score in ('log_prob', 'prob', 'unnormalized_log_prob') for values, kind in (
        ([[1j, 0]], 'complex128'), (np.array([1j, 0]), 'complex128'), (tf.constant([1j, 0]), 'complex128'),
        (np.array(['2020-01-01'] * 2, 'datetime64[D]'), 'datetime64'), ([None] * 2, 'object'))),
    (lambda: make('affine', 2).distribution().log_prob([[1.], [1., 2.]]), 'parts that differ in shape'),
    (lambda: make('affine', 2).distribution().sample(temperature=tf.Variable(-1.)), 'temperature must be .* got -1.0'),
    (lambda: make('affine', 2).distribution().sample(temperature=None), 'temperature must be .* got None'),
    (lambda: UniformDequantization(2**20), 'levels .* at most 65536, got 1048576'),
    (lambda: make('affine', 2).train_on_batch(np.stack([np.arange(16.), np.ones(16)], 1)),
     r'site \(1,\) are the same in all 16 events'),
    (lambda: make('affine', 2, condition=Label(3)).decode(np.zeros([2, 2]), [1]), 'one condition for each of the 2'),
    (lambda: make('affine', 2, dequantization=UniformDequantization(4)).adapt(np.ones([3, 2])), 'are discrete'),
    (lambda: make('affine', 2).interpolate(np.zeros([3, 2]), np.ones([4, 2])), r'as many .*\(3, 2\) and \(4, 2'),
    (lambda: make('affine', 2, condition=Label(3)).encode(np.zeros([3, 2])), 'no condition was given'),
    (lambda: make('affine', 2, condition=Label(3)).bijector(5), 'from 0 to 2|0 … 2'),
    *((lambda system=system: make(system, 2, condition=Label(3)).bijector([0, 1]).inverse(np.zeros([3, 2], 'float32')),
       r'batch shape \(2,\) does not broadcast to the batch shape \(3,\)') for system in ('affine', 'maf', 'ffjord')),
])
def test_bad_input_is_refused_with_what_to_do(make_model, message):
    with pytest.raises(ValueError, match=message):
        make_model()


@pytest.mark.parametrize('dequantization', [None, UniformDequantization(4)])
def test_a_temperature_that_only_a_graph_sees_makes_no_samples_where_it_is_none(dequantization):
    dist = make('affine', 2, dequantization=dequantization).distribution()
    sample = tf.function(lambda temperature: dist.sample(3, temperature=temperature))
    for temperature in (0., -1., np.nan, np.inf):
        assert np.isnan(sample(tf.constant(temperature))).all()
    assert np.isfinite(sample(tf.constant(0.5))).all()


@pytest.mark.parametrize('system', VECTOR_SYSTEMS)
def test_an_odd_number_of_features_has_uneven_halves(system):
    model = make(system, 5)
    model.compile(jit_compile=False)
    x = some_events(model, 4)
    np.testing.assert_allclose(model.decode(model.encode(x)), x, atol=1e-4)
