"""Which classes and functions a configuration may name: a model that comes from others runs no code of theirs.

Keras's safe mode refuses Python code in a configuration. It still calls any function of Keras's that a `Lambda` names,
and some of these download files or write them; so only the parts that networks consist of pass here.
"""

import keras

# Layers that call what a configuration names, or load it from files.
REFUSED = 'Lambda', 'TFSMLayer', 'TorchModuleWrapper', 'JaxLayer', 'FlaxLayer'
# How Keras writes numbers and arrays that are no classes.
CONSTANTS = '__keras_tensor__', '__tensor__', '__numpy__', '__bytes__', '__ellipsis__', '__slice__'
# The parts of Keras whose classes, and whose functions, are those of networks and of their training.
CLASSES = ('activations', 'constraints', 'dtype_policies', 'initializers', 'layers', 'losses', 'metrics', 'models',
           'ops', 'optimizers', 'quantizers', 'random', 'regularizers')
FUNCTIONS = 'builtins', 'keras.activations', 'keras.ops'


def check(description):
    """Looks through all that a configuration describes.

    Args:
        description: what Keras deserialises, as JSON has it.

    Raises:
        ValueError: if it names a class or a function that is not tfdgm's, nor a part of Keras's networks, nor
            registered by the program that runs.

    >>> check({'class_name': 'tfdgm>NADE', 'config': {'event_shape': [4]}})
    >>> check({'class_name': 'system', 'module': 'os', 'config': {}})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: it names system of the module os; a model is made of classes of tfdgm, ...
    """
    if isinstance(description, dict):
        if 'class_name' in description:
            check_name(description['class_name'], description)
        description = description.values()
    elif not isinstance(description, list | tuple):
        return
    for part in description:
        check(part)


def check_name(name, description: dict):
    """Raises unless one class or function is of those that a model is made of."""
    module, is_function = description.get('module'), name == 'function'
    if is_function:
        name = description.get('config')
    elif name in CONSTANTS:
        return
    # Keras, too, looks here first.
    found_by = name if is_function else description.get('registered_name', name)
    if isinstance(found_by, str) and keras.saving.get_registered_object(found_by) is not None:
        return
    if name in REFUSED or name == '__lambda__':
        raise ValueError(f'it holds a {name.strip("_")}, which could run any code.')
    # A name with points in it could lead out of the module.
    if not (isinstance(name, str) and name.isidentifier()
            and (module in FUNCTIONS if is_function else name[0].isupper() and has_classes(module))):
        where = f' of the module {module}' if module else ''
        raise ValueError(f"it names {name}{where}; a model is made of classes of tfdgm, of Keras's layers, and of "
                         'classes that the program itself has registered with Keras.')


def has_classes(module) -> bool:
    """Whether a module is one of Keras's whose classes networks consist of; older files name none."""
    if module is None or module == 'keras':
        return True
    return isinstance(module, str) and module.startswith('keras.') and (
        module.removeprefix('keras.').removeprefix('src.').split('.')[0] in CLASSES)
