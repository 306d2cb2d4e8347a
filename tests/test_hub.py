"""Models on the Hugging Face hub: up, down, and what is said where that fails. No test needs a network."""

import builtins
import json
import socket

import numpy as np
import pytest

import tfdgm
import zoo
from tests import hub_server
from tests.test_cli import random_folder, run, succeed
from tfdgm import config_file, hub, pretrained
from tfdgm.pretrained import CARD, CONFIG, WEIGHTS, WeightsError, sharing

huggingface_hub = pytest.importorskip('huggingface_hub', reason="the hub needs pip install 'tfdgm[hub]'")
constants = pytest.importorskip('huggingface_hub.constants')

pytestmark = pytest.mark.usefixtures('elsewhere')

RESULTS = {'test': {'nll': 12.5, 'standard_error': 0.1, 'bits_per_dim': 0.28, 'examples': 300}}
ADDRESS = 'hf://user/model'
LOADED_HERE = "import tfdgm\nmodel = tfdgm.pretrained.load('mine')  # the path of this folder"


@pytest.fixture
def server(monkeypatch, tmp_path):
    """The stand-in, in the place of the hub; a cache of its own, and the user's token."""
    with hub_server.running() as server:
        set_address(monkeypatch, server.url)
        monkeypatch.setattr(constants, 'HF_TOKEN_PATH', str(tmp_path / 'token'))
        monkeypatch.setattr(constants, 'HF_HUB_DISABLE_XET', True)  # The stand-in takes large files by Git LFS.
        monkeypatch.setattr(constants, 'HF_HUB_DISABLE_TELEMETRY', True)
        monkeypatch.setenv('HF_HUB_DISABLE_PROGRESS_BARS', '1')
        monkeypatch.setenv('HF_TOKEN', hub_server.TOKEN)
        fresh_cache(monkeypatch, tmp_path / 'cache')
        yield server


def set_address(monkeypatch, url):
    """What HF_ENDPOINT does before the package is imported."""
    monkeypatch.setattr(constants, 'ENDPOINT', url)
    monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE', url + '/{repo_id}/resolve/{revision}/{filename}')


def fresh_cache(monkeypatch, path):
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(path))


def log_out(monkeypatch):
    monkeypatch.delenv('HF_TOKEN')


def unplug(monkeypatch):
    """Makes the hub one whose host refuses connections."""
    with socket.create_server(('127.0.0.1', 0)) as closed:
        url = f'http://127.0.0.1:{closed.getsockname()[1]}'
    set_address(monkeypatch, url)


@pytest.fixture
def folder(tmp_path):
    """A folder with a model, a card that shows a picture, and a file that is nobody's business."""
    folder = tmp_path / 'mine'
    folder.mkdir()
    random_folder(folder, tfdgm.Independent((8, 8, 1)))
    pretrained.write_config(folder, {**pretrained.read_config(folder), 'results': RESULTS})
    (folder / CARD).write_text(f'# mine\n\n![samples](samples.png)\n\n```python\n{LOADED_HERE}\n```\n')
    (folder / 'samples.png').write_bytes(b'picture')
    (folder / 'private.png').write_bytes(b'not for others')
    (folder / 'checkpoint').mkdir()
    return folder


@pytest.fixture
def shared(server, folder):
    """The stand-in with that model on it."""
    sharing.push(folder, 'user/model')
    server.requests.clear()
    return server


def edit(server, name='user/model', **files):
    """A commit by someone else."""
    repository = server.repositories[name]
    return repository.commit({**repository.revisions['main'], **files})


def log_probs(model):
    return model.distribution().log_prob(np.ones((1, 8, 8, 1))).numpy()


# Up and down ----------------------------------------------------------------------------------------------------------


