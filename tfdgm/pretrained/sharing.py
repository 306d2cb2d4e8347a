"""Sharing a pretrained model: its folder is checked, and uploaded to the Hugging Face hub in one commit."""

import os
import pathlib
import re

from tfdgm import config_file, data, hub, pretrained
from tfdgm.pretrained import cards

TAGS = 'keras', 'tensorflow-probability'
# What the hub takes for the name of a set of data.
DATASET = re.compile(r'[\w.-]+', re.ASCII)
# The figures that one compares models by.
METRICS = 'nll', 'bits_per_dim'


def push(folder: str | os.PathLike, repository: str, *, private: bool = False, message: str | None = None) -> str:
    """Uploads a model's folder: configuration, weights, card, and the pictures and sounds that the card shows.

    The folder is checked as `pretrained.load` does, before anything is sent, and stays as it is: what the hub's
    machines read on top of a card is added on the way.

    Args:
        folder: a folder that `tfdgm train` wrote.
        repository: `user/model`. It is made if there is none; other files in it stay.
        private: whether only those see it whom you choose.
        message: of the commit, what is new.

    Returns:
        The address of the model's page.

    Raises:
        FileNotFoundError: if there is no configuration, or no card.
        pretrained.WeightsError: if the weights are missing or damaged, or are of another model.
        ValueError: if the configuration is refused, or the repository spelled otherwise.
        hub.HubError: if it cannot be uploaded, or is to be private and the repository is public.

    >>> push('my_nade', 'my nade')
    Traceback (most recent call last):
        ...
    ValueError: Where a model goes on the Hugging Face hub is written user/model; got my nade.
    """
    folder, address = pathlib.Path(folder).resolve(), hub.destination(repository)
    model = pretrained.load(folder)
    card = card_for(address, folder, model, config_file.read_config(folder))
    package, (repository, _) = hub.required(), hub.parsed(address)
    content = {pretrained.CARD: card.encode()}
    for name in (pretrained.CONFIG, pretrained.WEIGHTS, *shown(card, folder)):
        content[name] = folder / name
    with hub.explained(address):
        api = package.HfApi(library_name='tfdgm')
        page = api.create_repo(repository, private=private or None, exist_ok=True)
        is_public = not api.model_info(repository).private
    # What has been public once is no secret any more.
    if private and is_public:
        raise hub.HubError(f'{page} was there before and is public, so nothing was uploaded: make it private in its '
                           'settings, name another, or leave out --private.')
    with hub.explained(address):
        api.create_commit(
            repository, [package.CommitOperationAdd(name, what) for name, what in content.items()],
            commit_message=message or f'{folder.name}, a {type(model).__name__} by tfdgm')
    return str(page)


def shown(card: str, folder: pathlib.Path) -> list:
    """The names of the pictures and sounds in a folder that its card shows, or links to."""
    return [path.name for path in sorted(folder.iterdir())
            if path.suffix in ('.png', '.wav') and f']({path.name})' in card]


def card_for(address: str, folder: pathlib.Path, model, config: dict) -> str:
    """A folder's card for the hub: with what its machines read, and loaded by its address. What a person wrote stays.

    Raises:
        FileNotFoundError: if there is no card.
        ValueError: if it begins with YAML that is none.
    """
    config_file.read_card(folder)
    text = config_file.text_of(folder / pretrained.CARD)
    has_own = re.match(config_file.FRONT_MATTER, text)
    try:
        card = hub.required().ModelCard(text if has_own else f'---\n\n---\n{text}')
    except Exception as error:  # YAML's errors have a class of their own.
        raise ValueError(f'{folder / pretrained.CARD} begins with YAML that the hub would not take: {error}') from error
    for key, value in metadata(model, config, folder.name).items():
        if card.data.get(key) is None:
            card.data[key] = value
    here, there = cards.loading(folder.name, folder.parent.name == 'zoo'), cards.loading(address, True)
    return str(card).replace('\n'.join(here), '\n'.join(there))


def metadata(model, config: dict, name: str) -> dict:
    """What the hub's machines read of a model: its library, its kind, its data and its figures on them."""
    dataset = config['dataset']['name']
    is_known = data.paths.path_of(dataset) is None and DATASET.fullmatch(dataset) is not None
    evaluated = hub.required().EvalResult
    results = [
        evaluated(task_type='density-estimation', dataset_type=dataset if is_known else 'other',
                  dataset_name=dataset if is_known else 'data of its own', dataset_split=split, metric_type=metric,
                  metric_name=config_file.SHOWN[metric][0], metric_value=result[metric])
        for split, result in config.get('results', {}).items() for metric in METRICS if metric in result]
    return {
        'library_name': 'tfdgm',
        'tags': [*TAGS, type(model).__name__],
        **({'datasets': [dataset]} if is_known else {}),
        **({'metrics': list(METRICS), 'model_name': name, 'eval_results': results} if results else {})}
