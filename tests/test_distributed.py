"""Training on several devices, and in several processes of this machine: it ends as that on one device does."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
from types import SimpleNamespace

import numpy as np
import pytest

import tfdgm
from tests.recipes import adam, recipe, train, weights, write
from tests.test_cli import run as run_command
from tfdgm import cluster, pretrained
from tfdgm.latent import codebook
from tfdgm.pretrained import distributed, training

# 12 batches, of which the last one has 97 events: replicas get unequal parts of it.
SETTINGS = {'epochs': 5, 'batch_size': 100, 'optimizer': adam(0.01)}
# Where a gradient is almost nothing, Adam makes much of how it was rounded.
STEADY = {**SETTINGS, 'optimizer': {'class_name': 'SGD', 'config': {'learning_rate': 0.01}}}
ADVERSARIAL = {**SETTINGS, 'critic_optimizer': adam(0.001)}
# Without random numbers in a step, or with numbers that all replicas have in common.
WITHOUT_NOISE = {
    'made': recipe('MADE', {'hidden_units': [16], 'num_masks': 3}, **SETTINGS),
    'flow': recipe('MAF', {'event_shape': [2], 'hidden_units': [8]}, {'name': 'moons', 'binarization': None},
                   **{**STEADY, 'batch_size': 801}),
    'average': recipe('FVSBN', **{**SETTINGS, 'optimizer': {'class_name': 'Adam', 'config': {
        'learning_rate': 0.01, 'use_ema': True, 'ema_momentum': 0.8, 'weight_decay': 0.01}}}),
    'rbm': recipe('RBM', {'hidden_units': 8, 'num_chains': 30, 'centered': True}, **STEADY),
    'vq_vae': recipe('VQVAE', {'num_codes': 8, 'code_size': 4, 'halvings': 2, 'filters': 4},
                     prior=STEADY, **STEADY),
}
# With random numbers for each event, which every replica draws for itself.
WITH_NOISE = {
    'gan': recipe('GAN', {'levels': 17, 'num_latents': 4, 'hidden_units': [16]},
                  {'binarization': None}, **ADVERSARIAL),
    'vae': recipe('VAE', {'num_latents': 3, 'hidden_units': [16]}, **SETTINGS, kl_warm_up=3),
    'energy': recipe('EnergyModel', {'hidden_units': [16], 'num_chains': 60, 'langevin_steps': 3, 'levels': 17},
                     {'binarization': None}, **SETTINGS, log_partition={'num_chains': 10, 'temperatures': 10}),
}


def environment(**more):
    path = os.pathsep.join([str(pathlib.Path(tfdgm.__file__).parents[1]), os.environ.get('PYTHONPATH', '')])
    return {**os.environ, 'PYTHONPATH': path, 'TF_CPP_MIN_LOG_LEVEL': '3', **more}


class Workers:
    """The processes of a training, each the command `tfdgm train … --strategy multi-worker`."""

    def __init__(self, number, config, folder):
        self.processes = [subprocess.Popen(
            [sys.executable, '-m', 'zoo', 'train', str(config), '-o', str(folder), '--strategy', 'multi-worker'],
            text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(TF_CONFIG=described),
            # A shell starts its background jobs deaf to Ctrl-C, and the tests may run in one.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            for described in cluster.on_this_machine(number)]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes:
            process.kill()
            process.communicate()

    def end(self, seconds):
        """Waits for the end; gives each one's exit status and what it said of errors."""
        deadline, ends = time.monotonic() + seconds, []
        for process in self.processes:
            _, said = process.communicate(timeout=max(deadline - time.monotonic(), 1))
            ends.append((process.returncode, ' '.join(said.split())))
        return ends


def trained_by(number, described, folder):
    """The folder of a training by so many workers."""
    folder.mkdir()
    config = write(folder, described) / pretrained.CONFIG
    with Workers(number, config, folder / 'mine') as workers:
        ends = workers.end(400)
    assert [status for status, _ in ends] == [0] * number, ends
    return folder / 'mine'


