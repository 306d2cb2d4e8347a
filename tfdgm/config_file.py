"""The text files in the folder of a pretrained model: `config.json`, read and checked, and the card.

Nothing here needs TensorFlow, so that models can be listed and shown at once.
"""

import json
import math
import os
import pathlib
import re
import reprlib
import stat
import sys

CONFIG, CARD, WEIGHTS = 'config.json', 'README.md', 'model.weights.h5'

# YAML before the Markdown of a card, as the hub has it.
FRONT_MATTER = r'\A---\r?\n(.*\n)*?---[ \t]*\r?\n\s*'

PARTS = 'about', 'model', 'dataset', 'training', 'record', 'weights_sha256', 'results', 'samples'
NEEDED = 'model', 'dataset', 'training'
LARGEST, DEEPEST = 2**24, 50

OBJECT, TEXT, INTEGER, NUMBER, FLAG, CHOICE, COLUMNS, NAMES, OPTIMIZER = (
    'a JSON object', 'a text', 'an integer', 'a finite number', 'true or false', 'true, false or "auto"',
    'a list of names or of numbers from 0', 'a list of names', 'a name or a JSON object')
# The types of the parts, and of what is in them; keys that are not listed are for others to judge.
PART_TYPES = {**dict.fromkeys(PARTS, OBJECT), 'about': TEXT, 'weights_sha256': TEXT}
TYPES = {
    'dataset': {'name': TEXT, 'binarization': TEXT, 'levels': INTEGER, 'size': INTEGER, 'color_mode': TEXT,
                'labels': FLAG, 'classes': NAMES, 'columns': COLUMNS, 'length': INTEGER, 'coarse': INTEGER,
                'grey': FLAG, 'mutation': NUMBER, 'seed': INTEGER},
    'training': {'epochs': INTEGER, 'batch_size': INTEGER, 'seed': INTEGER, 'patience': INTEGER, 'jit_compile': CHOICE,
                 'mirror': FLAG, 'with_validation': FLAG, 'optimizer': OPTIMIZER, 'steps_per_execution': INTEGER,
                 'kl_warm_up': INTEGER, 'initial_weights': TEXT, 'prior': OBJECT, 'log_partition': OBJECT},
    'record': {'epochs': INTEGER, 'best_epoch': INTEGER, 'minutes': NUMBER, 'hardware': TEXT, 'columns': COLUMNS,
               'data': TEXT, 'classes': NAMES, 'rate': INTEGER, 'diverged': INTEGER},
    'results': {'examples': INTEGER, 'num_samples': INTEGER},
    'samples': {'features': TEXT, 'split': TEXT, 'events': INTEGER, 'frechet_distance': NUMBER,
                'kernel_distance': NUMBER, 'standard_error': NUMBER, 'precision': NUMBER, 'recall': NUMBER,
                'density': NUMBER, 'coverage': NUMBER, 'label_accuracy': NUMBER},
}
# What is never missing, nor null.
ALWAYS = {
    'dataset': ('name',),
    'training': (),
    'record': ('epochs', 'best_epoch', 'minutes', 'hardware'),
    'results': ('examples',),
    'samples': ('features', 'split', 'events'),
}


# How figures are shown, by their names in "results" and, behind the name of a split, in "record".
FIGURES = 'train_', 'validation_'
SHOWN = {'nll': ('nats', '.2f'), 'standard_error': ('standard error', '.2f'), 'bits_per_dim': ('bits/dim', '.4f'),
         'num_samples': ('draws', ',.0f'), 'perplexity': ('code perplexity', '.1f'),
         'distortion': ('nats of distortion', '.2f'), 'log_partition': ('log Z', '.2f'),
         'log_partition_error': ('its error', '.2f'), 'reverse_log_partition': ('log Z in reverse', '.2f'),
         'effective_sample_size': ('effective sample size', '.1f')}
SHOWN_OF_SAMPLES = {'frechet_distance': ('Fréchet distance', '.3g'), 'kernel_distance': ('kernel distance', '.2g'),
                    'standard_error': ('± ', '.1g'), 'label_accuracy': ('labels', '.3f'),
                    **{name: (name, '.3f') for name in ('precision', 'recall', 'density', 'coverage')}}
OF_DENSITIES = 'nll', 'standard_error', 'bits_per_dim'


def read_config(path: str | os.PathLike) -> dict:
    """Reads a folder's configuration, from the folder or from the file.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not a configuration; the message begins with the name of the file.
    """
    path = pathlib.Path(path)
    path = path / CONFIG if path.is_dir() else path
    if not path.exists():
        raise FileNotFoundError(f'There is no {path}: expected a configuration such as the {CONFIG} in a folder of the '
                                'zoo, which zoo.folder(name) gives.')
    config = parsed(text_of(path), path)
    if not isinstance(config, dict):
        raise ValueError(f'{path} holds no JSON object; see zoo/nade_digits/{CONFIG} for an example.')
    unknown = [part for part in config if part not in PARTS]
    if unknown:
        raise ValueError(f'{path} holds {", ".join(sorted(unknown))}, which is unknown; it takes {", ".join(PARTS)}.')
    missing = [part for part in NEEDED if part not in config]
    if missing:
        raise ValueError(f'{path} has no {" and no ".join(missing)}; see zoo/nade_digits/{CONFIG} for an example.')
    for part, value in config.items():
        check(value, PART_TYPES[part], f'{path}: "{part}"')
    for part in 'dataset', 'training', 'record', 'samples':
        if part in config:
            check_values(config[part], part, f'"{part}"', path)
    if 'record' in config:
        check_figures(config['record'], path)
    for split, result in config.get('results', {}).items():
        where = f'"{split}" in "results"'
        check(result, OBJECT, f'{path}: {where}')
        check_values(result, 'results', where, path)
        check_results(result, where, path)
    return config


