"""Training by a recipe, as `tfdgm train` does it.

A run can be stopped at any time and goes on from its last whole epoch, to the same weights as an uninterrupted one.
"""

import contextlib
import hashlib
import os
import pathlib
import platform
from collections.abc import Callable

import keras
import tensorflow as tf

from tfdgm import atomic, config_file, data, pretrained
from tfdgm.boltzmann import DBM, RBM, UnnormalizedModel
from tfdgm.errors import NonFiniteError
from tfdgm.execution import loop, workers
from tfdgm.latent import KLWarmUp
from tfdgm.pretrained import cards, distributed, process, weights
from tfdgm.pretrained.checking import check, compile_as
from tfdgm.pretrained.checkpoint import PRIOR_STATE, STATE, Checkpoint, course, text
from tfdgm.pretrained.recipes import checked_recipe, checked_settings

CHECKPOINT = 'checkpoint'


def train(folder: str | os.PathLike, verbose: int | str = 'auto', epochs: int | None = None,
          folder_of: Callable = pathlib.Path, strategy: tf.distribute.Strategy | None = None) -> dict:
    """Trains the model that a folder's `config.json` describes, and writes its weights and its card there.

    The weights of the best epoch on the validation split are kept, by the metric that the model's `monitor` names, or
    those of the last epoch where it names none. While it runs, `checkpoint/` in the folder holds the state after the
    last whole epoch; another call goes on from it, also where the last one was killed.

    Args:
        folder: a folder with `config.json`, whose parts are
            `model`, a serialised Keras model;
            `dataset`, the arguments of `tfdgm.data.load` but for the split;
            `training`, with `epochs`, `batch_size`, `optimizer` (a name or a serialised Keras optimizer; with its
            `use_ema`, the average of the weights is validated and kept), `seed`, `patience` (how many epochs without
            improvement end the training; None for never), `jit_compile` and `steps_per_execution` (as in the model's
            `compile`), `mirror` (whether to train on images and, at random, on their mirror images), `with_validation`
            (whether to train on the validation split as well, once all is chosen; the last epoch is kept then),
            `kl_warm_up` (over how many epochs `tfdgm.latent.KLWarmUp` raises the weight of the KL term),
            `initial_weights` (the folder of a pretrained model of the same architecture, from whose weights to start)
            `prior` (of a VQVAE: such settings, of the training of its prior that follows)
            and `log_partition` (of a model up to a constant: the arguments of its `estimate_log_partition`, which is
            called at the end).
        verbose: as in `keras.Model.fit`.
        epochs: stop after this many epochs for now, as an interruption would.
        folder_of: the folder that `initial_weights` names.
        strategy: None for one device, or a strategy, see `tfdgm.pretrained.distributed`. Of several workers, this is
            for the chief; the others `assist`.

    Returns:
        The configuration with what came of it, `record` and `weights_sha256`, or None if it is not done yet. Where an
        epoch diverged, that is what the ones before it reached, and `record` has its number, `diverged`.

    Raises:
        ValueError: if the configuration or its dataset is not valid, or the folder holds weights already.
        RuntimeError: if the training diverged from the start, the checkpoint is damaged or of another recipe, or
            another process trains in the folder.
        OSError: if a file cannot be written; the checkpoint stays as it was.
    """
    folder = pathlib.Path(folder)
    config = pretrained.read_config(folder)
    checkpoint = folder / CHECKPOINT
    cut = checkpoint.exists()
    with process.alone_in(checkpoint):
        for place in folder, checkpoint:
            atomic.tidy(place)
        trained, recipe = folder / pretrained.WEIGHTS, config_file.recipe_of(config)
        if trained.exists() and (not cut or pretrained.sha256(trained) != config.get('weights_sha256')):
            raise ValueError(f'{folder} holds a trained model already. Name another folder with -o, or remove '
                             f'{trained} to train it anew.')
        if not trained.exists():
            settings = check(recipe, strategy)
            if recipe != config:  # What came of the weights that were here before.
                pretrained.write_config(folder, recipe)
            config = run(folder, recipe, settings, verbose, epochs, folder_of, strategy)
        if config is not None:
            cards.write(folder, pretrained.load(folder), config)
            for state in STATE, PRIOR_STATE:
                (checkpoint / state).unlink(missing_ok=True)
    with scope_of(strategy):
        workers.wait_for_all()  # The others may not leave before: they would be missed.
    return config


def assist(config: dict, strategy: tf.distribute.Strategy, epochs: int | None = None,
           folder_of: Callable = pathlib.Path):
    """Trains with the chief and the other workers of a strategy, and writes nothing.

    Args:
        config: the same recipe as the chief's.
        strategy: a `tf.distribute.MultiWorkerMirroredStrategy`.
        epochs: as the chief's.
        folder_of: the folder that `initial_weights` names.

    Raises:
        ValueError: if the recipe or the dataset is not valid.
        RuntimeError: if they are others than the chief's, or the training diverged from the start.
    """
    config = config_file.recipe_of(config)
    run(None, config, check(config, strategy), 0, epochs, folder_of, strategy)
    with scope_of(strategy):
        workers.wait_for_all()


