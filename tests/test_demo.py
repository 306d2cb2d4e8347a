"""The demo in the browser: what its functions answer, the page itself in headless Chromium, and the command."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

import keras
import numpy as np
import pytest
from PIL import Image as Photograph

import tfdgm
import zoo
from tests.test_cli import random_folder, run
from tfdgm import pretrained
from tfdgm.command_line import demo
from tfdgm.conditions import Image, Label, Vector, Vectors

gr = pytest.importorskip('gradio', reason="the demo needs pip install 'tfdgm[demo]'")

from tfdgm.demo import given, page, panels, views  # noqa: E402
from tfdgm.demo.entry import Entry, values_of_condition  # noqa: E402
from tfdgm.demo.pad import on_pad, shades_and_mask  # noqa: E402

ENTRIES = {}
# One of each family, and what the page shows of it.
FAMILIES = {
    'nade_digits': ['Samples', 'Complete', 'Likelihood'],
    'nice_digits': ['Samples', 'Complete', 'Likelihood', 'Latent space'],
    'vae_digits_label': ['Samples', 'Complete', 'Likelihood', 'Latent space'],
    'rbm_digits': ['Samples', 'Complete', 'Likelihood', 'Latent space'],
    'gan_digits': ['Samples', 'Latent space'],
}


def entry_of(name):
    """An entry of the zoo, loaded once."""
    if name not in ENTRIES:
        ENTRIES[name] = Entry(name, zoo.folder(name))
    return ENTRIES[name]


@pytest.fixture(scope='module', autouse=True)
def forgotten():
    yield
    ENTRIES.clear()


def shown(entry, folder):
    """The page of an entry: its panels' names, and all that happens there."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        page.show_entry(entry, folder)
    tabs = [block.label for block in blocks.blocks.values() if isinstance(block, gr.Tab)]
    return tabs, list(blocks.fns.values())


def answered(function):
    """What a function of the page answers to the values that are there at first."""
    values = []
    for component in function.inputs:
        value = component.value
        # A slider shows fewer steps here, which take less time.
        values.append(20 if component.label == 'Steps of the chain' else
                      value['data'] if isinstance(value, dict) and 'data' in value else value)
    return function.fn(*values)


# Families ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('name', FAMILIES)
def test_all_that_the_page_shows_of_a_family_answers(name, tmp_path):
    tabs, functions = shown(entry_of(name), tmp_path)
    assert tabs == FAMILIES[name]
    answers = [answered(function) for function in functions]
    pictures = [part for answer in answers for part in (answer if isinstance(answer, tuple) else [answer])
                if isinstance(part, np.ndarray)]
    assert len(pictures) >= 2 and all(part.dtype == np.uint8 and part.ndim == 3 and part.std() > 0 for part in pictures)


@pytest.mark.slow
@pytest.mark.parametrize('name', zoo.names())
def test_every_model_of_the_zoo_loads_and_all_that_the_page_shows_of_it_answers(name, tmp_path):
    entry = Entry(name, zoo.folder(name))
    if not entry.has_data and (entry.translates or entry.classifies or isinstance(entry.model.condition, Image)):
        pytest.skip(f'{name} is shown with {entry.config["dataset"]["name"]}, which is not prepared')
    tabs, functions = shown(entry, tmp_path)
    assert tabs and entry.facts and (entry.draws or entry.translates or entry.classifies)
    for function in functions:
        answered(function)
    if entry.draws:
        assert views.drawn(entry, 1, condition=some_condition(entry)).shape == (1, *entry.model.event_shape)


def some_condition(entry):
    """A value of what an entry's events depend on."""
    condition = entry.model.condition
    if isinstance(condition, Image):
        return entry.examples[1][0]
    return None if condition is None else np.zeros(condition.shape, 'int32')


# What the functions answer -------------------------------------------------------------------------------------------


