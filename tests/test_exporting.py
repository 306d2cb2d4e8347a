"""SavedModels of every family: what they give where nothing of the library is, and that nothing is half written."""

import gc
import inspect
import os
import pathlib
import re
import shutil
import subprocess
import sys
import weakref
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgm
from tests import implicit
from tests.autoregressive.systems import some_condition
from tests.faults import Killed, fault
from tests.systems import SYSTEMS, WITHOUT_CONDITION, WITHOUT_DENSITY, make, some_events
from tests.test_atomic import files_of_at_most
from tfdgm import atomic
from tfdgm.conditions import Label
from tfdgm.model import Model

# A program that can import neither the library nor what it stands on: it calls signatures, and keeps what they give.
READER = """
import importlib.machinery, pathlib, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('tfdgm', 'zoo', 'keras', 'tf_keras', 'tensorflow_probability'):
            return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        raise ImportError(f'{spec.name} is refused')

    exec_module = create_module

sys.meta_path.insert(0, Refusing())
import numpy as np
import tensorflow as tf

try:
    import keras
except ImportError:
    pass
else:
    sys.exit('keras is not refused')

for path in pathlib.Path(sys.argv[1]).glob('*.npz'):
    loaded, calls, results = tf.saved_model.load(path.with_suffix('')), {}, {}
    with np.load(path) as file:
        for name in file.files:
            call, argument = name.rsplit(' ', 1)
            calls.setdefault(call, {})[argument] = tf.constant(file[name])
    for call, arguments in calls.items():
        (output, values), = loaded.signatures[call.split()[0]](**arguments).items()
        results[f'{call} {output}'] = values.numpy()
    for name, signature in loaded.signatures.items():
        functions = signature.graph.as_graph_def().library.function
        results[f'{name} xla'] = any(function.attr['_XlaMustCompile'].b for function in functions)
    np.savez(path, **results)
"""
EVERY = [*SYSTEMS, *WITHOUT_DENSITY, *WITHOUT_CONDITION, 'cycle_gan']
# One or two of each family, some of them with a condition.
QUICK = ['nade', 'maf+label', 'vq_vae', 'rbm', 'gan+label', 'cycle_gan']
WITH_CONDITION = [f'{system}+label' for system in EVERY if system not in (*WITHOUT_CONDITION, 'cycle_gan')]


def made(system):
    """A small model: of 'nade+label', one with that condition."""
    name, *condition = system.split('+')
    return make(name, **{'condition': Label(3)} if condition else {})


def arguments_of(model, count=5):
    """Events, and conditions of them or None; those of a translator are events too."""
    x = some_events(model, count).astype('float32')
    if isinstance(model, tfdgm.CycleGAN):
        return x, x[::-1].copy()
    condition = some_condition(model.condition, (count,))
    return x, None if condition is None else condition.astype(model.condition.dtype)


