"""What reaches the terminal: text that is shown and never obeyed, by a command that starts at once and is quiet."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unicodedata

import keras
import numpy as np
import pytest

import tfdgm
import zoo
from tests.test_cli import RECIPE, process, random_folder, run, write
from tfdgm import config_file, pretrained
from tfdgm.command_line import cli, terminal

pytestmark = pytest.mark.usefixtures('elsewhere')

ROOT = pathlib.Path(tfdgm.__file__).parents[1]

# Characters that a terminal may act on: a colour, a title, C1's beginning of a sequence, a bell, what goes back, what
# turns the direction, what is not seen, other ends of lines, half of a pair; then rich's own markup.
ACTING = ['\x1b[31m', '\x1b]0;title\x07', '\x9b31m', '\a', '\b', '\r', '\x7f', '\v', '\f', '\u202e', '\u2066', '\u200b',
          '\ufeff', '\u2028', '\u2029', '\x85', '\xad']
MARKUP = ['[red]', '[/red]', '[/]', '[link=file:///x]', ':smile:', '\\[red]']
HOSTILE = 'a' + 'b'.join([*ACTING, *MARKUP]) + 'c'


def assert_shown(text, *words, lines=None):
    """Text without anything that acts, in which the words are seen."""
    acting = {repr(character) for character in text if character != '\n'
              and unicodedata.category(character) in ('Cc', 'Cf', 'Cs', 'Zl', 'Zp')}
    assert not acting
    for word in words:
        assert word in text
    if lines is not None:
        assert text.count('\n') == lines


@pytest.fixture
def hostile(elsewhere):
    """A folder whose name, card and configuration are hostile, in the zoo."""
    folder = elsewhere / HOSTILE.replace('/', '∕').replace(':', 'ː')
    folder.mkdir()
    random_folder(folder, tfdgm.Independent((8, 8, 1)), {**RECIPE['dataset'], 'name': 'digits'})
    (folder / pretrained.CARD).write_text(f'# {HOSTILE}\n\n`{HOSTILE}`\n\n[{HOSTILE}](http://x/{HOSTILE})\n\n'
                                          '&#27;[31m &#155;31m &#13; &#x202e; &#8203; &#x2028; &shy; &lrm; &rlm;\n')
    return folder


# Injection ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('part', [*ACTING, '\ud800', '\udcff'])
def test_a_character_that_acts_is_written_as_its_code(part):
    shown = terminal.printable(f'a{part}b\n')
    assert shown[0] == 'a' and shown[-2:] == 'b\n' and '\\' in shown
    assert_shown(shown)
    shown.encode()


@pytest.mark.parametrize('text', ['μ-law, 28×28', 'Ørsted 東京 🙂', 'a\nb', ''])
def test_what_only_shows_stays(text):
    assert terminal.printable(text) == text


def test_a_card_is_shown(hostile):
    assert_shown(run('card', hostile).out, '[red]', '[/red]', '\\x1b[31m', '\\u202e')


def test_a_list_is_shown(hostile):
    name = zoo.register(hostile)
    write(hostile / config_file.CONFIG, dataset={'name': HOSTILE}, results={'test': {
        'nll': 1, 'standard_error': 1, 'bits_per_dim': 1, 'examples': 1}})
    result = run('list')
    assert result.status == 0 and result.err == '' and 'nade_digits' in result.out
    assert_shown(result.out, terminal.printable(name)[:10], '0.3786', '1.0000')
    assert all(other in result.out for other in zoo.names() if other != name), 'a long name leaves room for the others'


def test_results_are_shown(hostile):
    result = run('evaluate', hostile)
    assert result.status == 0, result.err
    assert_shown(result.out, '\\x1b[31m')
    assert re.search(r'│ \d+\.\d\d │ \d\.\d\d +│ \d\.\d{4} +│', result.out)


def test_names_of_files_are_shown(hostile):
    output = f'{HOSTILE}.npy'.replace('/', '∕')
    result = run('sample', hostile, '-n', 2, '-o', output)
    assert result.status == 0 and pathlib.Path(output).exists()
    assert_shown(result.out, '[red]', '\\x1b[31m', lines=1)


def test_training_is_told(elsewhere):
    write(elsewhere / 'recipe.json', training={'epochs': 1, 'batch_size': 399})
    folder = HOSTILE.replace('/', '∕')
    result = run('train', 'recipe.json', '-o', folder)
    assert result.status == 0, result.err
    assert_shown(result.out[result.out.rindex('a\\x1b'):], '[red]', lines=1)


@pytest.mark.parametrize('command', ['sample NAME -o a.npy', 'score NAME digits.npy', 'evaluate NAME', 'card NAME',
                                     'train NAME', 'sample nade_digits -o NAME', 'sample nade_digits -o NAME/a.npy',
                                     'score nade_digits NAME', 'sample nade_digits -o a.npy --label NAME',
                                     'evaluate nade_digits --split NAME', 'evaluate nade_digits --dataset NAME'])
def test_errors_are_shown_in_one_line(elsewhere, command):
    np.save('digits.npy', np.zeros([1, 8, 8, 1]))
    result = run(*(word.replace('NAME', HOSTILE) for word in command.split()))
    assert result.status == 1 and result.out == ''
    assert_shown(result.err, 'error: ', lines=1)


@pytest.mark.parametrize('command', ['NAME', '--NAME', 'sample --NAME', 'sample x -n NAME', 'sample x -o x --seed=NAME',
                                     'card x NAME'])
def test_a_command_line_that_is_none_is_shown_in_one_line(command):
    result = run(*(word.replace('NAME', HOSTILE) for word in command.split()))
    assert result.status == 2 and result.out == ''
    assert_shown(result.err, 'error: ', 'tfdgm --help', lines=1)


@pytest.mark.parametrize('config', [
    {HOSTILE: 1}, {**RECIPE, 'model': {'class_name': HOSTILE, 'config': {}}}, {**RECIPE, 'about': [HOSTILE]},
    {**RECIPE, 'dataset': {'name': HOSTILE}}, {**RECIPE, 'dataset': {'name': 'digits', HOSTILE: 1}},
    {**RECIPE, 'training': {HOSTILE: 1}}, {**RECIPE, 'training': {'optimizer': HOSTILE}},
    {**RECIPE, 'model': {'class_name': 'tfdgm>Independent', 'config': {'event_shape': [8], HOSTILE: 1}}},
])
def test_errors_of_a_configuration_are_shown_in_one_line(elsewhere, config):
    pathlib.Path('recipe.json').write_text(json.dumps(config))
    for command in ('train', 'recipe.json', '-o', 'new'), ('train', 'recipe.json'):
        result = run(*command)
        assert result.status == 1
        assert_shown(result.err, 'error: ', lines=1)


def test_names_of_columns_are_shown(elsewhere):
    column = HOSTILE.replace(',', ';')
    pathlib.Path('rows.csv').write_text(
        f'"{column}",b\n' + '\n'.join(f'{a},{b}' for a, b in np.random.default_rng(0).normal(size=[30, 2])), newline='')
    model = tfdgm.Independent(2, output=tfdgm.outputs.MixtureOfGaussians(1))
    write(elsewhere / 'recipe.json', {
        'model': keras.saving.serialize_keras_object(model), 'dataset': {'name': 'rows.csv'}, 'training': {
            'epochs': 1}})
    assert run('train', 'recipe.json', '-o', 'mine').status == 0
    assert_shown(run('card', 'mine').out, 'rows.csv, columns ')
    pathlib.Path('cut.csv').write_text('b\n1\n')
    assert_shown(run('score', 'mine', 'cut.csv').err, 'has no column', lines=1)


def test_an_error_of_the_library_s_own_is_shown_too(monkeypatch):
    def fail(name):
        raise KeyError(HOSTILE)

    monkeypatch.setattr(cli, 'folder_of', fail)
    result = run('card', 'nade_digits')
    assert result.status == 1
    assert_shown(result.err, 'Traceback', 'KeyError')


def test_on_a_terminal_only_the_command_s_own_colours_are_obeyed(hostile, monkeypatch):
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('TERM', 'xterm-256color')
    output = f'{HOSTILE}.npy'.replace('/', '∕')
    for command in (('card', hostile), ('evaluate', hostile), ('sample', hostile, '-n', 2, '-o', output),
                    ('card', HOSTILE)):
        result = run(*command)
        text = result.out + result.err
        assert '\x1b[' in text or command[0] == 'sample'
        assert not any(part in text for part in ACTING if part not in ('\x1b[31m', '\r'))
        assert 'b\x1b[31mb' not in text and 'b\rb' not in text and '\x1b]8;' not in text


# One bad folder -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('damage', [
    lambda path: path.write_text('{'), lambda path: path.unlink(), lambda path: path.write_text('{"model": 3}'),
    lambda path: (path.unlink(), os.mkfifo(path)), lambda path: (path.unlink(), path.mkdir()),
    lambda path: path.write_text(json.dumps({**RECIPE, 'results': {'test': {'nll': 'low'}}})),
    lambda path: path.write_text('[' * 100_000)])
def test_a_folder_that_cannot_be_read_does_not_hide_the_others(elsewhere, damage):
    write(elsewhere / 'bad_digits' / config_file.CONFIG)
    zoo.register('bad_digits')
    damage(elsewhere / 'bad_digits' / config_file.CONFIG)
    result = run('list')
    assert result.status == 0
    assert all(name in result.out for name in zoo.names())
    assert 'bad_digits' in next(line for line in result.out.splitlines() if 'cannot be read' in line)
    assert result.err.startswith('warning: ') and str(elsewhere / 'bad_digits') in result.err
    assert result.err.count('\n') == 1


# A quick start --------------------------------------------------------------------------------------------------------

def python(code, **environment):
    """Runs Python with the library, as if nobody had set how TensorFlow logs; returns its output and its errors."""
    inherited = {name: value for name, value in os.environ.items() if name != 'TF_CPP_MIN_LOG_LEVEL'}
    return subprocess.run(
        [sys.executable, '-c', code], text=True, capture_output=True, timeout=300,
        env={**inherited, 'PYTHONPATH': str(ROOT), **environment})


HEAVY = 'tensorflow', 'tensorflow_probability', 'tensorflow_datasets', 'keras', 'sklearn', 'matplotlib', 'numpy'
COMMANDS = """
import sys
from zoo.__main__ import main
for arguments in {commands!r}:
    sys.argv = ['tfdgm', *arguments]
    try:
        main()
    except SystemExit as end:
        print('status', end.code)
