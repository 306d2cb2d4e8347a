"""The cluster that TF_CONFIG describes: which workers train together, and which one this is; without TensorFlow."""

import contextlib
import json
import os
import socket
from collections.abc import Mapping

EXAMPLE = '{"cluster": {"worker": ["first:12345", "second:12345"]}, "task": {"type": "worker", "index": 0}}'
CHIEF, WORKER = 'chief', 'worker'


def require_cluster(environment: Mapping = os.environ) -> list[str]:
    """Raises unless the environment variable TF_CONFIG names workers, and this process as one of them.

    Returns:
        The addresses of the others.

    Raises:
        ValueError: if it is missing, is no JSON, or says something else.

    >>> from tfdgm import cluster
    >>> cluster.require_cluster({'TF_CONFIG': cluster.EXAMPLE})
    ['second:12345']
    """
    given = environment.get('TF_CONFIG')
    if not given:
        raise ValueError('--strategy multi-worker needs the environment variable TF_CONFIG, which names all workers, '
                         f"and this one by its index. On the first of two: TF_CONFIG='{EXAMPLE}'")
    try:
        described = json.loads(given)
    except json.JSONDecodeError as error:
        raise ValueError(f'TF_CONFIG is no JSON, {error}: {given!r}. Expected something like {EXAMPLE}.') from error
    fault = fault_of(described)
    if fault:
        raise ValueError(f'TF_CONFIG {fault}; got {given}. Expected something like {EXAMPLE}.')
    workers, task = described['cluster'], described['task']
    return [address for job, addresses in workers.items() for index, address in enumerate(addresses)
            if (job, index) != (task['type'], task['index'])]


def on_this_machine(number: int) -> list[str]:
    """What TF_CONFIG says to each of several workers that are processes of this machine, at ports that are free now.

    Args:
        number: how many workers there are.

    Returns:
        A value of the environment variable for each, the chief first.

    >>> from tfdgm import cluster
    >>> first, second = cluster.on_this_machine(2)
    >>> [other] = cluster.require_cluster({'TF_CONFIG': second})
    """
    with contextlib.ExitStack() as stack:  # All at once, so that no two are the same.
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(('localhost', 0))
        addresses = [f'localhost:{one.getsockname()[1]}' for one in sockets]
    return [json.dumps({'cluster': {WORKER: addresses}, 'task': {'type': WORKER, 'index': index}})
            for index in range(number)]


def fault_of(described) -> str | None:
    """What is wrong with the content of TF_CONFIG, if something is."""
    if not isinstance(described, dict) or not all(
            isinstance(described.get(name), dict) for name in ('cluster', 'task')):
        return 'should be an object with the objects "cluster" and "task"'
    cluster, task = described['cluster'], described['task']
    if WORKER not in cluster or set(cluster) - {CHIEF, WORKER}:
        return 'should name workers in "cluster", and perhaps a chief, and nothing else: all of them train'
    for job, addresses in cluster.items():
        if not isinstance(addresses, list) or not addresses or not all(map(is_address, addresses)):
            return f'should give {job}s as a list of addresses, "host:port"'
    if len(cluster.get(CHIEF, [0])) != 1:
        return 'should name one chief at most'
    everyone = [address for addresses in cluster.values() for address in addresses]
    if len(set(everyone)) != len(everyone):
        return 'names an address twice'
    index = task.get('index')
    if task.get('type') not in cluster:
        return f'should have in "task" the "type" of this process, one of {", ".join(cluster)}'
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(cluster[task['type']]):
        return f'should have in "task" the "index" of this {task["type"]}, from 0 to {len(cluster[task["type"]]) - 1}'
    return None


def is_address(address) -> bool:
    """Whether something is the address of a worker."""
    host, _, port = address.rpartition(':') if isinstance(address, str) else ('', '', '')
    return bool(host) and port.isdecimal() and 0 < int(port) < 2**16
