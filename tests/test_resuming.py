"""A training that was stopped ends as one that was not, whatever its optimizer, its precision and its system keep."""

import pytest

from tests.recipes import assert_same, interrupted, no_samples, recipe, schedule, train, write
from tfdgm import pretrained
from tfdgm.pretrained import training


def optimizer(name='Adam', **config):
    return {'module': 'keras.optimizers', 'class_name': name, 'config': {'learning_rate': 0.02, **config}}


def independent(described, **arguments):
    return recipe(arguments=arguments, optimizer=described, jit_compile=False)


EVERYTHING = {
    'use_ema': True, 'ema_momentum': 0.8, 'ema_overwrite_frequency': 5, 'global_clipnorm': 1., 'weight_decay': 0.01,
    'gradient_accumulation_steps': 4, 'learning_rate': schedule(
        'CosineDecay', initial_learning_rate=0.05, decay_steps=12, warmup_target=0.1, warmup_steps=4)}
OPTIONS = {
    'accumulation': {'gradient_accumulation_steps': 4},
    'average': {'use_ema': True, 'ema_momentum': 0.8},
    'average that overwrites': {'use_ema': True, 'ema_momentum': 0.8, 'ema_overwrite_frequency': 4},
    'accumulated average': {'use_ema': True, 'ema_overwrite_frequency': 2, 'gradient_accumulation_steps': 5},
    'clipnorm': {'clipnorm': 0.1}, 'global_clipnorm': {'global_clipnorm': 0.1}, 'clipvalue': {'clipvalue': 0.01},
    'weight decay': {'weight_decay': 0.1}, 'loss scale': {'loss_scale_factor': 128.}, 'amsgrad': {'amsgrad': True},
}
SCHEDULES = {
    'ExponentialDecay': {'initial_learning_rate': 0.1, 'decay_steps': 3, 'decay_rate': 0.5},
    'PiecewiseConstantDecay': {'boundaries': [4, 7], 'values': [0.1, 0.05, 0.01]},
    'PolynomialDecay': {'initial_learning_rate': 0.1, 'decay_steps': 5, 'cycle': True},
    'InverseTimeDecay': {'initial_learning_rate': 0.1, 'decay_steps': 2, 'decay_rate': 0.5},
    'CosineDecay': {'initial_learning_rate': 0.1, 'decay_steps': 12},
    'CosineDecayRestarts': {'initial_learning_rate': 0.1, 'first_decay_steps': 4},
}
OPTIMIZERS = ('SGD', 'RMSprop', 'Adam', 'AdamW', 'Adadelta', 'Adagrad', 'Adamax', 'Adafactor', 'Nadam', 'Ftrl', 'Lion',
              'Muon')
FLOAT16 = 'mixed_float16', 'mixed_bfloat16'
DIGITS = {'binarization': None}
FLOW = {'dequantization': {'class_name': 'tfdgm>UniformDequantization', 'config': {'levels': 17}}}

QUICK = {
    'everything at once': independent(optimizer('Nadam', **EVERYTHING)),
}
SLOW = {
    # Its scale is too large at first, and steps are left out until it is not.
    'scaled loss': independent({'class_name': 'LossScaleOptimizer', 'config': {
        'inner_optimizer': optimizer(), 'initial_scale': 2.**126, 'dynamic_growth_steps': 2}}),
    'everything in float16': independent(optimizer(**EVERYTHING), dtype='mixed_float16'),
    'a flow': recipe('AffineCouplingFlow', {**FLOW, 'couplings': 2, 'hidden_units': [8]}, DIGITS, optimizer='adam',
                     jit_compile=False),
    **{name: independent(optimizer(**options)) for name, options in OPTIONS.items()},
    **{name: independent(optimizer(learning_rate=schedule(name, **options))) for name, options in SCHEDULES.items()},
    **{name: independent(optimizer(name)) for name in OPTIMIZERS},
    'momentum': independent(optimizer('SGD', momentum=0.9, nesterov=True)),
    'centered': independent(optimizer('RMSprop', momentum=0.9, centered=True)),
    **{f'{name} {policy}': independent(optimizer(**OPTIONS[name]), dtype=policy) for policy in FLOAT16
       for name in ('accumulation', 'average that overwrites', 'weight decay')},
    'dropout': recipe('GatedPixelCNN', {'filters': 4, 'blocks': 1, 'dropout': 0.5}, optimizer='adam',
                      jit_compile=False),
    'standardised values': recipe('MAF', {'event_shape': [2], 'hidden_units': [8]}, {
        'name': 'moons', 'binarization': None}, batch_size=1000, optimizer='adam'),
    'ActNorm': recipe('Glow', {**FLOW, 'filters': 4, 'steps': 1}, DIGITS, optimizer='adam', jit_compile=False),
    'mirror images': recipe('FVSBN', optimizer='adam', mirror=True),
}


@pytest.mark.parametrize('name', [
    *QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_stopped_training_ends_as_one_that_was_not(tmp_path, name):
    described = {**QUICK, **SLOW}[name]
    whole, stopped = (tmp_path / place for place in ('whole', 'stopped'))
    for folder in whole, stopped:
        folder.mkdir()
        write(folder, described)
    config, curve = train(whole)
    assert len(curve) == 4
    with no_samples():
        assert training.train(stopped, verbose=0, epochs=1) is None
        with interrupted(epoch=3):
            training.train(stopped, verbose=0)
    resumed, resumed_curve = train(stopped)
    assert resumed_curve == curve
    assert {**resumed['record'], 'minutes': None} == {**config['record'], 'minutes': None}
    assert_same(stopped, whole)
    assert resumed['weights_sha256'] == config['weights_sha256'] == pretrained.sha256(whole / pretrained.WEIGHTS)
