"""Commands for what people do with a model: classify, reject, complete, translate, compress.

What needs no TensorFlow does not import it, as in `cli`.
"""

import csv
import pathlib
import sys
from typing import Annotated

import typer

from tfdgm import config_file
from tfdgm.command_line import terminal
from tfdgm.command_line.arguments import (
    Events,
    LabelOption,
    Name,
    check_source,
    check_target,
    folder_of,
    label_of,
    start_tensorflow,
)

TableOption = Annotated[pathlib.Path | None, typer.Option(
    '--output', '-o', help='A .csv file; the terminal by default.')]
# The parts of images that `complete` can keep, as slices of their rows and columns.
PARTS = {'upper': (slice(0.5), slice(1)), 'lower': (slice(0.5, 1), slice(1)),
         'left': (slice(1), slice(0.5)), 'right': (slice(1), slice(0.5, 1))}


def classify(
    name: Name,
    file: Events,
    output: TableOption = None,
    reject: Annotated[float | None, typer.Option(
        help='For a density given a label: label -1 what is less likely, over all labels, than this quantile of the '
             'validation split.')] = None,
):
    """Tell the labels of events: by a classifier, or by Bayes' rule from a density given a label.

    Example: `tfdgm classify features_mnist digits.npy -o labels.csv`
    """
    check_table(output)
    check_source(file)
    model, config = loaded(name)
    import numpy as np

    from tfdgm import data
    from tfdgm.applications.bayes import BayesClassifier, posterior
    from tfdgm.evaluation import Classifier
    from tfdgm.pretrained import files

    events = files.read(file, model, config)
    with terminal.status(f'Classifying {len(events)} events'):
        if isinstance(model, Classifier):
            if reject is not None:
                raise ValueError('A classifier knows p(label | event) alone, and not what is unlikely: leave out '
                                 '--reject, or take a density given a label, such as gated_pixelcnn_mnist_label.')
            log_probs, refused = model.log_prob_of_labels(events).numpy(), np.zeros(len(events), bool)
        else:
            held_out = events[:2], np.zeros(2, int)  # Without labels there is an error, whatever the events.
            if config['dataset'].get('labels'):
                held_out = data.as_arrays(data.load(split='validation', **config['dataset']))
            classifier = BayesClassifier(model, 'uniform', reject).fit(*held_out)
            joint = classifier.predict_joint_log_proba(events)
            log_probs = posterior(joint, classifier.log_prior_)
            refused = np.logaddexp.reduce(joint, axis=1) < classifier.threshold_
    labels = np.where(refused, -1, np.argmax(log_probs, axis=1))
    probabilities = np.exp(np.max(log_probs, axis=1))
    write_table(output, [('event', 'label', 'probability'), *(
        (index, int(label), f'{probability:.6f}') for index, (label, probability) in enumerate(
            zip(labels, probabilities)))], f'{len(events)} labels')


def outliers(
    name: Name,
    file: Events,
    output: TableOption = None,
    statistic: Annotated[str, typer.Option(
        help='likelihood, typicality, complexity, or likelihood_ratio.')] = 'complexity',
    background: Annotated[str | None, typer.Option(
        help='For likelihood_ratio, the model of what all such events have in common: a name or a folder.')] = None,
    false_positive_rate: Annotated[float, typer.Option(
        help='The fraction of the validation split that is labelled as outliers.')] = 0.05,
):
    """Tell which events are unlike those that a model was trained on.

    Example: `tfdgm outliers gated_pixelcnn_fashion_mnist clothes.npy --statistic typicality`
    """
    check_table(output)
    check_source(file)
    model, config = loaded(name)
    from tfdgm import data
    from tfdgm.applications import OutlierDetector
    from tfdgm.pretrained import files

    beside = None if background is None else loaded(background)[0]
    events = files.read(file, model, config)
    detector = OutlierDetector(model, statistic, beside, false_positive_rate)
    held_out = data.as_arrays(data.load(split='validation', **config['dataset']))
    with terminal.status('Scoring the validation split'):
        detector.fit(held_out[0] if isinstance(held_out, tuple) else held_out)
    with terminal.status(f'Scoring {len(events)} events'):
        scores = detector.score_samples(events)
    told = scores < detector.offset_
    write_table(output, [('event', 'score', 'outlier'), *(
        (index, f'{score:.6f}', int(outlier)) for index, (score, outlier) in enumerate(zip(scores, told)))],
        f'{told.sum()} outliers among {len(events)} events')


