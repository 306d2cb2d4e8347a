"""Writes the table in which families stand side by side: `python docs/make_tables.py` from the top of the repository.

The figures are those that `tfdgm evaluate NAME --record` has left in the configurations of the zoo; only those of the
training events, to which samples can be held, are computed here.
"""

import os
import pathlib

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import tfdgm
import zoo
from tfdgm import config_file, pretrained
from tfdgm.evaluation.measures import compared, features_of

TABLE = pathlib.Path(__file__).parent / 'tables' / 'samples.md'
COLUMNS = ('entry', 'test nats', 'Fréchet distance', 'kernel distance', 'precision', 'recall', 'density', 'coverage',
           'labels')
EVENTS = 'events of the training split'


def measured_entries() -> dict:
    """The entries of the zoo whose samples have been measured: their configurations by their names."""
    configs = {name: config_file.read_config(zoo.folder(name)) for name in zoo.names()}
    return {name: config for name, config in configs.items() if 'samples' in config}


def data_of(config: dict) -> tuple:
    """What samples are compared with: the data but for its labels, and the features."""
    options = {key: value for key, value in config['dataset'].items() if key != 'labels'}
    return tuple(sorted(options.items())), config['samples']['features'], config['samples']['events']


def row(title: str, nats: str, samples: dict) -> str:
    """A line of the table."""
    figures = config_file.shown_samples(samples)
    return '| ' + ' | '.join([title, nats, *(figures.get(column, '') for column in COLUMNS[2:])]) + ' |'


def row_of(name: str, config: dict) -> str:
    """The line of an entry."""
    nats = config.get('results', {}).get('test', {}).get('nll')
    return row(f'`{name}`', '' if nats is None else f'{nats:,.2f}', config['samples'])


def row_of_events(config: dict) -> str:
    """The line of the training events, seen as those of the test split are."""
    number, features = config['samples']['events'], config['samples']['features']
    options = dict(data_of(config)[0])
    test, train = (tfdgm.data.as_arrays(tfdgm.data.load(split=split, **options).take(number))
                   for split in ('test', 'train'))
    if isinstance(test, tuple):  # Of two kinds, samples are of the first.
        test, train = test[0], train[0]
    classifier = None if features == 'values' else zoo.load(features)
    return row(EVENTS, '', compared(*features_of(pretrained.build(config), classifier, test, train)))


def table(entries: dict) -> str:
    """The lines of all entries that are compared with the same data, from the smallest Fréchet distance."""
    config = next(iter(entries.values()))
    options, features, number = data_of(config)
    title = ', '.join(str(value) if key == 'name' else f'{key} {value}' for key, value in sorted(
        options, key=lambda option: option[0] != 'name'))
    ranked = sorted(entries.items(), key=lambda entry: entry[1]['samples']['frechet_distance'])
    return '\n'.join([f'**{title}**: {number:,} samples, by ' + (
        'the values themselves' if features == 'values' else f'the features of `{features}`'), '',
        f'| {" | ".join(COLUMNS)} |', '|' + '---|' * len(COLUMNS), row_of_events(config),
        *(row_of(*entry) for entry in ranked)])


def main():
    """Writes the table."""
    groups = {}
    for name, config in measured_entries().items():
        groups.setdefault(data_of(config), {})[name] = config
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text('\n\n'.join(table(groups[key]) for key in sorted(groups, key=str)) + '\n')


if __name__ == '__main__':
    main()
