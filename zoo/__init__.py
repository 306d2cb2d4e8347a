"""Pretrained models by name.

>>> import zoo
>>> model = zoo.load('nade_digits')
>>> model.distribution().sample(64, seed=0).shape
TensorShape([64, 8, 8, 1])
"""

import difflib
import pathlib

_FOLDERS = {path.parent.name: path.parent for path in sorted(pathlib.Path(__file__).parent.glob('*/config.json'))}


def names() -> list[str]:
    """The names that `load` knows, in alphabetical order.

    >>> 'made_digits' in names()
    True
    """
    return sorted(_FOLDERS)


def folder(name: str) -> pathlib.Path:
    """The folder of a pretrained model. One on the Hugging Face hub is downloaded first, unless it was before.

    Args:
        name: one of `names()`, or an address, `hf://user/model` or `hf://user/model@revision`.

    Raises:
        ValueError: if there is none of that name; the message gives the nearest ones.
        tfdgm.hub.HubError: if it cannot be had from the hub.
    """
    if name not in _FOLDERS:
        from tfdgm import hub  # Not above: the names need no TensorFlow.

        if hub.is_address(name):
            return hub.download(name)
        close = difflib.get_close_matches(name, names(), n=3)
        hint = f'Did you mean {" or ".join(close)}?' if close else f'There are {", ".join(names())}.'
        raise ValueError(f'The zoo has no {name!r}. {hint}')
    return _FOLDERS[name]


def found(name: str) -> pathlib.Path:
    """The folder that a person means: a path is one, a bare name the zoo's or else a folder here, an address the hub's.

    Raises:
        ValueError: if there is none of that name, or one in the zoo and another here.
        tfdgm.hub.HubError: if it cannot be had from the hub.
    """
    from tfdgm import config_file, hub

    if hub.is_address(name):
        return folder(name)
    here = pathlib.Path(name)
    if here.name != str(name) or (here.is_dir() and name not in _FOLDERS):
        return here
    if (here / config_file.CONFIG).exists() and not here.samefile(folder(name)):
        raise ValueError(f'{name} is a model of the zoo, and a folder here too: write ./{name} for the folder.')
    return folder(name)


def load(name: str):
    """Loads a pretrained model.

    Args:
        name: one of `names()`, or `hf://user/model` for a model on the Hugging Face hub, `hf://user/model@revision`
            for one of its branches, tags or commits. What comes from there is checked as what is here, and runs no code
            of its own.

    Returns:
        A `tfdgm.Model` with its trained weights, compiled with Adam.

    Raises:
        ValueError: if there is none of that name, or its configuration is refused.
        tfdgm.hub.HubError: if it cannot be had from the hub.
        tfdgm.pretrained.WeightsError: if its weights file is damaged or of another model.
    """
    from tfdgm import pretrained  # Not above: the names need no TensorFlow.

    return pretrained.load(folder(name))


def card(name: str) -> str:
    """The card of a pretrained model, in Markdown: what it is, how it was trained, what it reaches.

    Args:
        name: as `load` takes it.

    Raises:
        ValueError: if there is none of that name.
        tfdgm.hub.HubError: if it cannot be had from the hub.
        FileNotFoundError: if it has no card.
    """
    from tfdgm import config_file

    return config_file.read_card(folder(name))


def register(path) -> str:
    """Makes a folder of one's own, written by `tfdgm train`, known by its name for as long as the program runs.

    Args:
        path: a folder with `config.json`.

    Returns:
        The name under which `load` finds it: that of the folder.

    Raises:
        FileNotFoundError: if there is no configuration in it.
        ValueError: if it is not a configuration, or another folder has the name already.
    """
    from tfdgm import config_file

    path = pathlib.Path(path).resolve()
    config_file.read_config(path)
    if _FOLDERS.get(path.name, path) != path:
        raise ValueError(f'The zoo has a {path.name!r} already, in {_FOLDERS[path.name]}; rename the folder.')
    _FOLDERS[path.name] = path
    return path.name