def complete(
    name: Name,
    file: Events,
    output: Annotated[pathlib.Path, typer.Option(
        '--output', '-o', help='A .png for a grid of images, a row for each event; or a .npy.')],
    keep: Annotated[str | None, typer.Option(
        help='Which half of images is known: upper, lower, left or right.')] = None,
    mask: Annotated[pathlib.Path | None, typer.Option(
        help='Or a .npy file, 1 where values are known, of a shape that broadcasts to the events.')] = None,
    number: Annotated[int, typer.Option('--number', '-n', min=1, help='How many completions of each event.')] = 4,
    label: LabelOption = None,
    seed: Annotated[int, typer.Option(help='The same seed gives the same completions.')] = 0,
):
    """Draw what is missing of events, given the rest.

    Example: `tfdgm complete rbm_digits digits.npy --keep lower -o completed.png`
    """
    check_target(output, '.png', '.npy')
    check_source(file)
    if (keep is None) == (mask is None):
        raise ValueError('Say what is known: either --keep, a half of images, or --mask, a file.')
    if keep is not None and keep not in PARTS:
        raise ValueError(f'--keep must be one of {", ".join(PARTS)}, got {keep}.')
    model, config = loaded(name)
    import numpy as np

    from tfdgm import applications
    from tfdgm.pretrained import files

    files.check_kind(output, model, config)
    events = files.read(file, model, config)
    if mask is not None:
        known = files.read(mask, model, config)
    elif len(model.event_shape) != 3:
        raise ValueError(f'--keep is for images; the events of this model have the shape {model.event_shape}: pass '
                         '--mask.')
    else:
        known = np.zeros(model.event_shape)
        known[tuple(slice(*(None if end is None else round(end * size) for end in (part.start, part.stop)))
                    for part, size in zip(PARTS[keep], model.event_shape))] = 1
    condition = conditions_for(label, model, len(events))
    with terminal.status(f'Completing {len(events)} events'):
        found = applications.complete(model, events, known, number, condition=condition, seed=seed)
    completed = found.events.swapaxes(0, 1)
    if output.suffix.lower() == '.png':
        from tfdgm.evaluation import pictures

        shown = np.where(known == 1, np.nan_to_num(events), 0.)
        rows = np.concatenate([shown[:, None], completed], axis=1)
        pictures.save_grid(output, rows.reshape(-1, *model.event_shape), columns=number + 1)
    else:
        files.write(output, completed, config)
    terminal.say(f'{number} completions of each of {len(events)} events in {output}, by {found.method}'
                 f'{"" if found.is_exact else ", which comes near"}')
    if found.doubt:
        terminal.say_warning(f'These completions are doubtful: {found.doubt}.')


def compress(
    name: Name,
    file: Events,
    output: Annotated[pathlib.Path, typer.Option('--output', '-o', help='A file that ends in .tfdgm.')],
    label: LabelOption = None,
):
    """Compress events without loss, by the probabilities of an autoregressive model.

    Example: `tfdgm compress nade_digits digits.npy -o digits.tfdgm`
    """
    check_target(output, '.tfdgm')
    check_source(file)
    model, config = loaded(name)

    from tfdgm import applications, atomic
    from tfdgm.pretrained import files

    events = files.read(file, model, config)
    condition = conditions_for(label, model, len(events))
    with terminal.status(f'Compressing {len(events)} events'):
        packed = applications.compress(model, events, condition)
    with atomic.writing(output) as target:
        target.write(packed)
    terminal.say(f'{len(events)} events in {len(packed):,} bytes, {8 * len(packed) / events.size:.4f} bits a number, '
                 f'in {output}')


def decompress(
    name: Name,
    file: Annotated[pathlib.Path, typer.Argument(help='A file that `tfdgm compress` wrote.')],
    output: Annotated[pathlib.Path, typer.Option(
        '--output', '-o', help='A .npy file; or a .png for a grid of images, a .csv for a table.')],
    label: LabelOption = None,
):
    """Make the events again that `tfdgm compress` made a file of, by the same model on such a machine.

    Example: `tfdgm decompress nade_digits digits.tfdgm -o digits.npy`
    """
    check_target(output, '.npy', '.png', '.csv')
    check_source(file)
    model, config = loaded(name)

    from tfdgm import applications
    from tfdgm.applications.compression import unpacked
    from tfdgm.pretrained import files

    files.check_kind(output, model, config)
    packed = file.read_bytes()
    condition = conditions_for(label, model, unpacked(model, packed)[0])
    with terminal.status('Decompressing'):
        events = applications.decompress(model, packed, condition)
    files.write(output, events, config)
    terminal.say(f'{len(events)} events in {output}')


def translate(
    name: Name,
    file: Events,
    output: Annotated[pathlib.Path, typer.Option(
        '--output', '-o', help='A .png for a grid of images, a .csv for a table, a .npy for any.')],
    back: Annotated[bool, typer.Option('--back', help='From B to A, instead of from A to B.')] = False,
):
    """Translate events from one kind to another, by a model that learned from both.

    Example: `tfdgm translate my_cyclegan digits.npy -o translated.png`
    """
    check_target(output, '.png', '.csv', '.npy')
    check_source(file)
    model, config = loaded(name)
    from tfdgm.implicit import CycleGAN
    from tfdgm.pretrained import files

    if not isinstance(model, CycleGAN):
        raise ValueError(f'{type(model).__name__} does not translate; tfdgm.CycleGAN does.')
    files.check_kind(output, model, config)
    translated = model.translate(files.read(file, model, config), *('BA' if back else 'AB'))
    files.write(output, translated.numpy(), config)
    terminal.say(f'{len(translated)} translations in {output}')


def loaded(name: str) -> tuple:
    """A model by its name or folder, and its configuration; starts TensorFlow."""
    folder = folder_of(name)
    config = config_file.read_config(folder)
    start_tensorflow()
    from tfdgm import pretrained

    return pretrained.load(folder), config


def conditions_for(label: str | None, model, count: int):
    """The same label for so many events, or None of a model without a condition."""
    import numpy as np

    condition = label_of(label, model.condition)
    return None if condition is None else np.broadcast_to(condition, (count, *np.shape(condition)))


def check_table(output: pathlib.Path | None):
    """Raises, before any work is done, unless a table can be written there."""
    if output is not None:
        check_target(output, '.csv')


def write_table(output: pathlib.Path | None, rows: list, what: str):
    """Writes rows into a .csv file, or the terminal."""
    from tfdgm.pretrained import files

    if output is None:
        csv.writer(sys.stdout, lineterminator='\n').writerows(rows)
    else:
        files.write_rows(output, rows)
        terminal.say(f'{what} in {output}')


COMMANDS = classify, outliers, complete, translate, compress, decompress
