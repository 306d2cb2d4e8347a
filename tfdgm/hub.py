"""Models on the Hugging Face hub: their addresses, and how they come from there. Nothing here needs TensorFlow.

The package huggingface_hub does what there is to do with the network, and keeps what it downloads.
"""

import contextlib
import pathlib
import re

from tfdgm import config_file

SPELLING = 'A model on the Hugging Face hub is written hf://user/model, or hf://user/model@revision'
ADDRESS = re.compile(r'hf://(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?', re.ASCII)
LOG_IN = 'log in by `hf auth login`, or set the environment variable HF_TOKEN'


class HubError(RuntimeError):
    """A model cannot be had from the hub, or not be put there."""


def is_address(name) -> bool:
    """Whether a name is the address of a model on the hub, or was meant as one.

    >>> is_address('hf://user/model'), is_address('nade_digits'), is_address('models/mine')
    (True, False, False)
    """
    return re.match('hf:|https?:', str(name), re.IGNORECASE) is not None


def parsed(address: str) -> tuple[str, str | None]:
    """The repository and the revision of an address.

    Raises:
        ValueError: if it is spelled otherwise.

    >>> parsed('hf://user/model@v1')
    ('user/model', 'v1')
    """
    match = ADDRESS.fullmatch(str(address))
    if match is None:
        raise ValueError(f'{SPELLING}; got {address}.')
    return match['repository'], match['revision']


def required():
    """The package huggingface_hub.

    Raises:
        HubError: if it is not installed.
    """
    try:
        import huggingface_hub.errors
        import huggingface_hub.utils
    except ImportError as error:
        raise HubError("The Hugging Face hub needs the package huggingface_hub: pip install 'tfdgm[hub]'.") from error
    return huggingface_hub


def download(address: str) -> pathlib.Path:
    """The folder of a model on the hub; what is in the cache is not downloaded again, and serves without a network.

    It is the cache of huggingface_hub, where others look too: read it, and copy it before you change anything.

    Args:
        address: `hf://user/model`, with the newest commit, or `hf://user/model@revision`: a branch, a tag or a commit.

    Returns:
        A folder with the configuration, the weights and, if there is one, the card. Nothing else is downloaded.

    Raises:
        ValueError: if the address is spelled otherwise, or the configuration is not one of tfdgm.
        HubError: if the model cannot be had; the message says why, and what to do.
    """
    repository, revision = parsed(address)
    package = required()
    api = package.HfApi(library_name='tfdgm')
    with explained(address):
        commit = api.resolve_revision(repository, revision=revision)  # So that all files are of one.
    with explained(address, config_file.CONFIG):
        path = pathlib.Path(api.hf_hub_download(repository, config_file.CONFIG, revision=commit))
    # Before the weights come, which may be large: other libraries have a config.json, too.
    config_file.read_config(path)
    with explained(address, config_file.WEIGHTS):
        api.hf_hub_download(repository, config_file.WEIGHTS, revision=commit)
    # A model may have no card, and the cache knows that, too: without a network, a question takes half a minute.
    if package.try_to_load_from_cache(repository, config_file.CARD, revision=commit.resolved) is None:
        with explained(address), contextlib.suppress(package.errors.EntryNotFoundError):
            api.hf_hub_download(repository, config_file.CARD, revision=commit)
    return path.parent


def destination(repository: str) -> str:
    """The address that a model has once it was uploaded, if that can be tried.

    Args:
        repository: `user/model`.

    Raises:
        ValueError: if it is spelled otherwise.
        HubError: if huggingface_hub is not installed, or knows no login.
    """
    address = f'hf://{str(repository).removeprefix("hf://")}'
    match = ADDRESS.fullmatch(address)
    if match is None or match['revision'] is not None:
        raise ValueError(f'Where a model goes on the Hugging Face hub is written user/model; got {repository}.')
    with explained(address):
        required().utils.validate_repo_id(match['repository'])
    if not is_logged_in():
        raise HubError(f'To upload a model to the hub, {LOG_IN}; the token needs the right to write.')
    return address


@contextlib.contextmanager
def explained(address: str, name: str | None = None):
    """A block of calls of huggingface_hub, whose errors become sentences.

    Args:
        address: of the model.
        name: of the file that is asked for.

    Raises:
        ValueError: if the hub has no such addresses.
        HubError: for whatever else the block raises.
    """
    repository, revision = parsed(address)
    errors = required().errors
    try:
        yield
    except errors.HFValidationError as error:
        raise ValueError(f'{SPELLING}; got {address}: {error}') from error
    except errors.GatedRepoError as error:
        raise HubError(f'{address} is for those whom its owner lets in: ask for access on its page, and {LOG_IN}.'
                       ) from error
    except errors.RepositoryNotFoundError as error:
        hidden = 'your login does not see it' if is_logged_in() else f'it is private: then {LOG_IN}'
        raise HubError(f'The hub has no model {repository}, or {hidden}.') from error
    except errors.RevisionNotFoundError as error:
        raise HubError(f'{repository} has no branch, tag or commit {revision}.') from error
    except errors.RemoteEntryNotFoundError as error:
        raise HubError(f'{address} has no {name}, so it is no model of tfdgm.') from error
    except (errors.RevisionResolutionError, errors.LocalEntryNotFoundError) as error:
        raise HubError(f'The hub cannot be reached, and {address} has not been downloaded before: check the network, '
                       f'and whether HF_HUB_OFFLINE is set. {cause_of(error)}') from error
    except errors.HfHubHTTPError as error:
        refused = error.response.status_code in (401, 403)
        raise HubError(f'The hub {f"refuses your login: {LOG_IN}" if refused else "answers with an error"} '
                       f'({cause_of(error)})') from error
    except Exception as error:  # What the network raises has no class of this package, nor of Python.
        raise HubError(f'The exchange with the hub failed: check the network. {cause_of(error)}') from error


def cause_of(error: Exception) -> str:
    """What went wrong, in one line: the answer of the hub, or the error below the package's own."""
    said = getattr(error, 'server_message', None)
    error = error if error.__cause__ is None or said else error.__cause__
    return f'{type(error).__name__}: {said or error}'


def is_logged_in() -> bool:
    """Whether the package knows a token of a user of the hub."""
    return required().get_token() is not None
