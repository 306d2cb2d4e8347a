"""Cards: what a pretrained model is, how it was trained and what it reaches, in Markdown."""

import pathlib
from types import NoneType

from tfdgm import pictures, pretrained
from tfdgm.conditions import Label


def write(folder, model, config: dict):
    """Writes a folder's card, and beside it a grid of samples where the events are images."""
    folder = pathlib.Path(folder)
    images = len(model.event_shape) == 3 and model.event_shape[-1] in (1, 3)
    with_grid = images and isinstance(model.condition, (NoneType, Label))
    if with_grid:
        save_samples(folder / pretrained.GRID, model)
    (folder / pretrained.CARD).write_text(text(folder.resolve(), model, config, with_grid))


def save_samples(path, model):
    """Saves 64 samples as a grid; of a model conditioned on a label, 8 of each of the first ten classes."""
    if model.condition is None:
        pictures.save_grid(path, model.distribution().sample(64, seed=0))
    else:
        labels = range(min(model.condition.num_classes, 10))
        samples = model.distribution(list(labels)).sample(8, seed=0).numpy()
        pictures.save_grid(path, samples.reshape(-1, *model.event_shape), columns=len(labels))


def text(folder: pathlib.Path, model, config: dict, with_grid: bool) -> str:
    """The card's Markdown."""
    name, of_the_zoo = folder.name, folder.parent.name == 'zoo'
    dataset, record = config['dataset'], config.get('record')
    data = dataset['name'] + (f' ({dataset["binarization"]} binarization)' if dataset.get('binarization') else '')
    data += f' ({dataset["levels"]} levels)' if dataset.get('levels') else ''
    doc = (type(model).__doc__ or '').strip().splitlines()[0]
    lines = [
        f'# {name}', '', doc, '',
        f'- model: `tfdgm.{type(model).__name__}`, {model.count_params():,} parameters; its arguments are in '
        f'[{pretrained.CONFIG}]({pretrained.CONFIG})',
        f'- events: {model.event_shape}, each value {model.support()}',
        f'- data: {data}']
    if config.get('about'):
        lines.append(f'- {config["about"]}')
    if with_grid:
        lines += ['', f'![samples]({pretrained.GRID})']
    if config.get('results'):
        lines += [
            '', '## Results', '', '| split | nats | standard error | bits/dim | examples |', '|---|---|---|---|---|']
    for split, result in config.get('results', {}).items():
        lines.append(f'| {split} | {result["nll"]:.2f} | {result["standard_error"]:.2f} | '
                     f'{result["bits_per_dim"]:.4f} | {result["examples"]:,} |')
    if config.get('results'):
        lines += ['', f'`tfdgm evaluate {name}` measures them again.']
    if record:
        lines += [
            '', '## Training', '',
            f'`tfdgm train {pretrained.CONFIG} -o elsewhere`, in this folder, trains it again, with seed '
            f'{config["training"].get("seed", 0)}. {record["epochs"]} epochs took {record["minutes"]:.1f} minutes on '
            f'{record["hardware"]}; epoch {record["best_epoch"]}, the best on the validation split, was kept '
            f'(training {record["train_nll"]:.2f} nats, validation {record["validation_nll"]:.2f}).']
    lines += [
        '', '## Use', '', '```python',
        *(['import zoo', f'model = zoo.load({name!r})'] if of_the_zoo else
          ['import tfdgm', f'model = tfdgm.pretrained.load({name!r})  # the path of this folder']),
        'dist = model.distribution('
        + ('' if model.condition is None else '3') + ')', 'dist.sample(64, seed=0)', '```', '']
    return '\n'.join(lines)
