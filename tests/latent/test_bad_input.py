"""Bad input of models with latent variables, and what their errors say."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests.latent.systems import make, some_events
from tfdgm.conditions import Label, Vector
from tfdgm.latent import DoublyReparameterized, ImportanceWeighted, KLWarmUp, annealed_importance_sampling

BAD_ARGUMENTS = [
    ({'num_latents': 0}, 'num_latents must be an integer of at least 1, got 0'),
    ({'beta': -1.}, 'beta must be a finite number from 0, got -1'),
    ({'free_bits': -0.1}, 'free_bits must be a finite number from 0'),
    ({'free_bits': 0.1, 'objective': ImportanceWeighted(2)}, r'free_bits hold for the objective ELBO\(\) alone'),
    ({'objective': 'elbo'}, "objective must be an object such as tfdgm.latent.ELBO.*got 'elbo'"),
    ({'output': 'bernoulli'}, 'output must be an object such as tfdgm.outputs.Bernoulli'),
    ({'encoder': 3}, 'encoder must be an object such as a keras.Model'),
    ({'encoder': keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Identity()])},
     r'should make a vector of each event, \(None, 4, 4, 1\) -> \(None, n\); it gives .* \(None, 4, 4, 1\)'),
    ({'decoder': keras.Sequential([keras.Input((2,)), keras.layers.Dense(7)])},
     r'\(None, 2\) -> \(None, 4, 4, 1, 1\); it gives an array of shape \(None, 7\)'),
    ({'decoder': tfdgm.GatedPixelCNN((4, 4, 1), filters=4, blocks=1, condition=Vector(3))},
     r'the condition Vector\(size=2\).*has \(4, 4, 1\) and Vector\(size=3\)'),
    ({'decoder': tfdgm.NADE((4, 4, 1), condition=Vector(2)), 'output': tfdgm.outputs.Bernoulli()},
     'has its own output: leave `output` out'),
    ({'prior': tfdgm.MAF(3)}, r'real vectors of that length, such as tfdgm.MAF\(2\); this MAF has .* \(3,\)'),
    ({'prior': tfdgm.NADE(2)}, 'this NADE has events of shape .2,., each value 0 or 1'),
    ({'prior': tfdgm.MAF(2, condition=Label(3))}, 'condition of a prior is None or that of the model, None'),
    ({'prior': 'normal'}, "prior must be an object such as .*got 'normal'"),
    ({'prior': tfdgm.latent.VampPrior(3), 'condition': Label(2)}, 'VampPrior needs normal posteriors and no condition'),
    ({'posterior': tfdgm.IAF(2)}, 'a flow over real vectors of that length whose condition is a vector'),
    ({'posterior': tfdgm.IAF(3, condition=Vector(4))}, 'A posterior of 2 latents is a flow'),
    ({'posterior': tfdgm.IAF(2, condition=Vector(4)), 'objective': DoublyReparameterized(3)},
     'take ImportanceWeighted'),
]


@pytest.mark.parametrize('arguments, message', BAD_ARGUMENTS, ids=lambda value: value[:30] if isinstance(
    value, str) else None)
def test_constructors_say_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        tfdgm.VAE((4, 4, 1), **{'num_latents': 2, 'hidden_units': (4,), **arguments})


def test_other_objects_say_what_is_wrong():
    for make_one, message in ((lambda: ImportanceWeighted(0), 'num_samples of ImportanceWeighted must be an integer'),
                              (lambda: tfdgm.latent.VampPrior(0), 'components of VampPrior must be an integer'),
                              (lambda: KLWarmUp(0), 'epochs of KLWarmUp must be an integer')):
        with pytest.raises(ValueError, match=message):
            make_one()


CONDITIONAL = {'condition': Label(3)}


@pytest.mark.parametrize('make_one, message', [
    (lambda: tfdgm.VAE(4, num_latents=2, decoder=dense(2, 4), **CONDITIONAL),
     'decoder should take two inputs, the second the features of the condition; it takes 1'),
    (lambda: tfdgm.VAE(4, num_latents=2, encoder=dense(4, 5), **CONDITIONAL), 'encoder should take two inputs'),
    (lambda: tfdgm.GAN(4, num_latents=2, generator=dense(2, 4), **CONDITIONAL), 'generator should take two inputs'),
    (lambda: tfdgm.GAN(4, num_latents=2, critic=dense(4, 1), **CONDITIONAL), 'critic should take two inputs'),
    (lambda: tfdgm.VQVAE((4, 4, 1), code_size=3, encoder=maps(3), **CONDITIONAL), 'encoder should take two inputs'),
    (lambda: tfdgm.VAE(4, num_latents=2, encoder=dense(5, 2)), r'encoder should take arrays of shape \(None, 4\)'),
    (lambda: tfdgm.VAE(4, num_latents=2, decoder=dense(2, 4, 'sigmoid')),
     'decoder ends in a sigmoid: it should give parameters.* Leave the activation out'),
    (lambda: tfdgm.VAE(2, num_latents=2, output=tfdgm.outputs.Categorical(2), decoder=keras.Sequential([
        dense(2, 4), keras.layers.Reshape((2, 2)), keras.layers.Dense(2, 'softmax')])), 'decoder ends in a softmax')])
def test_networks_that_are_given_say_what_is_wrong(make_one, message):
    with pytest.raises(ValueError, match=message):
        make_one()


def dense(inputs, outputs, activation=None):
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(outputs, activation)])


def maps(size):
    return keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(size, 3, strides=2, padding='same')])


def test_after_a_warm_up_the_kl_term_has_its_full_weight():
    model = make('vae')
    model.compile()
    model.fit(some_events(model), epochs=2, callbacks=[KLWarmUp(5)], verbose=0)
    assert float(model.kl_weight) == 1


def test_integers_of_numpy_are_integers():
    model = make('vae')
    x = some_events(model, 3)
    for bounds in (lambda count: model.distribution().log_prob(x, num_samples=count),
                   lambda count: model.elbo(x, num_samples=count).value,
                   lambda count: annealed_importance_sampling(model, x, num_steps=count, seed=0)):
        np.testing.assert_array_equal(bounds(np.int64(65)), bounds(65))


@pytest.mark.parametrize('system', ['vae', 'hierarchical_vae'])
def test_what_checks_values_says_so_in_graphs(system):
    model = make(system)
    calls = {'elbo': lambda x: model.elbo(x).value, 'posterior': lambda x: model.posterior(x).sample(seed=0),
             'annealed_importance_sampling': lambda x: annealed_importance_sampling(model, x)}
    for name, call in calls.items():
        with pytest.raises(RuntimeError, match=f'{name} checks the values .* inside a tf.function there are none yet'):
            tf.function(call)(tf.constant(some_events(model)))


def test_conditions_of_priors():
    model, conditional = make('vae'), make('vae', condition=Label(3))
    with pytest.raises(ValueError, match='This model has no condition'):
        model.prior([1])
    with pytest.raises(ValueError, match='integers from 0 to 2, got 99'):
        conditional.prior([99])
    assert conditional.prior([1]).event_shape == conditional.prior().event_shape == (3,)


def test_latents_of_several_layers_say_what_they_have_not():
    model = make('hierarchical_vae')
    with pytest.raises(NotImplementedError, match=r'estimate it from samples.*model.encode'):
        model.prior().mean()
    with pytest.raises(ValueError, match=r'Expected latents of shape'):
        model.prior().log_prob(np.zeros((3, model.num_latents + 1), 'float32'))


def test_a_warm_up_needs_a_kl_term():
    model = tfdgm.NADE(4)
    model.compile()
    with pytest.raises(ValueError, match='KLWarmUp is for models whose objective has a KL term; NADE has none'):
        model.fit(np.ones([4, 4]), callbacks=[KLWarmUp(2)], verbose=0)


def test_grey_values_are_no_events_of_a_bernoulli_decoder():
    model = make('vae')
    grey = np.full((4, 4, 4, 1), 0.5, 'float32')
    for call in model.fit, model.evaluate, model.predict, model.encode, model.elbo, model.posterior:
        model.compile()
        with pytest.raises(ValueError, match=r'64 of the 64 values lie outside .* 0\.5 in event 0.* to be 0 or 1'):
            call(grey)
    assert np.all(np.isnan(model.distribution().log_prob(grey)))


def test_draws_and_latents_are_checked():
    model = make('vae')
    x = some_events(model)
    with pytest.raises(ValueError, match='num_samples must be an integer of at least 1, got 0'):
        model.distribution().log_prob(x, num_samples=0)
    with pytest.raises(ValueError, match=r'num_samples must be an integer of at least 1, got 2\.5'):
        model.elbo(x, num_samples=2.5)
    with pytest.raises(ValueError, match=r'Expected latents.* \(None, 3\); got one of shape \(2, 4\)'):
        model.decode(np.zeros((2, 4)))
    with pytest.raises(ValueError, match='latent must be an index from 0 to 2, got 3'):
        model.traverse(x, 3, [0.])
    with pytest.raises(ValueError, match='values must be one or more numbers'):
        model.traverse(x, 0, [])
    with pytest.raises(ValueError, match='num_samples is for models that draw latents, and NADE draws none'):
        tfdgm.evaluate.held_out(tfdgm.NADE((8, 8, 1)), tfdgm.data.load('digits', 'test', binarization='threshold'),
                                num_samples=3)