def test_a_score_is_what_keras_predicts_and_the_sum_over_its_sites():
    entry = entry_of('nade_digits')
    event = entry.examples[0][3]
    score = views.scored(entry, event)
    assert score.nats == pytest.approx(float(entry.model.predict(event[None], verbose=0)[0]), rel=1e-5)
    assert score.sites.shape == (8, 8, 1) and score.sites.sum() == pytest.approx(score.nats, rel=1e-5)
    evaluated = entry.model.evaluate(event[None], return_dict=True, verbose=0)
    assert score.bits_per_dim == pytest.approx(evaluated['bits_per_dim'], rel=1e-5)


def test_a_completion_keeps_what_is_known_and_varies_in_the_rest():
    entry = entry_of('nade_digits')
    event, mask = entry.examples[0][0], views.halved((8, 8, 1))
    found = views.completed(entry, event, mask, 16)
    assert found.is_exact and np.all(found.events[:, 0, :4] == event[:4])
    assert np.any(found.events[:, 0, 4:].std(axis=0) > 0)


def test_the_page_says_when_a_completion_is_doubtful_and_warns_nobody_else(recwarn):
    found = views.completed(entry_of('nice_digits'), np.zeros([8, 8, 1]), views.halved((8, 8, 1)), 2, steps=5)
    assert found.doubt and not [warning for warning in recwarn if 'doubtful' in str(warning.message)]


@pytest.mark.parametrize('name', ['nice_digits', 'gan_digits'])
def test_the_way_goes_from_one_draw_to_the_other_and_so_do_the_sliders(name):
    entry = entry_of(name)
    ends = np.concatenate([views.drawn(entry, 1, seed) for seed in (0, 1)])
    np.testing.assert_allclose(views.way(entry, (0, 1))[[0, -1]], ends, atol=1e-3)
    three = views.drawn(entry, 3, 5)
    corners = [views.place(entry, 5, *corner) for corner in ((0, 0), (1, 0), (0, 1))]
    np.testing.assert_allclose(corners, three, atol=1e-3)


def test_of_two_latents_the_sliders_are_the_latents(tmp_path):
    entry = Entry('two', random_folder(tmp_path, tfdgm.VAE((8, 8, 1), num_latents=2, hidden_units=(8,))))
    means = np.asarray(entry.model.decode([[0.5, -1.]]).mean())
    np.testing.assert_allclose(views.place(entry, 0, 0.5, -1.), means[0], rtol=1e-5)
    tabs, functions = shown(entry, tmp_path)
    assert 'Latent space' in tabs
    for function in functions:
        answered(function)


def test_what_a_model_cannot_do_is_said():
    gan, nade, rbm = (entry_of(name) for name in ('gan_digits', 'nade_digits', 'rbm_digits'))
    assert any('a GAN learns to make samples and has no density' in sentence for sentence in gan.cannot)
    assert any('No completion' in sentence for sentence in gan.cannot)
    assert not any('latent' in sentence for sentence in gan.cannot) and len(nade.cannot) == 1
    assert any('pixel by pixel' in sentence for sentence in rbm.cannot)


def test_a_table_has_rows_a_plot_of_two_columns_and_completions(tmp_path):
    model, dataset = tfdgm.NADE(2, output=tfdgm.outputs.MixtureOfGaussians(2), hidden_units=4), {'name': 'moons'}
    model.compile()
    model.fit(tfdgm.planes.moons(500), verbose=0)
    config = {'model': keras.saving.serialize_keras_object(model), 'dataset': dataset, 'training': {}}
    pretrained.write_config(tmp_path, pretrained.save_weights(model, tmp_path, config))
    entry = Entry('plane', tmp_path)
    assert entry.kind == 'table' and entry.columns == ['0', '1'] and entry.has_data
    tabs, functions = shown(entry, tmp_path)
    assert tabs == ['Samples', 'Complete', 'Likelihood']
    figure, rows = answered(functions[0])
    assert np.shape(rows) == (200, 2)
    density, real, drawn = figure.axes[0].collections[0], *figure.axes[0].lines
    assert density.get_array().min() >= 0 and density.get_array().max() == 1
    assert len(real.get_xdata()) == 200 and len(drawn.get_xdata()) == 200
    completions, said = answered(functions[1])
    assert len(completions) == panels.COMPLETIONS and len({row[0] for row in completions}) == 1
    assert len({row[1] for row in completions}) > 1 and 'chain rule' in said


