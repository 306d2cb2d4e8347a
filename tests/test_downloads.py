"""Sets that are not prepared: what is said without a network, and that a slow one gets its time."""

import contextlib
import json
import logging
import socket
import threading
import time

import pytest
import tensorflow_datasets as tfds

from tfdgm import data
from tfdgm.data import downloads


@pytest.fixture(autouse=True)
def empty(monkeypatch, tmp_path):
    """A machine on which nothing is prepared."""
    monkeypatch.setattr(tfds.core.constants, 'DATA_DIR', str(tmp_path))
    monkeypatch.setattr(downloads, 'PATIENCE', 1)
    return tmp_path


@pytest.fixture
def server():
    """A server on this machine, which takes connections and answers as it is told; its address, and how it is told."""
    listening = socket.create_server(('127.0.0.1', 0))
    answers = []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answers[0], args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f'http://127.0.0.1:{listening.getsockname()[1]}/set.gz', answers
    listening.close()


def closed_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return f'http://127.0.0.1:{server.getsockname()[1]}/set.gz'


@pytest.fixture
def downloaded(monkeypatch):
    """The names of the sets whose download begins; each takes some time and ends well."""
    names = []

    def download(builder, *args, **kwargs):
        time.sleep(0.5)
        logging.getLogger('urllib3.connectionpool').warning('Retrying (Retry(total=9))')
        names.append(builder.name)

    monkeypatch.setattr(tfds.core.DatasetBuilder, 'download_and_prepare', download)
    return names


def addresses(monkeypatch, *urls):
    monkeypatch.setattr(tfds.core.DatasetBuilder, 'url_infos', dict.fromkeys(urls) or None)


def refused(name='fashion_mnist'):
    start = time.monotonic()
    with pytest.raises(data.DatasetUnavailableError) as error:
        data.load(name)
    assert time.monotonic() - start < 10
    return str(error.value)


@pytest.mark.parametrize('name', ['fashion_mnist', 'cifar100', 'wine_red', 'spoken_digit', 'kmnist'])
def test_without_a_network_it_is_said_at_once_and_once(monkeypatch, empty, capfd, caplog, name):
    """TFDS's own download, where no name of a host is known."""
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')

    monkeypatch.setattr(socket, 'getaddrinfo', unknown)
    message = refused(name)
    for part in (name.replace('wine_red', 'wine_quality'), str(empty), 'ConnectionError', 'TFDS_DATA_DIR', "'digits'"):
        assert part in message
    assert '\n' not in message
    printed = capfd.readouterr()
    assert printed.out == printed.err == '' and not caplog.records


def test_hosts_that_never_answer_are_not_waited_for(monkeypatch, downloaded):
    enough = threading.Event()

    def wait(*args, **kwargs):
        enough.wait(30)
        raise socket.gaierror

    monkeypatch.setattr(socket, 'getaddrinfo', wait)
    addresses(monkeypatch, *(f'{scheme}://{host}.invalid/set' for scheme, host in zip(3 * ['http', 'ftp'], 'abcdef')))
    assert 'ConnectionError' in refused()
    enough.set()
    assert not downloaded


def test_a_host_that_refuses(monkeypatch, downloaded):
    addresses(monkeypatch, closed_port())
    assert 'ConnectionError' in refused()
    assert not downloaded


def silent(connection):
    time.sleep(5)


def one_byte_after_the_other(connection):
    with contextlib.suppress(OSError):
        for byte in b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello':
            connection.send(bytes([byte]))
            time.sleep(0.1)


def busy(connection):
    connection.sendall(b'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n')
    connection.close()


@pytest.mark.parametrize('answer', [silent, one_byte_after_the_other, busy])
def test_a_slow_network_gets_its_time(monkeypatch, server, downloaded, caplog, answer):
    address, answers = server
    answers.append(answer)
    addresses(monkeypatch, closed_port(), address)
    downloads.builder('fashion_mnist')
    assert downloaded == ['fashion_mnist']
    assert not caplog.records, 'what the download tries again is its own affair'
    logging.getLogger('urllib3.connectionpool').warning('later')
    assert len(caplog.records) == 1


@pytest.mark.parametrize('urls', [(), ('gs://a/set.gz',)])
def test_a_set_whose_hosts_are_not_known_is_left_to_tfds(monkeypatch, downloaded, urls):
    addresses(monkeypatch, *urls)
    monkeypatch.setattr(downloads, 'OWN', 'no.such.package.')
    downloads.builder('fashion_mnist')
    assert downloaded == ['fashion_mnist']


def not_passed_on(connection):
    connection.recv(1000)
    connection.sendall(b'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
    connection.close()


def test_a_proxy_is_asked_instead_of_the_host(monkeypatch, server, downloaded):
    address, answers = server
    monkeypatch.setenv('HTTPS_PROXY', address.removesuffix('/set.gz'))
    addresses(monkeypatch, 'https://a.invalid/set.gz')
    answers.append(not_passed_on)
    assert 'ConnectionError' in refused()
    answers[0] = silent
    downloads.builder('fashion_mnist')
    assert downloaded == ['fashion_mnist']
    monkeypatch.setenv('HTTPS_PROXY', closed_port())
    assert 'ConnectionError' in refused()


def test_what_has_been_downloaded_before_is_prepared_without_a_network(monkeypatch, empty, downloaded):
    address = closed_port()
    addresses(monkeypatch, address)
    (empty / 'downloads').mkdir()
    (empty / 'downloads' / 'other.gz.INFO').write_text('not JSON')
    assert 'ConnectionError' in refused()
    (empty / 'downloads' / 'set.gz.INFO').write_text(json.dumps({'dataset_names': ['a'], 'urls': [address]}))
    downloads.builder('fashion_mnist')
    assert downloaded == ['fashion_mnist']


def test_what_fails_in_the_download_is_named(monkeypatch, server):
    def fail(builder, *args, **kwargs):
        raise OSError('disk full')

    address, answers = server
    answers.append(busy)
    addresses(monkeypatch, address)
    monkeypatch.setattr(tfds.core.DatasetBuilder, 'download_and_prepare', fail)
    assert 'could not be downloaded (OSError)' in refused()


def test_a_host_of_sets_that_is_not_installed_or_does_not_answer():
    with pytest.raises(ValueError, match='huggingface:mnist is not available'):
        data.load('huggingface:mnist')
