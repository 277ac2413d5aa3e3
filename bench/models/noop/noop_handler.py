"""A handler that does nothing: what is left of a request's time is the server's own."""


def handle(data, context):
    # Without data it is asked to initialise, for which there is nothing to do either.
    return None if data is None else ["ok"] * len(data)