def test_sounds_are_heard_and_seen(tmp_path):
    model = tfdgm.RecurrentModel(64, output=tfdgm.outputs.Categorical(256), units=4)
    entry = Entry('sounds', random_folder(tmp_path, model, {'name': 'spoken_digit', 'length': 64}))
    assert entry.kind == 'sound'
    sound, picture = views.sounds(entry, views.drawn(entry, 2), tmp_path)
    assert tfdgm.sound.read(sound, 8000).shape == (64 + 2000 + 64,)
    assert Photograph.open(picture).size[0] > 100
    figure = views.surprise(entry, np.zeros(64), np.full(64, -2.))
    assert np.all(figure.axes[1].lines[0].get_ydata() == 2)


def test_pictures_are_translated_there_and_back(tmp_path):
    model = tfdgm.CycleGAN((8, 8, 1), levels=17, filters=2, halvings=1, blocks=1)
    entry = Entry('both', random_folder(tmp_path, model, {'name': 'digits+digits'}))
    tabs, functions = shown(entry, tmp_path)
    assert tabs == ['Translate'] and entry.has_data
    a = entry.examples[0][0]
    there = model.translate(a[None], 'A', 'B')
    expected = np.concatenate([a[None], there, model.translate(there, 'B', 'A')])
    np.testing.assert_allclose(views.there_and_back(entry, a, 'AB'), expected, atol=1)
    assert answered(functions[-1]).ndim == 3


def test_a_classifier_tells_labels_by_name(tmp_path):
    model = tfdgm.Classifier((8, 8, 1), levels=17, condition=Label(10), hidden_units=(4,))
    entry = Entry('labels', random_folder(tmp_path, model, {'name': 'digits', 'labels': True}))
    event = entry.examples[0][0]
    found = views.probabilities(entry, event)
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    assert max(found, key=found.get) == str(int(entry.model.classify(event[None])[0]))
    assert shown(entry, tmp_path)[0] == ['Labels']


# What is asked -------------------------------------------------------------------------------------------------------


def test_a_pad_holds_shades_and_what_is_known():
    shades = np.array([[0., 1.], [0.5, 0.25]])[..., None]
    mask = np.array([[1., 1.], [0., 1.]])[..., None]
    value = on_pad(shades, mask)
    assert value == [0., 1., -1., 0.25]
    read, known = shades_and_mask(value, (2, 2, 1))
    np.testing.assert_array_equal(known, mask)
    np.testing.assert_array_equal(read, shades * mask)


@pytest.mark.parametrize('value', [[0., 1.], [0., 1., 2., 0.], [0., 1., -0.5, 0.], [0., 1., np.nan, 0.]])
def test_what_no_pad_holds_is_refused(value):
    with pytest.raises(ValueError, match='A drawing for'):
        shades_and_mask(value, (2, 2, 1))


def test_shades_become_the_values_of_a_model():
    binary, grey = entry_of('nade_digits'), entry_of('nice_digits')
    np.testing.assert_array_equal(binary.values_of([0, 0.4, 0.6, 1]), [0, 0, 1, 1])
    np.testing.assert_array_equal(grey.values_of([0, 0.5, 1]), [0, 8, 16])
    np.testing.assert_array_equal(values_of_condition(Image((2, 2, 1), 16), [0, 0.5, 1]), [0, 8, 15])


def test_a_picture_becomes_the_square_in_its_middle():
    wide = np.zeros([20, 40, 3], 'uint8')
    wide[:, 10:30] = 255, 0, 51
    shades = given.shades_of(Photograph.fromarray(wide), (4, 4, 3))
    np.testing.assert_allclose(shades, np.broadcast_to([1, 0, 0.2], (4, 4, 3)), atol=1e-6)


