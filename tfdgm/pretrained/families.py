"""The families of models, as the library's folders are called, and the one that a configuration belongs to."""

import tfdgm

FAMILIES = {
    'autoregressive': 'Autoregressive models', 'flows': 'Flows', 'latent': 'Latent variables',
    'boltzmann': 'Boltzmann machines and energies', 'implicit': 'Models without a density',
    'evaluation': 'Classifiers that give the features of samples'}


def family_of(config: dict) -> str | None:
    """The family of the model that a configuration describes: the folder of the library in which its class is.

    Returns:
        A key of `FAMILIES`; None of a class that is not the library's own.

    >>> family_of({'model': {'class_name': 'tfdgm>NADE'}})
    'autoregressive'
    """
    found = getattr(tfdgm, str(config['model'].get('class_name')).split('>')[-1], None)
    family = getattr(found, '__module__', '').split('.')[1:2]
    return family[0] if family and family[0] in FAMILIES else None
