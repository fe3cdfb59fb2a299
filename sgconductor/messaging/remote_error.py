"""Errors that a server raised, as its caller gets them."""


def original(error: Exception) -> Exception | None:
    """The error that the server raised, if ``error`` is a copy of it.

    oslo.messaging gives the copy a class of its own, ``NAME_Remote``, whose
    text ends with the server's traceback. Its first base class is the class
    of the error that was raised.

    :returns: None if the error was raised in this process
    """
    cls = type(error)
    if not cls.__name__.endswith('_Remote'):
        return None
    kwargs = getattr(error, 'kwargs', {})
    rebuilt: Exception = cls.__mro__[1](*error.args, **kwargs)
    return rebuilt