def trained_alone(described, folder):
    folder.mkdir()
    train(write(folder, described))
    return folder


def assert_close(folder, other):
    for one, two in zip(weights(folder), weights(other), strict=True):
        if one.dtype == 'float32':  # Others are sums of bits, as of the weights that an RBM knows its constant of.
            np.testing.assert_allclose(one, two, atol=1e-4)
    records = [pretrained.read_config(place)['record'] for place in (folder, other)]
    assert len({record['best_epoch'] for record in records}) == 1
    for name, value in records[0].items():
        if name.startswith(('train_', 'validation_')):
            assert value == pytest.approx(records[1][name], rel=1e-4, abs=1e-4), name


# Several processes ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('number, name', [
    (2, 'made'), *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        (4, 'made'), (2, 'flow'), (2, 'average'), (2, 'rbm')))])
def test_workers_reach_the_weights_of_one_process(tmp_path, number, name):
    together = trained_by(number, WITHOUT_NOISE[name], tmp_path / 'together')
    names = {path.name for path in together.iterdir()}
    assert names >= {pretrained.CARD, pretrained.CONFIG, pretrained.WEIGHTS} and (
        training.CHECKPOINT not in names)
    assert_close(together, trained_alone(WITHOUT_NOISE[name], tmp_path / 'alone'))


def killed_in_second_epoch(described, folder, index, signal_number=signal.SIGKILL):
    """Starts two workers, of which one gets a signal; how they ended, and after how many seconds."""
    folder.mkdir()
    config = write(folder, described) / pretrained.CONFIG
    state = folder / 'mine' / 'checkpoint' / 'state.npz'
    with Workers(2, config, folder / 'mine') as workers:
        while not state.exists():
            assert all(process.poll() is None for process in workers.processes), workers.end(60)
            time.sleep(0.05)
        os.kill(workers.processes[index].pid, signal_number)
        begin = time.monotonic()
        return workers.end(100), time.monotonic() - begin