@pytest.mark.parametrize('condition, values, expected', [
    (None, [], None), (Label(10), [7], 7), (Vector(2), ['0.5, -1'], [0.5, -1])])
def test_what_events_depend_on_is_read(tmp_path, condition, values, expected):
    entry = Entry('asked', random_folder(tmp_path, tfdgm.Independent((8, 8, 1), condition=condition)))
    with gr.Blocks(analytics_enabled=False):
        asked = given.Asked(entry)
    found = asked.read(*values)
    assert (found is None) if expected is None else np.all(found == np.array(expected))
    assert len(asked.inputs) == len(values)
    if isinstance(condition, Vector):
        with pytest.raises(ValueError, match='vectors of 2 finite real numbers'):
            asked.read('one, two')


def test_what_the_page_cannot_ask_for_is_said(tmp_path):
    entry = Entry('vectors', random_folder(tmp_path, tfdgm.Independent((8, 8, 1), condition=Vectors(2, 3))))
    assert not entry.draws and 'model.distribution(…)' in entry.cannot[0]


def test_the_librarys_errors_become_messages_on_the_page():
    @given.explained
    def fail():
        raise ValueError('Expected this, got that.')

    with pytest.raises(gr.Error, match='Expected this, got that'):
        fail()


@pytest.mark.parametrize('name', ['vae_digits_label', 'nade_digits'])
def test_all_that_is_asked_can_be_changed(name, tmp_path):
    # Gradio leaves it off in what `gradio.render` shows, unless it is told.
    inputs = [component for function in shown(entry_of(name), tmp_path)[1] for component in function.inputs]
    fields = [component for component in inputs if not isinstance(component, gr.HTML)]
    assert {type(field) for field in fields} >= {gr.Slider, gr.Number, gr.Radio, gr.Image}
    assert [field.label for field in fields if not field.interactive] == []


@pytest.mark.parametrize('name', ['vae_digits_label', 'nade_digits'])
@pytest.mark.parametrize('bad, said', [(None, 'is empty: write an integer'), (-5, 'at least'), (1.5, 'integer')])
def test_a_number_that_cannot_be_is_told_in_a_sentence_and_not_in_the_terminal(name, bad, said, tmp_path):
    asked = set()
    for function in shown(entry_of(name), tmp_path)[1]:
        values = [component.value for component in function.inputs]
        for place, component in enumerate(function.inputs):
            if isinstance(component, gr.Number):
                given = [*values[:place], component.preprocess(bad), *values[place + 1:]]
                with pytest.raises(gr.Error, match=f'{component.label} .*{said}') as told:
                    function.fn(*given)
                assert not told.value.print_exception
                asked.add(component.label)
    assert asked >= {'Seed', 'Which one'}


def test_any_integer_from_0_is_a_seed(tmp_path):
    draw = shown(entry_of('nade_digits'), tmp_path)[1][0]
    pictures = [draw.fn(2, draw.inputs[1].preprocess(seed))[1] for seed in (0, 9999999, 1e30)]
    assert np.any(pictures[0] != pictures[1]) and np.any(pictures[1] != pictures[2])


def test_samples_of_the_card_are_called_so_until_others_are_drawn(tmp_path):
    with gr.Blocks(analytics_enabled=False) as blocks:
        panels.samples(entry_of('nade_digits'), tmp_path)
    caption, picture = next(iter(blocks.fns.values())).outputs
    assert picture.value and "the model's card" in caption.value
    assert answered(next(iter(blocks.fns.values())))[0] == 'Samples of seed 0'


def test_a_likelihood_has_the_same_words_wherever_it_stands(tmp_path):
    entry = entry_of('nade_digits')
    score = next(function for function in shown(entry, tmp_path)[1] if function.fn.__name__ == 'score')
    own, facts = answered(score)[0], page.described(entry)
    form = r'negative log-likelihood: [\d.]+ nats, [\d.]+ bits/dim'
    assert re.search(form, own) and re.search(form, facts)
    found = views.scored(entry, views.drawn(entry, 1)[0])
    assert f'{-found.nats:.2f} nats, {found.bits_per_dim:.4f} bits/dim' in own