def is_chief(strategy: tf.distribute.Strategy | None) -> bool:
    """Whether this process is the one that writes the folder."""
    with scope_of(strategy):
        return workers.is_chief()


def scope_of(strategy: tf.distribute.Strategy | None):
    """The scope of a strategy, if there is one."""
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def goes_on(folder: pathlib.Path, recipe: dict) -> bool:
    """Whether another recipe goes on where the training in a folder is: only epochs, patience or `about` differ."""
    if (folder / pretrained.WEIGHTS).exists():
        return False
    here = config_file.recipe_of(pretrained.read_config(folder))
    return course({**here, 'training': checked_recipe(here)}) == course({**recipe, 'training': checked_recipe(recipe)})


def run(folder: pathlib.Path | None, config: dict, recipe: dict, verbose, epochs: int | None, folder_of,
        strategy) -> dict | None:
    """Trains from the last whole epoch on, to the end or to an epoch; without a folder, writes nothing."""
    with workers.needing_all():
        with scope_of(strategy):
            trained = trained_by(folder, config, recipe, verbose, epochs, folder_of)
        if trained is None or folder is None:
            return None
        model, record = trained
        if strategy is not None:  # What follows is the chief's alone, and needs a model of its own.
            values, model = model.get_weights(), pretrained.build(config)
            model.set_weights(values)
        if isinstance(model, UnnormalizedModel):
            model.estimate_log_partition(**recipe['log_partition'] or {})
        return finish(folder, config, model, record)


def trained_by(folder: pathlib.Path | None, config: dict, recipe: dict, verbose, epochs: int | None,
               folder_of) -> tuple | None:
    """The model at its best epoch, in the scope of the strategy, and the record of it."""
    keras.utils.set_random_seed(recipe['seed'])
    distributed.require_same('recipe', text(course({**config, 'training': recipe})))
    validation = data.load(split='validation', **config['dataset'])
    examples = data.load(split='train', **config['dataset'])
    if recipe['with_validation']:
        examples = examples.concatenate(validation)
    distributed.require_same('number of examples', f'{examples.cardinality()}, {validation.cardinality()}')
    if config['dataset'].get('binarization') != 'dynamic':
        examples = examples.cache()

    model = pretrained.build(config)
    compile_as(recipe, model)
    if model.standardization is not None:
        model.adapt(examples)
    if recipe['initial_weights']:
        start_from(folder_of(recipe['initial_weights']), model, config)
    checkpoint = Checkpoint(
        folder and folder / CHECKPOINT, config, int(examples.cardinality()), recipe['patience'], recipe['seed'],
        model.monitor, recipe['with_validation'])
    whole, error = fit(model, examples, validation, recipe, checkpoint, verbose, epochs)
    require_figures(checkpoint, folder, error)
    if not whole:
        return None
    model.set_weights(checkpoint.best)
    if recipe['kl_warm_up']:
        model.kl_weight.assign(1.)  # The best epoch may have been one with less.
    record = record_of(checkpoint, error)
    if recipe['prior'] is not None:
        record_of_prior = run_prior(
            folder, config, recipe, model, examples, validation, verbose, epochs and epochs - record['epochs'])
        if record_of_prior is None:
            return None
        record['minutes'] = round(record['minutes'] + record_of_prior['minutes'], 1)
        record['prior'] = record_of_prior
    return model, record


def run_prior(folder: pathlib.Path | None, config: dict, recipe: dict, model, examples, validation, verbose,
              epochs: int | None) -> dict | None:
    """Trains the prior of a model whose latents are codes; returns the record of it."""
    keeps_last = recipe['with_validation']  # Its own figures are of what it was trained on, too.
    recipe, prior = checked_settings(recipe['prior'], 'prior'), model.prior_layer
    compile_as(recipe, prior)
    in_codes = [tf.data.Dataset.from_tensor_slices(codes if conditions is None else (codes, conditions))
                for split in (examples, validation)
                for codes, conditions in [model.codes_for_prior(split.batch(model.scoring_batch))]]
    checkpoint = Checkpoint(folder and folder / CHECKPOINT, config, int(examples.cardinality()), recipe['patience'],
                            recipe['seed'], prior.monitor, keeps_last, PRIOR_STATE)
    whole, error = fit(prior, *in_codes, recipe, checkpoint, verbose, epochs)
    require_figures(checkpoint, folder, error)
    if not whole:
        return None
    prior.set_weights(checkpoint.best)
    model.prior_is_fitted.assign(1.)
    return record_of(checkpoint, error)


