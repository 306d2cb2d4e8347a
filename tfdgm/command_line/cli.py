"""The `tfdgm` command: the zoo from the terminal. It is the one part of the package that knows the zoo.

What needs no TensorFlow does not import it: see `start_tensorflow` and `zoo.__main__`.
"""

import csv
import inspect
import pathlib
import sys
import traceback
import warnings
from typing import Annotated

import typer

import zoo
from tfdgm import cluster, config_file, hub
from tfdgm.command_line import applications, demo, pipelines, sharing, terminal
from tfdgm.command_line.arguments import (
    LabelOption,
    Name,
    Strategy,
    check_target,
    features_for,
    folder_of,
    label_of,
    start_tensorflow,
)

app = typer.Typer(
    help='Deep generative models: list, sample, score, train and evaluate them.', no_args_is_help=True,
    add_completion=False, rich_markup_mode='markdown', pretty_exceptions_enable=False)


@app.command('list')
def list_models():
    """List the pretrained models.

    Example: `tfdgm list`
    """
    rows, unreadable = [], []
    for name in zoo.names():
        try:
            config = config_file.read_config(zoo.folder(name))
        except (OSError, ValueError) as error:
            unreadable.append(str(error))
            rows.append((name, 'cannot be read', '-', '-'))
            continue
        figures = config_file.shown(config.get('results', {}).get('test', {}))
        rows.append((name, config['dataset']['name'], *(figures.get(title, '-') for title in ('nats', 'bits/dim'))))
    terminal.show_table(rows, ('name', 'data', 'test nats', 'bits/dim'))
    for message in unreadable:
        terminal.say_warning(message)


@app.command()
def card(name: Name):
    """Show what a pretrained model is, how it was trained and what it reaches.

    Example: `tfdgm card nade_digits`
    """
    terminal.show_markdown(config_file.read_card(folder_of(name)))


@app.command()
def sample(
    name: Name,
    output: Annotated[pathlib.Path, typer.Option(
        '--output', '-o', help='A .png for a grid of images, a .wav for sound, a .csv for a table, a .npy for any.')],
    number: Annotated[int, typer.Option('--number', '-n', min=1, help='How many samples.')] = 64,
    seed: Annotated[int, typer.Option(help='The same seed gives the same samples.')] = 0,
    label: LabelOption = None,
    length: Annotated[int | None, typer.Option(
        help='How many steps, for a model of sequences of several lengths; by default the most.')] = None,
    temperature: Annotated[float | None, typer.Option(
        help='By what the latents of a flow are multiplied: below 1, samples are closer to what is typical.')] = None,
):
    """Draw samples from a pretrained model.

    Example: `tfdgm sample nade_digits -n 64 -o grid.png`
    """
    check_target(output, '.png', '.wav', '.csv', '.npy')
    folder = folder_of(name)
    config = config_file.read_config(folder)
    start_tensorflow()
    from tfdgm import pretrained
    from tfdgm.pretrained import files

    model = pretrained.load(folder)
    files.check_kind(output, model, config)
    files.check_memory(number, model, output)
    with terminal.status(f'Sampling {number} events'):
        dist = model.distribution(label_of(label, model.condition))
        options = {name: value for name, value in (('length', length), ('temperature', temperature))
                   if value is not None}
        for option in options:
            if option not in inspect.signature(dist.sample).parameters:
                raise ValueError(f'{type(model).__name__} takes no --{option}.')
        files.write(output, dist.sample(number, seed=seed, **options).numpy(), config)
    terminal.say(f'{number} samples in {output}')


