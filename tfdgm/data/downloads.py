"""Sets of TensorFlow Datasets: prepared on this machine, or downloaded where there is a network."""

import contextlib
import difflib
import json
import pathlib
import queue
import socket
import threading
import time
import urllib.parse

import requests
import tensorflow_datasets as tfds

from tfdgm import logs
from tfdgm.data.errors import DatasetUnavailableError

# How many seconds the hosts of a set have to answer; what they send may then take as long as it takes.
PATIENCE = 6
HOSTS = 4
PORTS = {'http': 80, 'https': 443, 'ftp': 21}
OWN = 'tensorflow_datasets.'  # The package in which TFDS keeps its own sets.


def builder(name: str, others=()):
    """The `tfds.core.DatasetBuilder` of a set that is prepared, if need be only now.

    Args:
        name: of the set.
        others: names of sets that are no sets of TensorFlow Datasets, to find what was meant by an unknown name.

    Raises:
        ValueError: if there is no such set.
        DatasetUnavailableError: if it is neither prepared nor downloadable.
    """
    try:
        found = tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        close = difflib.get_close_matches(name, [*others, *tfds.list_builders()], n=3)
        hint = f' Did you mean {" or ".join(close)}?' if close else ''
        raise ValueError(
            f'Unknown dataset {name!r}: neither a file nor a folder here, and neither TensorFlow Datasets nor '
            f"the folder {data_dir()} has it.{hint} 'digits' is always there.") from error
    except (AssertionError, ImportError) as error:  # What TFDS raises for versions and for hosts that it does not know.
        raise ValueError(f'{name} is not available: {error}') from error
    except Exception as error:  # A host raises errors of its own.
        if ':' not in name:
            raise
        raise ValueError(f'{name} is not available: its host did not answer as expected ({type(error).__name__}: '
                         f'{error}). Check the name and the network.') from error
    if not found.data_path.exists():
        try:
            check_network(missing(found))
            with logs.errors_alone('urllib3.connectionpool'):  # It says each time that it tries again.
                found.download_and_prepare()
        except Exception as error:
            raise DatasetUnavailableError(
                f'{name} is not prepared in {data_dir()} and could not be downloaded ({type(error).__name__}). '
                f'Run `tfds build {name}` on a machine with a network, or point the environment variable '
                "TFDS_DATA_DIR at a folder that holds it. The dataset 'digits' needs no download.") from error
    return found


def is_prepared(name: str) -> bool:
    """Whether a set is prepared on this machine; it looks for none anywhere else."""
    try:
        return tfds.builder(name, try_gcs=False).data_path.exists()
    except Exception:  # Of a set that TFDS does not know; a host of others raises errors of its own.
        return False


def data_dir() -> str:
    """Where TFDS looks for prepared sets."""
    return tfds.core.constants.DATA_DIR


def missing(found) -> list:
    """The addresses from which a set is downloaded; none if something of it has been downloaded before."""
    addresses = set(found.url_infos or ())
    if not addresses and type(found).__module__.startswith(OWN):
        addresses = {found.info.homepage}  # TFDS keeps no addresses of a few of its sets.
    for path in pathlib.Path(data_dir(), 'downloads').glob('**/*.INFO'):  # It writes one for each download.
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
            if addresses.intersection(json.loads(path.read_text()).get('urls', ())):
                return []
    return sorted(addresses)


def check_network(addresses: list):
    """Raises unless a host of the addresses answers: TFDS itself would try for minutes, and print each time.

    Raises:
        ConnectionError: if none does within `PATIENCE` seconds.
    """
    one_of_each_host = {urllib.parse.urlsplit(address).netloc: address for address in addresses
                        if urllib.parse.urlsplit(address).scheme in PORTS}
    asked = list(one_of_each_host.values())[:HOSTS]
    answers = queue.SimpleQueue()
    for address in asked:
        # The search for a host's number knows no limit of time, so that its thread may have to be left behind.
        threading.Thread(target=lambda address=address: answers.put(answers_at(address)), daemon=True).start()
    deadline = time.monotonic() + PATIENCE
    with contextlib.suppress(queue.Empty):
        for _ in asked:
            if answers.get(timeout=max(0, deadline - time.monotonic())):
                return
    if asked:
        raise ConnectionError(f'No answer from {", ".join(one_of_each_host)}.')


def answers_at(address: str) -> bool:
    """Whether the host of an address takes a connection, or the proxy before it passes one on; more may take longer."""
    proxy = requests.utils.select_proxy(address, requests.utils.get_environ_proxies(address))
    asked = urllib.parse.urlsplit(proxy or address)
    try:
        socket.create_connection((asked.hostname, asked.port or PORTS.get(asked.scheme)), PATIENCE / 2).close()
        if proxy:
            requests.get(address, stream=True, timeout=PATIENCE / 3).close()
    except requests.exceptions.RequestException as error:
        return not isinstance(error, requests.exceptions.ProxyError)
    except (OSError, ValueError):
        return False
    return True