def fit(model, examples, validation, recipe: dict, checkpoint: Checkpoint, verbose, epochs: int | None) -> tuple:
    """Fits a compiled model from the last whole epoch on.

    Returns:
        Whether that is all of the training, and the error if it diverged.
    """
    steps = -(-int(examples.cardinality()) // recipe['batch_size'])
    validation = validation.batch(recipe['batch_size']).cache()
    for optimizer, optimized in model.optimized():
        optimizer.build(optimized)
    # Also if the layers that start from the first events have started: every reading of a stream shuffles it anew.
    stream = batches(examples, recipe)
    model.initialized_from(stream)
    checkpoint.restore(model)
    first, last = len(checkpoint.history), recipe['epochs'] if epochs is None else min(recipe['epochs'], epochs)
    if first < last and not checkpoint.finished():
        # With an average of the weights, the validation sees the average and so does `checkpoint`, which comes first.
        inner = getattr(model.optimizer, 'inner_optimizer', model.optimizer)  # Of float16, whose loss is scaled.
        averaging = [keras.callbacks.SwapEMAWeights()] if inner.use_ema else []
        warm_up = [KLWarmUp(recipe['kl_warm_up'])] if recipe['kl_warm_up'] else []
        callbacks = [checkpoint, *averaging, *warm_up]
        with process.heeding_interruption() as heed:
            try:
                stream, callbacks = stream.skip(first * steps).prefetch(tf.data.AUTOTUNE), [*callbacks, heed]
                if tf.distribute.has_strategy():
                    loop.fit(model, stream, steps, first, last, validation, callbacks, verbose)
                else:
                    model.fit(stream, steps_per_epoch=steps, initial_epoch=first, epochs=last,
                              validation_data=validation, callbacks=callbacks, verbose=verbose, shuffle=False)
            except NonFiniteError as diverged:
                return True, diverged
            except workers.LOST:
                heed.on_train_batch_end(0)  # They were interrupted as this one was.
                raise
    return checkpoint.finished() or last >= recipe['epochs'], None


def require_figures(checkpoint: Checkpoint, folder: pathlib.Path | None, error):
    """Raises if no epoch has a figure on the validation split."""
    if checkpoint.diverged():
        raise RuntimeError(
            f'The training{f" in {folder}" if folder else ""} diverged: no epoch has a figure on the validation split '
            f'that is a number. Lower the learning rate'
            f'{f", remove {checkpoint.folder}" if folder and checkpoint.history else ""} and train again.'
        ) from error


def record_of(checkpoint: Checkpoint, error) -> dict:
    """What came of a training, which perhaps ended by an error."""
    history, best, metric = checkpoint.history, checkpoint.best_epoch(), checkpoint.monitor.removeprefix('val_')
    record = {
        'epochs': len(history), 'best_epoch': best + 1,
        f'train_{metric}': history[best][metric], f'validation_{metric}': history[best][checkpoint.monitor],
        'minutes': round(sum(epoch['seconds'] for epoch in history) / 60, 1),
        'hardware': f'{os.cpu_count()} {platform.machine()} cores, {len(tf.config.list_physical_devices("GPU"))} GPUs',
        'versions': {'tensorflow': tf.__version__, 'keras': keras.__version__},
    }
    return record if error is None else {**record, 'diverged': len(history) + 1}


def finish(folder: pathlib.Path, config: dict, model, record: dict) -> dict:
    """Writes what came of a training. The weights come last: where they are, the configuration is that of them."""
    content = pretrained.weights_of(model, config)
    # By the names of columns and classes, and by the sample rate, other files are read.
    record = {**record, **data.details_of(**config['dataset'])}
    config = {**config, 'record': record, 'weights_sha256': hashlib.sha256(content).hexdigest()}
    pretrained.write_config(folder, config)
    atomic.write(folder / pretrained.WEIGHTS, content)
    return config


def start_from(folder, model, config: dict):
    """Gives a model the weights of a pretrained one of the same architecture; a DBM may begin with an RBM.

    Raises:
        ValueError: if there are none in the folder, or they do not fit.
    """
    if isinstance(model, DBM) and (pathlib.Path(folder) / config_file.CONFIG).exists() and isinstance(
            rbm := pretrained.load(folder), RBM):
        model.begin_with(rbm)
        return
    trained = pretrained.build(config)  # Not compiled, as those that files are of.
    try:
        weights.load(trained, pathlib.Path(folder) / pretrained.WEIGHTS)
    except (OSError, ValueError) as error:
        raise ValueError(f'"initial_weights" in "training" should name a pretrained model whose weights fit this '
                         f'{type(model).__name__}; those of {folder} do not: {error}') from error
    model.set_weights(trained.get_weights())


def batches(examples, recipe):
    """Shuffled batches without end, each epoch in an order of its own."""
    shuffled = examples.shuffle(int(examples.cardinality()), seed=recipe['seed']).batch(recipe['batch_size'])
    endless = shuffled.repeat()
    if recipe['mirror']:
        seeds = tf.data.Dataset.random(recipe['seed']).batch(2, drop_remainder=True)
        endless = tf.data.Dataset.zip(endless, seeds).map(mirrored)
    return endless


def mirrored(batch, seed):
    """Images `[batch, height, width, channels]`; each is turned left to right, with an image beside it, or is not."""
    parts = batch if isinstance(batch, tuple) else (batch,)
    turned = tf.random.stateless_uniform(tf.shape(parts[0])[:1], seed) < 0.5
    parts = tuple(tf.where(turned[:, None, None, None], tf.reverse(part, [2]), part) if part.shape.rank == 4 else part
                  for part in parts)
    return parts if isinstance(batch, tuple) else parts[0]