def test_a_model_goes_up_in_one_commit_and_comes_down_the_same(server, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    said = succeed('push', folder, 'user/model', '--message', 'Trained for longer')
    assert f'{server.url}/user/model' in said and ADDRESS in said
    assert server.summaries == ['Trained for longer']
    assert not server.repositories['user/model'].private
    assert set(server.repositories['user/model'].revisions['main']) == {CONFIG, WEIGHTS, CARD, 'samples.png'}
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    np.testing.assert_array_equal(log_probs(zoo.load(ADDRESS)), log_probs(pretrained.load(folder)))
    assert zoo.load(ADDRESS).optimizer is not None


def test_only_what_a_model_needs_is_downloaded_and_only_once(shared):
    zoo.load(ADDRESS)
    assert {path.rsplit('/', 1)[1] for path in shared.asked('HEAD')} == {CONFIG, WEIGHTS, CARD}
    shared.requests.clear()
    zoo.load(ADDRESS)
    assert shared.requests == [('GET', '/api/models/user/model')]


def test_without_a_network_the_cache_serves(shared, monkeypatch, tmp_path):
    expected = log_probs(zoo.load(ADDRESS))
    unplug(monkeypatch)
    np.testing.assert_array_equal(log_probs(zoo.load(ADDRESS)), expected)
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    np.testing.assert_array_equal(log_probs(zoo.load(ADDRESS)), expected)
    fresh_cache(monkeypatch, tmp_path / 'empty')
    with pytest.raises(hub.HubError, match='cannot be reached, and hf://user/model has not been downloaded before'):
        zoo.load(ADDRESS)


def test_a_revision_is_a_branch_or_a_commit(shared, folder, monkeypatch):
    old = shared.repositories['user/model'].heads['main']
    expected = log_probs(pretrained.load(folder))
    random_folder(folder, tfdgm.FVSBN((8, 8, 1)))
    sharing.push(folder, 'user/model')
    shared.repositories['user/model'].commit(shared.repositories['user/model'].revisions[old], 'pr/1')
    assert isinstance(zoo.load(ADDRESS), tfdgm.FVSBN)
    for revision in old, 'pr/1':
        np.testing.assert_array_equal(log_probs(zoo.load(f'{ADDRESS}@{revision}')), expected)
    unplug(monkeypatch)
    assert isinstance(zoo.load(ADDRESS), tfdgm.FVSBN)
    np.testing.assert_array_equal(log_probs(zoo.load(f'{ADDRESS}@{old}')), expected)


def test_commands_take_an_address(shared, elsewhere):
    succeed('sample', ADDRESS, '-n', 4, '-o', 'samples.npy')
    assert np.load('samples.npy').shape == (4, 8, 8, 1)
    assert 'log_prob' in succeed('score', ADDRESS, 'samples.npy')
    assert ADDRESS in succeed('evaluate', ADDRESS, '--samples', 0)
    assert "zoo.load('hf://user/model')" in succeed('card', ADDRESS)
    result = run('evaluate', ADDRESS, '--record')
    assert result.status == 1 and '--record writes into the folder of the model' in result.err


def test_a_card_says_to_machines_what_the_model_is(shared, folder):
    text = shared.repositories['user/model'].revisions['main'][CARD].decode()
    data = huggingface_hub.ModelCard(text).data
    assert data.library_name == 'tfdgm' and data.tags == ['keras', 'tensorflow-probability', 'Independent']
    assert data.datasets == ['digits']
    assert [(result.dataset_split, result.metric_type, result.metric_value) for result in data.eval_results] == [
        ('test', 'nll', 12.5), ('test', 'bits_per_dim', 0.28)]
    # A reader sees the card itself.
    assert zoo.card(ADDRESS) == config_file.read_card(folder).replace(
        LOADED_HERE, "import zoo\nmodel = zoo.load('hf://user/model')")


def test_what_a_person_wrote_above_a_card_stays(server, folder):
    (folder / CARD).write_text('---\nlicense: mit\ntags:\n- mine\n---\n# mine\n')
    sharing.push(folder, 'user/model')
    data = huggingface_hub.ModelCard(server.repositories['user/model'].revisions['main'][CARD].decode()).data
    assert (data.license, data.tags, data.library_name) == ('mit', ['mine'], 'tfdgm')
    assert zoo.card(ADDRESS) == '# mine\n'
    (folder / CARD).write_text('---\n[\n---\n# mine\n')
    with pytest.raises(ValueError, match='begins with YAML that the hub would not take'):
        sharing.push(folder, 'user/model')


def test_the_path_of_own_data_is_not_the_name_of_a_set(folder):
    config = pretrained.read_config(folder)
    model = pretrained.load(folder)
    metadata = sharing.metadata(model, {**config, 'dataset': {'name': '/home/me/photos'}}, 'mine')
    assert 'datasets' not in metadata and 'photos' not in str(metadata)
    assert 'metrics' not in sharing.metadata(model, {**config, 'results': {}}, 'mine')


def test_a_private_model_is_for_its_owner(server, folder, monkeypatch):
    succeed('push', folder, 'user/model', '--private')
    assert server.repositories['user/model'].private
    zoo.load(ADDRESS)
    log_out(monkeypatch)
    with pytest.raises(hub.HubError, match='no model user/model, or it is private: then log in by `hf auth login`'):
        zoo.load(ADDRESS)


def test_what_is_public_is_not_taken_for_private(shared, folder):
    result = run('push', folder, 'user/model', '--private')
    assert result.status == 1 and 'is public, so nothing was uploaded' in result.err
    assert len(shared.summaries) == 1


# What is refused ------------------------------------------------------------------------------------------------------


def test_a_damaged_folder_is_refused_before_anything_is_sent(server, folder):
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights[:-1])
    result = run('push', folder, 'user/model')
    assert result.status == 1 and 'It was cut short, altered' in result.err
    (folder / WEIGHTS).write_bytes(weights)
    (folder / CARD).unlink()
    result = run('push', folder, 'user/model')
    assert result.status == 1 and 'There is no card' in result.err
    result = run('push', folder / 'nowhere', 'user/model')
    assert result.status == 1 and f'There is no {folder}/nowhere/config.json' in result.err
    assert not server.requests