def shown(results: dict) -> dict:
    """The figures in the results of a split as texts, by what stands above them: all but how many examples."""
    figures = {}
    for name, value in results.items():
        if name != 'examples':
            title, form = SHOWN.get(name, (name, '.4f'))
            figures[title] = format(value, form)
    return figures


def shown_samples(samples: dict) -> dict:
    """The measures of samples as texts, by what stands above them."""
    shown = {title: format(samples[name], form) for name, (title, form) in SHOWN_OF_SAMPLES.items() if name in samples}
    error = shown.pop('± ', None)
    if error is not None:
        shown['kernel distance'] += f' ± {error}'
    return shown


def shown_record(record: dict) -> tuple[str, str]:
    """The figures of the best epoch in a record, on the training and on the validation split, with their unit."""
    name = next(key.removeprefix('validation_') for key in record if key.startswith('validation_'))
    title, form = SHOWN.get(name, (name, '.4f'))
    return tuple(f'{record[f"{split}_{name}"]:{form}} {title}' for split in ('train', 'validation'))


def recipe_of(config: dict) -> dict:
    """The parts of a configuration that say how to train, without what came of it."""
    return {part: config[part] for part in ('about', 'model', 'dataset', 'training') if part in config}


def read_card(folder: str | os.PathLike) -> str:
    """Reads a folder's card, in Markdown, without what a card on the hub says to machines before it begins.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is no text.
    """
    path = pathlib.Path(folder) / CARD
    if not path.exists():
        raise FileNotFoundError(f'There is no card {path}; `tfdgm train` writes one.')
    return re.sub(FRONT_MATTER, '', text_of(path))


def text_of(path: pathlib.Path) -> str:
    """The text in a file; reading what is no regular file, such as a pipe, could wait for ever."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f'{path} is no regular file.')
    if status.st_size > LARGEST:
        raise ValueError(f'{path} has {status.st_size:,} bytes; expected a text of at most {LARGEST:,}.')
    try:
        return path.read_bytes().decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is no text in UTF-8: {error}.') from error


def parsed(text: str, path: pathlib.Path):
    """The value that JSON describes, if each of its keys stands there once, and each of its numbers is finite."""
    def unique(pairs):
        keys = [key for key, _ in pairs]
        repeated = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
        if repeated is not None:
            raise ValueError(f'the key "{repeated}" is there twice')
        return dict(pairs)

    def finite(number):
        if not math.isfinite(float(number)):
            raise ValueError(f'{number} is no finite number')
        return float(number)

    try:
        value = json.loads(text, object_pairs_hook=unique, parse_float=finite, parse_constant=finite)
        check_depth(value, DEEPEST)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError(f'{path} is nested more deeply than {DEEPEST} levels.') from error
    except UnicodeEncodeError as error:
        raise ValueError(f'{path} is not JSON: it holds half of a surrogate pair, which is no character.') from error
    except ValueError as error:
        raise ValueError(f'{path} is not JSON: {error}.') from error
    return value


def check_depth(value, levels: int):
    """Raises if lists and objects are nested more deeply than that: what reads them calls itself for each level."""
    if not levels:
        raise RecursionError
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        check_depth(part, levels - 1)


def check_values(values: dict, part: str, where: str, path: pathlib.Path):
    """Raises unless the values in a part have their types, and those that are always there are."""
    for key in ALWAYS[part]:
        if key not in values:
            raise ValueError(f'{path}: {where} has no {key}.')
    for key, kind in TYPES[part].items():
        if key in values and (values[key] is not None or key in ALWAYS[part]):
            check(values[key], kind, f'{path}: {key} in {where}')


def check_results(result: dict, where: str, path: pathlib.Path):
    """Raises unless results hold figures that are numbers, and all of a density's if there is one of them."""
    for name, value in result.items():
        check(value, NUMBER, f'{path}: {name} in {where}')
    is_density = len(result) == 1 or set(OF_DENSITIES) & set(result)
    missing = [name for name in OF_DENSITIES if name not in result] if is_density else []
    if missing:
        raise ValueError(f'{path}: {where} has no {" and no ".join(missing)}.')


def check_figures(record: dict, path: pathlib.Path):
    """Raises unless a record has one figure of the best epoch, on both splits."""
    names = {split: [key.removeprefix(split) for key in record if key.startswith(split)] for split in FIGURES}
    if len(names['train_']) != 1 or names['train_'] != names['validation_']:
        raise ValueError(f'{path}: "record" needs a figure of both splits, such as train_nll and validation_nll.')
    for split in FIGURES:
        name = split + names[split][0]
        check(record[name], NUMBER, f'{path}: {name} in "record"')


def check(value, kind: str, what: str):
    """Raises unless a value from JSON is of a type."""
    if not is_a(value, kind):
        raise ValueError(f'{what} should be {kind}, got {reprlib.repr(value)}.')


def is_a(value, kind: str) -> bool:
    """Whether a value from JSON is of a type; in Python, True is an integer too."""
    if kind == COLUMNS:
        return isinstance(value, list) and all(is_a(column, TEXT) or is_a(column, INTEGER) for column in value)
    if kind == NAMES:
        return isinstance(value, list) and all(is_a(name, TEXT) for name in value)
    if kind == NUMBER:
        return isinstance(value, float) or (is_a(value, INTEGER) and abs(value) <= sys.float_info.max)
    if kind == CHOICE:
        return isinstance(value, bool) or value == 'auto'
    types = {OBJECT: dict, TEXT: str, INTEGER: int, FLAG: bool, OPTIMIZER: str | dict}
    return isinstance(value, types[kind]) and (kind != INTEGER or not isinstance(value, bool))