def test_names_and_texts_are_shown_never_obeyed(tmp_path):
    entry = entry_of('nade_digits')
    entry.facts['trained on'] = '<img src="http://elsewhere.example/x.png">'
    try:
        assert '<img' not in page.described(entry) and '&lt;img' in page.described(entry)
    finally:
        del entry.facts


def test_data_that_are_not_here_are_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(socket.socket, 'connect', lambda *args: pytest.fail('the network was asked'))
    assert tfdgm.data.is_here('digits') and tfdgm.data.is_here('moons') and tfdgm.data.is_here('digits+digits')
    assert not tfdgm.data.is_here('no_such_set') and not tfdgm.data.is_here(str(tmp_path / 'none.npy'))
    entry = Entry('far', random_folder(tmp_path, tfdgm.NADE((8, 8, 1)), {'name': 'cats_vs_dogs'}))
    assert not entry.has_data
    tabs, functions = shown(entry, tmp_path)
    assert tabs == ['Samples', 'Complete', 'Likelihood']
    for function in functions:
        answered(function)


# The command ---------------------------------------------------------------------------------------------------------


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def fails(*arguments):
    result = run('demo', '--no-open', *arguments)
    assert result.status == 1
    return result.err


def test_a_model_that_is_none_is_named(elsewhere):
    assert 'Did you mean nade_digits' in fails('nade_digit')
    assert 'There is no' in fails('./nothing')
    pathlib.Path('empty').mkdir()
    assert 'config.json' in fails('./empty')


def test_a_port_that_is_taken_is_named():
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        message = fails('nade_digits', '--port', port)
    assert f'The port {port} of 127.0.0.1 cannot be had' in message and 'Choose one by --port' in message


@pytest.mark.parametrize('host', ['192.0.2.1', 'no host'])
def test_a_host_that_is_not_of_this_machine_is_named(host):
    message = fails('nade_digits', '--host', host)
    assert f'{host} is not one of the IPv4 addresses of this machine' in message and '--host' in message
    assert 'port' not in message


def test_without_gradio_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    assert "pip install 'tfdgm[demo]'" in fails('nade_digits')


@pytest.mark.parametrize('options, opened', [(['--open'], ['http://here/']), (['--no-open'], [])])
def test_the_command_shows_all_models_and_opens_the_browser_if_it_should(elsewhere, monkeypatch, options, opened):
    asked, seen = {}, []

    def serve(names, folder_of, first, host, port, started):
        asked.update(names=names, folder=folder_of(first), first=first, host=host)
        started('http://here/')
        raise KeyboardInterrupt

    monkeypatch.setattr(page, 'serve', serve)
    monkeypatch.setattr(demo.webbrowser, 'open', seen.append)
    random_folder(elsewhere, tfdgm.Independent((8, 8, 1)))
    result = run('demo', str(elsewhere), '--port', free_port(), *options)
    assert result.status == 0 and 'http://here/ shows the page' in result.out and 'Ended.' in result.out
    assert seen == opened
    assert asked == {'names': [str(elsewhere), *zoo.names()], 'folder': elsewhere, 'first': str(elsewhere),
                     'host': '127.0.0.1'}


def test_a_port_that_is_taken_meanwhile_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr(page.tempfile, 'tempdir', None)
    monkeypatch.setenv('GRADIO_TEMP_DIR', '')
    monkeypatch.setenv('no_proxy', '')
    with socket.create_server(('127.0.0.1', 0)) as server, pytest.raises(OSError, match='port'):
        page.serve(['nade_digits'], zoo.folder, 'nade_digits', '127.0.0.1', server.getsockname()[1], pytest.fail)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_nothing_stays(number, tmp_path):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, '-m', 'zoo', 'demo', 'nade_digits', '--no-open', '--port', str(port)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=pathlib.Path(zoo.__file__).parents[1],
        env={**os.environ, 'TMPDIR': str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        assert f'http://127.0.0.1:{port}/ shows the page' in process.stdout.readline()
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f'http://127.0.0.1:{port}/') as answer:
            assert answer.status == 200
        assert list(tmp_path.glob('tfdgm-demo-*'))
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0 and 'Ended.' in out and 'Traceback' not in err
    assert not list(tmp_path.glob('tfdgm-demo-*'))