def expected_of(model):
    """What the model itself gives: by the call of a signature and the name of its output, arguments and a result."""
    x, condition = arguments_of(model)
    given = {} if condition is None else {'condition': condition}
    dist, found = model.distribution(condition), {}
    if isinstance(model, tfdgm.DensityModel):
        found['log_prob 5', 'log_prob'] = {'events': x, **given}, dist.log_prob(x)
        first = {name: value[:2] for name, value in given.items()}
        found['log_prob 2', 'log_prob'] = {'events': x[:2], **first}, dist.log_prob(x)[:2]
        found['serving_default 5', 'log_prob'] = found['log_prob 5', 'log_prob']
    if isinstance(model, tfdgm.boltzmann.UnnormalizedModel):
        found['unnormalized_log_prob 5', 'unnormalized_log_prob'] = {'events': x}, dist.unnormalized_log_prob(x)
    for count, seed in (3, 7), (1, 2**31 + 5):
        scalars = {'count': np.int32(count), 'seed': np.int32([seed // 2**31, seed % 2**31])}
        found[f'sample {count}', 'events'] = scalars | given, dist.sample(count, seed=seed)
    if isinstance(model, tfdgm.LatentSpace):
        latents = model.encode(x, condition).numpy()
        found['encode 5', 'latents'] = {'events': x, **given}, latents
        found['decode 5', 'events'] = {'latents': latents, **given}, model.reconstruct(x, condition)
    if isinstance(model, tfdgm.CycleGAN):
        for source, target in ('AB', 'BA'):
            found[f'translate_to_{target.lower()} 5', 'events'] = {'events': x}, model.translate(x, source, target)
    return found


def loaded_from(model, folder, **options):
    """A model as it is after it was exported."""
    model.export(folder / 'model', verbose=False, **options)
    return tf.saved_model.load(folder / 'model')


def read(folder):
    """Runs the calls in the files of a folder in a process without the library; there are results in them then."""
    result = subprocess.run([sys.executable, '-c', READER, str(folder)], capture_output=True, text=True, check=False,
                            env={**os.environ, 'PYTHONPATH': ''})
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize('systems', [QUICK, pytest.param([*EVERY, *WITH_CONDITION], marks=pytest.mark.slow)],
                         ids=['quick', 'all'])
def test_what_python_free_programs_get_is_what_the_model_gives(systems, tmp_path):
    expected = {}
    for system in systems:
        model = made(system)
        expected[system] = expected_of(model)
        model.export(tmp_path / system, verbose=False, jit_compile=system == 'nade' or 'auto')
        np.savez(tmp_path / f'{system}.npz', **{
            f'{call} {name}': value for (call, _), (arguments, _) in expected[system].items()
            for name, value in arguments.items()})
    read(tmp_path)
    for system in systems:
        with np.load(tmp_path / f'{system}.npz') as results:
            called = set()
            for (call, output), (_, wanted) in expected[system].items():
                assert results[f'{call} {output}'].shape == wanted.shape, (system, call)
                np.testing.assert_allclose(results[f'{call} {output}'], wanted, rtol=1e-5, atol=1e-5,
                                           err_msg=f'{system} {call}')
                called.add(call.split()[0])
            # And there is nothing else.
            compiled = {name.removesuffix(' xla'): results[name] for name in results.files if name.endswith(' xla')}
            assert set(compiled) == called | {'serving_default'}, system
            assert all(compiled.values()) == any(compiled.values()) == (system == 'nade')


@pytest.mark.xla
def test_under_xla_the_results_are_the_same_to_the_bit(tmp_path):
    model = made('nade')
    loaded, x = loaded_from(model, tmp_path), some_events(model, 5)
    log_probs = loaded.signatures['log_prob'](events=tf.constant(x))['log_prob']
    np.testing.assert_array_equal(log_probs, model.distribution().log_prob(x))
    events = loaded.signatures['sample'](count=tf.constant(5), seed=tf.constant([0, 3]))['events']
    np.testing.assert_array_equal(events, model.distribution().sample(5, seed=3))


@pytest.fixture
def eight_at_once(monkeypatch):
    monkeypatch.setattr(tfdgm.GenerativeModel, 'sampling_batch', 8)
    monkeypatch.setattr(tfdgm.DensityModel, 'scoring_batch', 8)


@pytest.mark.parametrize('jit_compile', [False, pytest.param(True, marks=pytest.mark.xla)])
def test_any_number_of_events(jit_compile, tmp_path, eight_at_once):
    model = make('fvsbn', condition=Label(3))
    x, condition = arguments_of(model, 19)
    loaded = loaded_from(model, tmp_path, jit_compile=jit_compile)
    signatures = loaded.signatures
    for count in 0, 1, 3, 8, 19:
        given = {'condition': tf.constant(condition[:count])}
        log_probs = signatures['log_prob'](events=tf.constant(x[:count]), **given)['log_prob']
        np.testing.assert_allclose(
            log_probs, model.distribution(condition[:count]).log_prob(x[:count]), rtol=1e-5, atol=1e-5)
    for count, values in (0, 2), (2, 0), (1, 1), (3, 4), (4, 19):
        events = signatures['sample'](count=tf.constant(count), seed=tf.constant([0, 3]),
                                      condition=tf.constant(condition[:values]))['events']
        assert events.shape == (count, values, *model.event_shape)
        if count * values:
            np.testing.assert_array_equal(events, model.distribution(condition[:values]).sample(count, seed=3))


def test_what_is_not_valid_has_no_result_and_leaves_the_others_alone(tmp_path):
    model = make('vq_vae', condition=Label(3))
    loaded = loaded_from(model, tmp_path)
    signatures = loaded.signatures
    x, condition = arguments_of(model, 3)
    expected = model.distribution(condition).log_prob(x), model.encode(x, condition).numpy()
    for broken in {'events': np.concatenate([x[:1] + 0.5, x[1:]])}, {'condition': np.int32([3, *condition[1:]])}:
        given = {name: tf.constant(value) for name, value in {
            'events': x, 'condition': condition, **broken}.items()}
        log_probs, codes = signatures['log_prob'](**given)['log_prob'], signatures['encode'](**given)['latents']
        assert np.isnan(log_probs[0]) and np.all(codes[0] == -1)
        np.testing.assert_allclose(log_probs[1:], expected[0][1:], rtol=1e-5)
        np.testing.assert_array_equal(codes[1:], expected[1][1:])
    codes = expected[1].copy()
    codes[0].flat[0] = model.num_codes
    events = signatures['decode'](latents=tf.constant(codes), condition=tf.constant(condition))['events']
    assert np.all(np.isnan(events[0])) and np.all(np.isfinite(events[1:]))
    events = signatures['sample'](
        count=tf.constant(2), seed=tf.constant([0, 1]), condition=tf.constant([-1, 2]))['events']
    assert np.all(np.isnan(events[:, 0])) and np.all(np.isfinite(events[:, 1]))


def test_calls_that_make_no_sense_are_errors(tmp_path):
    model = make('maf', condition=Label(3))
    loaded = loaded_from(model, tmp_path)
    signatures = loaded.signatures
    x, condition = arguments_of(model, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match='count must be at least 0; it is'):
        signatures['sample'](
            count=tf.constant(-1), seed=tf.constant([0, 1]), condition=tf.constant(condition))
    z = model.encode(x, condition)
    for name, values in ('log_prob', {'events': x}), ('encode', {'events': x}), ('decode', {'latents': z}):
        for wrong in condition[:2], np.append(condition, 0):
            with pytest.raises(tf.errors.InvalidArgumentError, match='one condition for each'):
                signatures[name](**{key: tf.constant(value) for key, value in values.items()},
                                 condition=tf.constant(wrong, tf.int32))


# What a model has no measure of ---------------------------------------------------------------------------------------

def signatures_of(model, folder):
    model.export(folder, verbose=False)
    return set(tf.saved_model.load(folder).signatures)


def test_without_log_z_there_is_the_density_up_to_a_constant_alone(tmp_path):
    model = make('energy', random_weights=False)
    with pytest.warns(UserWarning, match='call model.estimate_log_partition'):
        found = signatures_of(model, tmp_path / 'unknown')
    assert found == {'serving_default', 'unnormalized_log_prob', 'sample'}
    x = some_events(model, 3)
    loaded = tf.saved_model.load(tmp_path / 'unknown')
    default = loaded.signatures['serving_default'](events=tf.constant(x))
    np.testing.assert_allclose(default['unnormalized_log_prob'], model.unnormalized_log_prob(x), rtol=1e-5)
    model.estimate_log_partition(10, 10)
    assert 'log_prob' in signatures_of(model, tmp_path / 'known')
    model.trainable_variables[0].assign_add(tf.ones_like(model.trainable_variables[0]))
    with pytest.warns(UserWarning, match='for its weights as they are'):
        assert 'log_prob' not in signatures_of(model, tmp_path / 'changed')


def test_without_a_prior_over_codes_there_are_no_samples(tmp_path):
    model = make('vq_vae')
    model.prior_is_fitted.assign(0.)
    with pytest.warns(UserWarning, match='call model.fit_prior'):
        assert signatures_of(model, tmp_path / 'model') == {'serving_default', 'log_prob', 'encode', 'decode'}


def test_a_classifier_gives_labels_and_features(tmp_path):
    model = tfdgm.Classifier((4, 4, 1), levels=2, condition=Label(3), hidden_units=(5,))
    x = np.random.default_rng(0).integers(2, size=[7, 4, 4, 1]).astype('float32')
    assert model.export(tmp_path / 'it', verbose=False) == ['log_prob_of_labels', 'features']
    loaded = tf.saved_model.load(tmp_path / 'it')
    x[3, 0] = 2
    log_probs = loaded.signatures['serving_default'](events=x)['log_probs'].numpy()
    features = loaded.signatures['features'](events=x)['features'].numpy()
    assert np.isnan(log_probs[3]).all() and np.isnan(features[3]).all()
    x, rest = np.delete(x, 3, axis=0), [0, 1, 2, 4, 5, 6]
    np.testing.assert_allclose(log_probs[rest], model.log_prob_of_labels(x), rtol=1e-5)
    np.testing.assert_allclose(features[rest], model.features(x), rtol=1e-5)


def test_every_model_leaves_python():
    found = {cls for cls in vars(tfdgm).values() if inspect.isclass(cls) and issubclass(cls, Model)} - {Model}
    assert tfdgm.Classifier in found
    assert not [cls for cls in found if cls.signatures is Model.signatures]


def test_the_file_holds_the_weights_that_its_functions_need(tmp_path):
    model = implicit.systems.make('wgan')
    model.export(tmp_path / 'model', verbose=False)
    stored = tf.train.list_variables(tmp_path / 'model' / 'variables' / 'variables')
    shapes = sorted(shape for name, shape in stored if 'weights' in name)
    layers = model.generator_network, model.standardization
    assert shapes == sorted(list(weight.shape) for layer in layers for weight in layer.weights)


def test_a_model_that_was_exported_is_freed(tmp_path):
    def reference():
        model = made('nade')
        model.export(tmp_path / 'model', verbose=False)
        return weakref.ref(model), weakref.ref(model.variables[0].value.handle)

    references = reference()
    gc.collect()
    assert not any(part() is not None for part in references)


def test_keras_takes_it_for_a_layer(tmp_path):
    model = made('nade')
    model.export(tmp_path / 'model', verbose=False)
    layer, x = keras.layers.TFSMLayer(tmp_path / 'model', call_endpoint='log_prob'), some_events(model, 3)
    np.testing.assert_allclose(layer(x)['log_prob'], model.distribution().log_prob(x), rtol=1e-5)


# Other programs -------------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_tensorflow_s_own_command_shows_and_runs_it(tmp_path):
    model = make('nade', (8, 8, 1))
    model.export(tmp_path / 'model', verbose=False, jit_compile=False)
    np.save(tmp_path / 'events.npy', some_events(model, 3))
    shown = saved_model_cli('show', tmp_path, '--signature_def', 'sample')
    for part in "inputs['count'] tensor_info", "inputs['seed'] tensor_info", "outputs['events'] tensor_info":
        assert part in shown
    saved_model_cli('run', tmp_path, '--signature_def', 'log_prob', '--inputs', f'events={tmp_path}/events.npy',
                    '--outdir', str(tmp_path))
    np.testing.assert_allclose(
        np.load(tmp_path / 'log_prob.npy'), model.distribution().log_prob(some_events(model, 3)), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which('gcc'), reason='there is no C compiler')
@pytest.mark.parametrize('jit_compile', [False, True])
def test_a_program_in_c_scores(jit_compile, tmp_path):
    model = make('nade', (8, 8, 1))
    model.export(tmp_path / 'model', verbose=False, jit_compile=jit_compile)
    shown = saved_model_cli('show', tmp_path, '--signature_def', 'log_prob')
    operations = re.findall(r'name: (\w+):0', shown)
    # The library that the wheel holds has the C API too.
    wheel, program = pathlib.Path(tf.__file__).parent, tmp_path / 'score'
    source = pathlib.Path(tfdgm.__file__).parents[1] / 'examples' / 'score.c'
    libraries = [str(path) for path in wheel.glob('libtensorflow_*.so.2')]
    subprocess.run(['gcc', '-Wall', '-Werror', f'-I{wheel}/include', str(source), *libraries, f'-Wl,-rpath,{wheel}',
                    '-o', str(program)], check=True)
    result = subprocess.run([program, tmp_path / 'model', *operations], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    expected = model.distribution().log_prob(np.zeros(model.event_shape))
    assert float(result.stdout.split()[0]) == pytest.approx(float(expected), rel=1e-4)


def saved_model_cli(command, folder, *arguments):
    """What TensorFlow's command for SavedModels prints of `folder/model`."""
    result = subprocess.run(
        [sys.executable, '-m', 'tensorflow.python.tools.saved_model_cli', command, '--dir', str(folder / 'model'),
         '--tag_set', 'serve', *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


# Writing --------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def model():
    return tfdgm.Independent(3)


def test_what_is_there_stays(model, tmp_path):
    (tmp_path / 'file').write_text('old')
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'file').write_text('old')
    for name, what in ('file', 'a file'), ('full', 'a folder that is not empty'):
        with pytest.raises(FileExistsError, match=f'There is {what}, and it stays as it is; name a new folder.*{name}'):
            model.export(tmp_path / name)
    assert (tmp_path / 'file').read_text() == (tmp_path / 'full' / 'file').read_text() == 'old'
    assert set(os.listdir(tmp_path)) == {'file', 'full'}


def test_an_empty_folder_and_one_that_is_not_there(model, tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    for place in tmp_path / 'empty', str(tmp_path / 'models' / 'independent' / '1'):
        model.export(place)
        assert capsys.readouterr().out == f'Independent in {place}, with the signatures log_prob, sample\n'
        assert (pathlib.Path(place) / 'saved_model.pb').is_file()
    assert set(os.listdir(tmp_path)) == {'empty', 'models'}


@pytest.mark.parametrize('arguments, message', [
    ({'format': 'onnx'}, "format must be one of 'tf_saved_model'; got 'onnx'"),
    ({'jit_compile': 'no'}, "jit_compile must be True or False, got 'no'")])
def test_bad_calls_write_nothing(model, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.export(tmp_path / 'model', **arguments)
    assert not os.listdir(tmp_path)


def test_an_interruption_leaves_nothing(model, tmp_path):
    def interrupted(module, folder, *arguments):
        saved(module, folder, *arguments)
        raise KeyboardInterrupt

    saved = tf.saved_model.save
    with mock.patch.object(tf.saved_model, 'save', interrupted), pytest.raises(KeyboardInterrupt):
        model.export(tmp_path / 'model')
    assert not os.listdir(tmp_path)


def test_a_kill_leaves_no_folder_or_a_whole_one(model, tmp_path):
    for at in range(30):
        folder = tmp_path / str(at) / 'model'
        folder.parent.mkdir()
        try:
            with fault(folder.parent, at):
                model.export(folder, verbose=False)
            break
        except Killed:
            assert not folder.exists()
    assert at >= 2 and tf.saved_model.load(folder).signatures


def test_a_full_disk_is_said(model, tmp_path):
    with pytest.raises(OSError, match=r'so nothing was written: .*model'), files_of_at_most(100):
        model.export(tmp_path / 'model')
    assert not os.listdir(tmp_path)


def test_an_exception_in_the_block_leaves_no_folder(tmp_path):
    for error in ValueError('mine'), KeyboardInterrupt():
        with pytest.raises(type(error)), atomic.writing_folder(tmp_path / 'folder') as folder:
            (folder / 'part').mkdir()
            (folder / 'part' / 'file').write_text('half')
            raise error
        assert not os.listdir(tmp_path)