@app.command(context_settings={'allow_extra_args': True})
def score(
    context: typer.Context,
    name: Name,
    file: Annotated[str, typer.Argument(
        help='A .npy file of events, [n, *event_shape]; a .csv, .tsv or Parquet file with the columns the model was '
             'trained on; or a .wav file of one sound. With --runner, a pattern in quotes.')],
    output: Annotated[str | None, typer.Option(
        '--output', '-o', help='A .csv file; the terminal by default. With --runner, what the names of the files that '
                               'are written begin with.')] = None,
    label: LabelOption = None,
    runner: Annotated[str | None, typer.Option(
        help="One of Apache Beam's runners, such as DirectRunner, FlinkRunner, SparkRunner or DataflowRunner, for many "
             'or large files; what follows -- are options of Beam.')] = None,
):
    """Write the log-probability of each event, in nats, as CSV.

    Example: `tfdgm score nade_digits digits.npy -o scores.csv`

    By Apache Beam: `tfdgm score nade_digits 'data-*.parquet' -o scores --runner DirectRunner -- --direct_num_workers=4`
    """
    if runner is not None:
        pipelines.score(name, file, output, label, runner, context.args)
        return
    if context.args:
        raise typer.BadParameter(f'Unexpected {" ".join(context.args)}; a pattern of several files needs --runner.')
    file, output = pathlib.Path(file), None if output is None else pathlib.Path(output)
    if output is not None:
        check_target(output, '.csv')
    if not file.is_file():
        raise FileNotFoundError(f'There is no file {file}.')
    folder = folder_of(name)
    config = config_file.read_config(folder)
    start_tensorflow()
    import numpy as np

    from tfdgm import pretrained
    from tfdgm.density import DensityModel
    from tfdgm.pretrained import files

    model = pretrained.load(folder)
    if not isinstance(model, DensityModel):
        raise ValueError(f'{type(model).__name__} gives samples and no density, so it has no log-probabilities.')
    events = files.read(file, model, config)
    condition = label_of(label, model.condition)
    inputs = events if condition is None else [events, np.broadcast_to(condition, (len(events), *condition.shape))]
    log_probs = model.predict(inputs, verbose=0)
    rows = [('event', 'log_prob'), *((index, f'{value:.6f}') for index, value in enumerate(log_probs))]
    if output is None:
        csv.writer(sys.stdout, lineterminator='\n').writerows(rows)
    else:
        files.write_rows(output, rows)
        terminal.say(f'{len(log_probs)} log-probabilities in {output}, {np.mean(log_probs):.2f} nats on average')


@app.command()
def train(
    config: Annotated[pathlib.Path, typer.Argument(help='A recipe, such as zoo/nade_digits/config.json.')],
    output: Annotated[pathlib.Path | None, typer.Option(
        '--output', '-o', help='The folder to write; by default that of the recipe.')] = None,
    strategy: Annotated[Strategy | None, typer.Option(
        help='How to train on several devices: `mirrored`, on all of this machine, or `multi-worker`, in all the '
             'processes that TF_CONFIG names, each started by this command.')] = None,
):
    """Train the model that a recipe describes and write a zoo folder. Run it again to go on after an interruption.

    Example: `tfdgm train zoo/nade_digits/config.json -o my_nade`

    On several GPUs: `tfdgm train zoo/nade_digits/config.json -o my_nade --strategy mirrored`
    """
    others = cluster.require_cluster() if strategy == Strategy.MULTI_WORKER else []
    recipe = config_file.recipe_of(config_file.read_config(config))
    folder = output or (config if config.is_dir() else config.parent)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f'{folder} is a file; name a folder with -o.')
    start_tensorflow()
    from tfdgm.pretrained import distributed, training

    if others:
        terminal.say(f'Waiting for {", ".join(others)}, which TF_CONFIG names.', error=True)
    devices = None if strategy is None else distributed.strategy_of(strategy.value)
    with distributed.leaving_at_failure(devices):
        try:
            if not training.is_chief(devices):
                training.assist(recipe, devices, folder_of=folder_of)
                return
            prepare(folder, config, recipe, devices)
            trained = training.train(folder, folder_of=folder_of, strategy=devices)
        except KeyboardInterrupt:
            checkpoint = folder / training.CHECKPOINT
            kept = (f'All whole epochs are kept in {checkpoint}; the same command goes on.' if checkpoint.exists() else
                    'No epoch was whole yet; the same command begins again.')
            terminal.say(f'\nInterrupted. {kept}', error=True)
            raise typer.Exit(130) from None
    record = trained['record']
    terminal.say(f'{folder}: epoch {record["best_epoch"]} of {record["epochs"]} was kept, '
                 f'{config_file.shown_record(record)[1]} on the validation split.')
    if 'diverged' in record:
        terminal.say(f'Epoch {record["diverged"]} diverged, which ended the training; a lower learning rate may go '
                     'further.')


