"""A handler that gives every body back as it came."""


def handle(data, context):
    return None if data is None else [row["body"] for row in data]