def test_damaged_weights_from_the_hub_are_refused(shared):
    weights = shared.repositories['user/model'].revisions['main'][WEIGHTS]
    edit(shared, **{WEIGHTS: weights[:-1] + b'x'})
    with pytest.raises(WeightsError, match=r'is not the file that .* describes'):
        zoo.load(ADDRESS)


def test_code_from_the_hub_is_refused(shared):
    config = json.loads(shared.repositories['user/model'].revisions['main'][CONFIG])
    config['model'] = {'module': 'os', 'class_name': 'system', 'config': {'command': 'true'}}
    edit(shared, **{CONFIG: json.dumps(config).encode()})
    with pytest.raises(ValueError, match='it names system of the module os'):
        zoo.load(ADDRESS)


def test_a_model_of_another_library_is_refused_before_its_weights_come(shared):
    edit(shared, **{CONFIG: b'{"architectures": ["BertModel"]}'})
    with pytest.raises(ValueError, match='holds architectures, which is unknown'):
        zoo.load(ADDRESS)
    assert not [path for path in shared.asked('HEAD') if path.endswith(WEIGHTS)]


@pytest.mark.parametrize('missing', [CONFIG, WEIGHTS])
def test_a_repository_without_a_model(shared, missing):
    repository = shared.repositories['user/model']
    repository.commit({name: content for name, content in repository.revisions['main'].items() if name != missing})
    with pytest.raises(hub.HubError, match=f'hf://user/model has no {missing}, so it is no model of tfdgm'):
        zoo.load(ADDRESS)


def test_a_model_without_a_card_is_one(shared, monkeypatch):
    repository = shared.repositories['user/model']
    repository.commit({name: content for name, content in repository.revisions['main'].items() if name != CARD})
    zoo.load(ADDRESS)
    unplug(monkeypatch)
    zoo.load(ADDRESS)
    with pytest.raises(FileNotFoundError, match='There is no card'):
        zoo.card(ADDRESS)


@pytest.mark.parametrize('address', [
    'hf://user', 'hf:/user/model', 'hf:user/model', 'HF://user/model', 'hf://user/model/config.json', 'hf://user/model@',
    'hf://user/my model', 'https://huggingface.co/user/model', 'hf://user/..', 'hf://user/a--b'])
def test_an_address_that_is_spelled_wrong(server, address):
    for find in zoo.load, zoo.card, zoo.folder:
        with pytest.raises(ValueError, match='is written hf://user/model, or hf://user/model@revision; got'):
            find(address)
    assert run('sample', address, '-o', 'samples.npy').status == 1
    assert not server.requests


@pytest.mark.parametrize('repository', ['model', 'user/model@main', 'a/b/c', '', 'user/..'])
def test_a_place_that_is_spelled_wrong(server, folder, repository):
    with pytest.raises(ValueError, match='is written'):
        sharing.push(folder, repository)
    assert not server.requests


def test_there_is_no_such_model(shared, monkeypatch):
    with pytest.raises(hub.HubError, match='The hub has no model user/other, or your login does not see it'):
        zoo.load('hf://user/other')
    with pytest.raises(hub.HubError, match=r'user/model has no branch, tag or commit v2\.'):
        zoo.load(f'{ADDRESS}@v2')
    log_out(monkeypatch)
    result = run('sample', 'hf://user/other', '-o', 'samples.npy')
    assert result.status == 1 and result.err.count('\n') == 1 and 'log in by `hf auth login`' in result.err


def test_a_gated_model(shared):
    shared.repositories['user/model'].gated = True
    with pytest.raises(hub.HubError, match='for those whom its owner lets in: ask for access on its page'):
        zoo.load(ADDRESS)


def test_to_upload_takes_a_login_that_may(server, folder, monkeypatch):
    with pytest.raises(hub.HubError, match=r'refuses your login.*You have no rights in this namespace'):
        sharing.push(folder, 'someone/model')
    log_out(monkeypatch)
    result = run('push', folder, 'user/model')
    assert result.status == 1 and 'To upload a model to the hub, log in by `hf auth login`' in result.err
    assert not server.repositories


def test_without_a_network_nothing_is_uploaded(server, folder, monkeypatch):
    unplug(monkeypatch)
    with pytest.raises(hub.HubError, match='The exchange with the hub failed: check the network'):
        sharing.push(folder, 'user/model')


def test_a_hub_that_is_down(shared):
    shared.failing = 500
    with pytest.raises(hub.HubError, match='cannot be reached'):
        zoo.load(ADDRESS)


def test_without_the_package_it_is_said_how_to_get_it(folder, monkeypatch):
    def without(name, *args, **kwargs):
        if name.startswith('huggingface_hub'):
            raise ModuleNotFoundError(name)
        return found(name, *args, **kwargs)

    found = builtins.__import__
    monkeypatch.setattr(builtins, '__import__', without)
    for command in ('sample', ADDRESS, '-o', 'samples.npy'), ('push', folder, 'user/model'):
        result = run(*command)
        assert result.status == 1 and "pip install 'tfdgm[hub]'" in result.err and result.err.count('\n') == 1