print('heavy', *(name for name in {heavy!r} if name in sys.modules))
"""


def commands(*lines):
    """A program that runs commands one after the other."""
    return COMMANDS.format(commands=[line.split() for line in lines], heavy=HEAVY)


def test_what_needs_no_tensorflow_does_not_import_it(elsewhere):
    lines = {'list': 0, '--help': 0, 'sample --help': 0, 'card nade_digits': 0, '': 2, 'nonsense': 2,
             'sample nade_digits': 2, 'sample nade_digits -o a.npy -n 0': 2, 'card nade_digit': 1,
             'sample nade_digits -o a.jpg': 1, 'score nade_digits missing.npy': 1, 'train missing.json': 1,
             'evaluate nade_digits --dataset digits --record': 1, 'sample ./nowhere -o a.npy': 1}
    out = python(commands(*lines)).stdout
    assert [int(line.split()[1]) for line in out.splitlines() if line.startswith('status')] == list(lines.values())
    assert out.endswith('\nheavy\n')


def test_the_zoo_s_names_need_no_tensorflow():
    code = f'import sys, zoo; zoo.names(); zoo.folder("nade_digits"); print([m for m in {HEAVY} if m in sys.modules])'
    assert python(code).stdout == '[]\n'


@pytest.mark.parametrize('imports', ['import keras, tfdgm', *(
    pytest.param(imports, marks=pytest.mark.slow) for imports in (
        'import tfdgm, keras',
        'import zoo, tfdgm, keras', 'import tfdgm.outputs, keras', 'from tfdgm import NADE; import keras',
        'from tfdgm import *; import keras', 'import zoo, keras; zoo.names(); zoo.card("nade_digits")'))])
def test_a_saved_model_needs_only_the_import(tmp_path, imports):
    tfdgm.NADE(4, hidden_units=2, output=tfdgm.outputs.Categorical(3)).save(tmp_path / 'model.keras')
    code = f'{imports}\nprint(type(keras.saving.load_model({str(tmp_path / "model.keras")!r})).__name__)'
    assert python(code).stdout == 'NADE\n'


def test_everything_is_there_after_the_import():
    assert set(tfdgm.__all__) <= set(dir(tfdgm))
    assert tfdgm.outputs.Bernoulli and tfdgm.NADE


@pytest.mark.slow
def test_what_needs_no_tensorflow_takes_a_tenth_of_the_time_of_its_import():
    def seconds(code):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            python(code)
            times.append(time.perf_counter() - start)
        return min(times)

    nothing = seconds('')
    imported = seconds('import tensorflow') - nothing
    for line in 'list', '--help', 'card nade_digits', 'sample nade_digit -o a.png':
        assert seconds(commands(line)) - nothing < imported / 10


# Quiet ----------------------------------------------------------------------------------------------------------------

def test_commands_say_nothing_but_their_own(elsewhere):
    """In a process of its own, for it is when it is imported that TensorFlow talks."""
    write(elsewhere / 'recipe.json')
    result = python(commands(
        'sample independent_digits -n 2 -o a.npy', 'score independent_digits a.npy', 'evaluate independent_digits',
        'train recipe.json -o mine', 'score independent_digits recipe.json'))
    assert result.stdout.startswith('2 samples in a.npy\nstatus 0\nevent,log_prob\n0,')
    assert result.stdout.count('status 0\n') == 4
    assert result.stderr == 'error: recipe.json should end in one of .npy, .wav, .csv, .tsv, .parquet, .pq.\n'


@pytest.mark.slow
def test_notices_are_not_kept_from_who_asks_for_them():
    code = ("import os; from tfdgm.command_line import terminal\n"
            "with terminal.without_notices(): os.write(2, b'I0000 00:00:1.2 3 a.cc:4] notice\\nand this\\n')")
    quiet, asked = (python(code, TF_CPP_MIN_LOG_LEVEL=level).stderr for level in '31')
    assert quiet.endswith('and this\n') and 'a.cc:4] notice' not in quiet
    assert 'a.cc:4] notice\nand this\n' in asked


def test_what_fails_while_notices_are_caught_is_told(capfd, monkeypatch):
    monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', '3')
    with pytest.raises(ImportError), terminal.without_notices():
        os.write(2, b'I0000 00:00:1.2 3 a.cc:4] notice\nbroken library\n')
        raise ImportError
    os.write(2, b'after\n')
    assert capfd.readouterr().err == 'broken library\nafter\n'


def test_the_process_too_is_quiet(elsewhere):
    running = process('sample', './nowhere', '-o', 'grid.png')
    _, stderr = running.communicate(timeout=120)
    assert running.returncode == 1
    assert_shown(stderr, 'error: There is no nowhere', lines=1)