@pytest.mark.slow
@pytest.mark.parametrize('index', [0, 1], ids=['chief', 'other'])
@pytest.mark.parametrize('name', ['made', 'gan'])
def test_a_killed_worker_ends_the_run_and_all_go_on_from_the_last_epoch(tmp_path, name, index):
    described = {'made': WITHOUT_NOISE, 'gan': WITH_NOISE}[name][name]
    described = {**described, 'training': {**described['training'], 'epochs': 30}}
    ends, seconds = killed_in_second_epoch(described, tmp_path / 'killed', index)
    assert seconds < 60
    assert ends[index][0] == -signal.SIGKILL
    status, said = ends[1 - index]
    assert status == 1 and 'Another worker is gone' in said and 'go on from the last whole epoch' in said
    assert 'Traceback' not in said
    folder = tmp_path / 'killed'
    with Workers(2, folder / pretrained.CONFIG, folder / 'mine') as workers:
        ends = workers.end(400)
    assert [status for status, _ in ends] == [0, 0], ends
    whole = trained_by(2, described, tmp_path / 'whole')
    for one, two in zip(weights(folder / 'mine'), weights(whole), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.slow
def test_ctrl_c_on_one_worker_ends_all(tmp_path):
    described = {**WITHOUT_NOISE['made'], 'training': {**WITHOUT_NOISE['made']['training'], 'epochs': 2000}}
    ends, seconds = killed_in_second_epoch(described, tmp_path / 'killed', 0, signal.SIGINT)
    assert seconds < 60
    assert ends[0][0] == 130 and 'All whole epochs are kept' in ends[0][1]
    assert ends[1][0] == 1 and 'Another worker is gone' in ends[1][1]


@pytest.mark.slow
def test_workers_with_another_recipe_are_refused(tmp_path):
    described = {**WITHOUT_NOISE['made'], 'training': {**SETTINGS, 'seed': 4}}
    mine, other = (tmp_path / name for name in ('mine', 'other'))
    for folder, config in ((mine, WITHOUT_NOISE['made']), (other, described)):
        folder.mkdir()
        write(folder, config)
    processes = [subprocess.Popen(
        [sys.executable, '-m', 'zoo', 'train', str(folder), '--strategy', 'multi-worker'], text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(TF_CONFIG=described))
        for folder, described in zip((mine, other), cluster.on_this_machine(2))]
    said = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [1, 1], said
    assert 'Another worker is gone' in said[0]
    assert 'The recipe of this worker is not that of the chief' in ' '.join(said[1].split())
    assert not (mine / pretrained.WEIGHTS).exists()


# Several devices ------------------------------------------------------------------------------------------------------

MIRRORED = """
    import pathlib, sys
    import tensorflow as tf
    cpu = tf.config.list_physical_devices('CPU')[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
    import tfdgm
    from tfdgm import pretrained
    from tfdgm.execution import replicas
    from tfdgm.pretrained import distributed, training
    from tests.recipes import no_samples
    strategy = distributed.strategy_of('mirrored')
    assert strategy.num_replicas_in_sync == 3
"""
TRAIN = """
    with no_samples():
        training.train(pathlib.Path(sys.argv[1]), verbose=0, strategy=strategy)
"""
# Of one seed, the numbers of more events begin with those of fewer: so each replica gets those of its events.
NOISE_OF_ONE = """
    normals, replicas.own_seed = tf.random.stateless_normal, lambda seed: seed

    def part(shape, seed, **options):
        begin = replicas.before(shape[0])
        return normals((begin + shape[0], *shape[1:]), seed, **options)[begin:]

    tf.random.stateless_normal = part
"""


def mirrored(described, folder, prelude=''):
    """The folder of a training on three logical devices, in a process of its own."""
    folder.mkdir()
    write(folder, described)
    program = textwrap.dedent(MIRRORED) + textwrap.dedent(prelude) + textwrap.dedent(TRAIN)
    result = subprocess.run([sys.executable, '-c', program, folder], capture_output=True, text=True, check=False,
                            env=environment())
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize('name', WITHOUT_NOISE)
def test_mirrored_devices_reach_the_weights_of_one(tmp_path, monkeypatch, name):
    # Codes that are hardly used begin anew at random, at events of the first replica.
    monkeypatch.setattr(codebook, 'LEAST_USE', 0.)
    together = mirrored(WITHOUT_NOISE[name], tmp_path / 'together', 'tfdgm.latent.codebook.LEAST_USE = 0.')
    assert_close(together, trained_alone(WITHOUT_NOISE[name], tmp_path / 'alone'))


@pytest.mark.slow
def test_an_adversarial_model_learns_the_same_from_the_same_noise(tmp_path):
    together = mirrored(WITH_NOISE['gan'], tmp_path / 'together', NOISE_OF_ONE)
    assert_close(together, trained_alone(WITH_NOISE['gan'], tmp_path / 'alone'))


@pytest.mark.slow
@pytest.mark.parametrize('name', WITH_NOISE)
def test_with_noise_a_training_can_be_repeated_and_is_as_good(tmp_path, name):
    first, second = (mirrored(WITH_NOISE[name], tmp_path / place) for place in ('first', 'second'))
    for one, two in zip(weights(first), weights(second), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)
    alone = trained_alone(WITH_NOISE[name], tmp_path / 'alone')
    losses = [next(value for name, value in pretrained.read_config(place)['record'].items()
                   if name.startswith('validation_')) for place in (first, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)
    largest = max(np.abs(one - two).max() for one, two in zip(weights(first), weights(alone)) if one.size)
    assert largest > 1e-3, 'replicas draw numbers of their own'


# Refused --------------------------------------------------------------------------------------------------------------

TWO = {'worker': ['localhost:1', 'localhost:2']}


@pytest.mark.parametrize('given, message', [
    (None, r'needs the environment variable TF_CONFIG'), ('', r'needs the environment variable TF_CONFIG'),
    ('{', 'TF_CONFIG is no JSON'), ('[]', 'objects "cluster" and "task"'), ({'cluster': TWO}, '"cluster" and "task"'),
    ({'cluster': {}, 'task': {}}, 'should name workers'),
    ({'cluster': {**TWO, 'ps': ['localhost:3']}, 'task': {}}, 'should name workers'),
    ({'cluster': {'worker': 'localhost:1'}, 'task': {}}, 'list of addresses'),
    ({'cluster': {'worker': ['localhost']}, 'task': {}}, 'list of addresses'),
    ({'cluster': {'worker': ['localhost:70000']}, 'task': {}}, 'list of addresses'),
    ({'cluster': {'worker': ['localhost:1', 'localhost:1']}, 'task': {}}, 'names an address twice'),
    ({'cluster': {**TWO, 'chief': ['localhost:3', 'localhost:4']}, 'task': {}}, 'one chief at most'),
    ({'cluster': TWO, 'task': {'type': 'chief', 'index': 0}}, 'one of worker'),
    ({'cluster': TWO, 'task': {'type': 'worker', 'index': 2}}, 'from 0 to 1'),
    ({'cluster': TWO, 'task': {'type': 'worker', 'index': '0'}}, 'from 0 to 1'),
    ({'cluster': TWO, 'task': {'type': 'worker'}}, 'from 0 to 1')])
def test_a_cluster_that_makes_no_sense_is_refused_before_anything_starts(tmp_path, monkeypatch, given, message):
    monkeypatch.delenv('TF_CONFIG', raising=False)
    if given is not None:
        monkeypatch.setenv('TF_CONFIG', given if isinstance(given, str) else json.dumps(given))
    write(tmp_path, WITHOUT_NOISE['made'])
    result = run_command('train', tmp_path, '--strategy', 'multi-worker')
    assert result.status == 1 and result.err.startswith('error: ')
    with pytest.raises(ValueError, match=message):
        cluster.require_cluster()


def test_a_chief_may_be_named_apart():
    described = {'cluster': {**TWO, 'chief': ['localhost:3']}, 'task': {'type': 'chief', 'index': 0}}
    cluster.require_cluster({'TF_CONFIG': json.dumps(described)})


def test_one_device_is_not_mirrored(tmp_path):
    write(tmp_path, WITHOUT_NOISE['made'])
    result = run_command('train', tmp_path, '--strategy', 'mirrored')
    assert result.status == 1 and 'mirrored needs a second device, and TensorFlow sees' in ' '.join(result.err.split())
    assert os.listdir(tmp_path) == [pretrained.CONFIG]


@pytest.mark.parametrize('part', [{'jit_compile': True}, {'prior': {'jit_compile': True}}])
def test_xla_under_a_strategy_is_refused(part):
    described = WITHOUT_NOISE['vq_vae' if 'prior' in part else 'made']
    described = {**described, 'training': {**described['training'], **part}}
    with pytest.raises(ValueError, match='jit_compile in "training" is true, and under a strategy XLA'):
        training.check(described, SimpleNamespace(num_replicas_in_sync=2))


@pytest.mark.parametrize('replicas, batch_size, least', [(3, 2, 1), (2, 1196, 1), (8, 398, 3), (2000, 5000, 1197)])
def test_a_batch_of_fewer_events_than_replicas_is_refused(replicas, batch_size, least):
    described = recipe('Independent', optimizer='adam', batch_size=batch_size)
    with pytest.raises(ValueError, match=f'{replicas} replicas .* a batch has {least} events, of 1197 in the train'):
        training.check(described, SimpleNamespace(num_replicas_in_sync=replicas))


def test_every_replica_gets_an_event_of_batches_that_are_not_refused():
    distributed.require_shares(SimpleNamespace(num_replicas_in_sync=3), 1197, 399, 'train')
    distributed.require_shares(SimpleNamespace(num_replicas_in_sync=7), 7, 64, 'train')