def prepare(folder: pathlib.Path, config: pathlib.Path, recipe: dict, devices):
    """Writes the recipe into the folder, if it can be trained and goes on where that is."""
    from tfdgm import pretrained
    from tfdgm.pretrained import training

    if not (folder / pretrained.CONFIG).exists():
        training.check(recipe, devices)  # Before anything is written.
        folder.mkdir(parents=True, exist_ok=True)
        pretrained.write_config(folder, recipe)
    elif config_file.recipe_of(config_file.read_config(folder)) != recipe:
        if not training.goes_on(folder, recipe):
            raise ValueError(f'{folder / pretrained.CONFIG} is another recipe than {config}; name another folder '
                             'with -o, or remove that file.')
        pretrained.write_config(folder, recipe)


@app.command()
def evaluate(
    name: Name,
    dataset: Annotated[str | None, typer.Option(
        help='Another dataset than the one it was trained on: a name, or the path of your own.')] = None,
    split: Annotated[str, typer.Option(
        help='Which split to measure; of your own data also several, as in train+test.')] = 'test',
    record: Annotated[bool, typer.Option('--record', help='Write the result into the configuration and card.')] = False,
    num_samples: Annotated[int | None, typer.Option(
        min=1, help='Of a model with latent variables, how many draws the bound of the likelihood takes.')] = None,
    likelihood: Annotated[bool, typer.Option(help='Whether to score the data.')] = True,
    samples: Annotated[int, typer.Option(
        min=0, help='How many samples, at least ten, to compare with as many of the data; 0 for none.')] = 2000,
    features: Annotated[str | None, typer.Option(
        help="By what to compare them: a classifier's name or folder, or `values`; by default the zoo's for such data, "
             'or else the values.')] = None,
):
    """Measure the likelihood of held-out data, or the loss of a model without one, and how much samples are like them.

    Example: `tfdgm evaluate nade_digits --split validation`
    """
    if record and dataset:
        raise ValueError('--record writes results on the dataset that the model was trained on; leave out --dataset.')
    if record and hub.is_address(name):
        raise ValueError(f'--record writes into the folder of the model, and {name} is not here: leave it out, or copy '
                         'the folder that zoo.folder gives.')
    folder = folder_of(name)
    config = config_file.read_config(folder)
    start_tensorflow()
    from tfdgm import data, pretrained
    from tfdgm.evaluation.evaluate import arguments_for, held_out
    from tfdgm.evaluation.measures import FEWEST, can_be_measured, measured
    from tfdgm.pretrained import cards, recipes

    recipes.checked_recipe(config)
    model = pretrained.load(folder)
    arguments = arguments_for(model, config, dataset) if dataset else config['dataset']
    examples = data.load(split=split, **arguments)  # It may show a progress bar of its own.
    title = f'{arguments["name"]}, {split}'
    if likelihood:
        with terminal.status(f'Scoring {title}'):
            result = held_out(model, examples, num_samples=num_samples)
        config['results'] = {**config.get('results', {}), split: {
            name: round(value, 7) for name, value in result.items()}}
        figures = config_file.shown(result)
        shown = name if hub.is_address(name) else folder.resolve().name
        terminal.show_table([(shown, *figures.values())], ('model', *figures),
                            f'{title}: {result["examples"]:,} examples')
    if samples and can_be_measured(model) and int(examples.cardinality()) >= FEWEST:
        name, classifier = features_for(features, config['dataset']['name'], model)
        with terminal.status('Drawing samples and comparing them'):
            result = measured(model, examples, classifier, samples)
        config['samples'] = {'features': name, 'split': split, **{
            name: round(value, 7) for name, value in result.items()}}
        figures = config_file.shown_samples(result)
        terminal.show_table([(name, *figures.values())], ('features', *figures),
                            f'{title}: {result["events"]:,} samples beside as many examples')
    if record:
        pretrained.write_config(folder, config)
        cards.write(folder, model, config)


for command in *sharing.COMMANDS, *applications.COMMANDS, *demo.COMMANDS:
    app.command()(command)


def main():
    """Runs the command; what the library says of bad input becomes one line and exit status 1."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter('ignore')
        sys.exit(status())


def status() -> int:
    """Runs the command; returns its exit status."""
    try:
        return app(prog_name='tfdgm', standalone_mode=False) or 0
    except typer.TyperException as error:  # A command line that makes no sense, or none at all.
        message = error.format_message()
        if message:
            end = '' if message.endswith('?') else '.'
            terminal.say_error(
                f'{message.rstrip(".")}{end} `tfdgm --help` and `tfdgm COMMAND --help` say what there is.')
        return error.exit_code
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        terminal.say_error(str(error) or type(error).__name__)
    except Exception:
        terminal.say(traceback.format_exc(), error=True)
    return 1