# The page in a browser -----------------------------------------------------------------------------------------------


@pytest.fixture
def browser():
    sync_api = pytest.importorskip('playwright.sync_api', reason='playwright is not installed')
    chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if chromium is None:
        pytest.skip('there is no Chromium to look at the page with')
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=['--no-sandbox', '--disable-gpu'])
        yield browser
        browser.close()


@pytest.fixture
def address(tmp_path, monkeypatch):
    """The address of a page with two models."""
    monkeypatch.setenv('GRADIO_TEMP_DIR', str(tmp_path))
    monkeypatch.setenv('no_proxy', '')
    blocks = page.build(['nade_digits', 'gan_digits', 'vae_digits_label'], zoo.folder, 'gan_digits', tmp_path)
    yield page.launched(blocks, '127.0.0.1', free_port())
    blocks.close(verbose=False)


def test_the_page_lets_one_pick_a_model_draw_sketch_and_complete(browser, address):
    faults, view = [], browser.new_page(viewport={'width': 1200, 'height': 1400})
    view.set_default_timeout(60_000)
    view.on('console', lambda message: message.type == 'error' and faults.append(message.text))
    view.on('pageerror', lambda error: faults.append(str(error)))
    view.on('response', lambda response: response.status >= 400 and faults.append(f'{response.status} {response.url}'))
    view.on('request', lambda request: request.url.startswith((address, 'data:', 'blob:')) or faults.append(
        f'another host: {request.url}'))
    view.goto(address)
    view.get_by_role('tab', name='Latent space').wait_for()
    assert view.get_by_role('tab', name='Complete').count() == 0

    box = view.get_by_role('combobox', name='Model')
    box.click()
    view.get_by_role('option', name='nade_digits').click()
    view.get_by_role('tab', name='Complete').wait_for()
    before = picture_of(view)
    view.get_by_role('button', name='Draw', exact=True).click()
    assert changed(view, before) != before

    view.get_by_role('tab', name='Complete').click()
    sheet = view.locator('canvas:visible').bounding_box()
    left, top, side = sheet['x'], sheet['y'], sheet['width']
    view.mouse.move(left + side * 0.3, top + side * 0.2)
    view.mouse.down()
    view.mouse.move(left + side * 0.7, top + side * 0.2, steps=5)
    view.mouse.up()
    view.get_by_role('button', name='Complete', exact=True).click()
    view.get_by_text('drawn exactly by the chain rule').wait_for()
    made = view.locator('.picture:visible img').first
    made.wait_for()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(made.get_attribute('src')) as answer:
        pixels = np.asarray(Photograph.open(answer).convert('L'))
    # The first picture of the grid is what is known: white where the stroke was, in the upper half.
    cell = pixels.shape[1] // 3
    assert pixels[int(cell * 0.2), cell // 2] == 255 and pixels[int(cell * 0.2), int(cell * 0.08)] == 0
    assert pixels[int(cell * 0.75), cell // 2] not in (0, 255)
    # So it is in each completion.
    assert all(pixels[int(cell * (row + 0.2)), int(cell * (column + 0.5))] == 255
               for row in range(3) for column in range(3))
    assert not faults
    for width in 1200, 390:
        view.set_viewport_size({'width': width, 'height': 900})
        assert not view.evaluate('document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth')


def picture_of(view):
    """The address of the picture that a page shows, once there is one."""
    found = view.locator('.picture:visible img').first
    found.wait_for()
    return found.get_attribute('src')


def changed(view, before):
    """The address of a picture that is another one than before."""
    view.wait_for_function(
        """before => [...document.querySelectorAll('.picture img')].some(
            image => image.offsetParent && image.src !== before)""", arg=before)
    return picture_of(view)
