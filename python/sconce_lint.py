"""Reads the Python files of an archive as text, for `sconce archive lint`: their syntax, and the handler's entry point.

Nothing of them is imported or executed. One JSON object comes on stdin (`files`: path to source; `handler`: the handler's
path, or null; `function`: the entry point that is named, or null), one JSON list of problems goes to stdout.
"""

import ast
import json
import sys
import warnings
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set

DEFAULT_FUNCTION = "handle"


class Names(NamedTuple):
    """What a module binds at its top level."""

    bound: Set[str]
    classes: List[ast.ClassDef]
    #: `from x import *`: anything may be bound.
    is_open: bool


def main() -> None:
    question = json.load(sys.stdin)
    warnings.simplefilter("ignore")
    problems = []  # type: List[Dict[str, Any]]
    handler = question.get("handler")
    for path, source in question["files"].items():
        module = parse(path, source, problems)
        if module is not None and path == handler:
            problems.extend(entry_point_problems(path, module, question.get("function")))
    json.dump(problems, sys.stdout)


def parse(path: str, source: str, problems: List[Dict[str, Any]]) -> Optional[ast.Module]:
    """The module, or None after a problem. Compiled as well: some mistakes are found only then."""
    try:
        module = ast.parse(source, path)
        compile(source, path, "exec", dont_inherit=True)
        return module
    except SyntaxError as error:
        message = "%s: %s (Python %d.%d)." % ((type(error).__name__, error.msg) + sys.version_info[:2])
        problems.append(problem(path, error.lineno, message))
    except (ValueError, RecursionError, MemoryError) as error:
        problems.append(problem(path, None, "It cannot be parsed: %s." % (error or type(error).__name__)))
    return None


def entry_point_problems(path: str, module: ast.Module, function: Optional[str]) -> List[Dict[str, Any]]:
    """A function of the name, or else the only class with a method `handle`."""
    names = names_of(module.body)
    wanted = function or DEFAULT_FUNCTION
    is_class = function is not None and any(each.name == function for each in names.classes)
    if names.is_open or (wanted in names.bound and not is_class):
        return []
    if len(names.classes) != 1:
        found = ", ".join(each.name for each in names.classes) or "none"
        advice = "Define the function, or one class with a method handle, or name another function (file:function)."
        message = "There is no function %s, and of classes it needs exactly one; it has %s. %s"
        return [problem(path, None, message % (wanted, found, advice))]
    only = names.classes[0]
    # What a base class brings is not to be seen from here.
    if only.bases or DEFAULT_FUNCTION in names_of(only.body).bound or sets_handle(only):
        return []
    return [problem(path, only.lineno, "The class %s has no method handle. Define handle(self, data, context)." % only.name)]


def sets_handle(node: ast.ClassDef) -> bool:
    """Whether a method assigns self.handle."""
    return any(
        isinstance(each, ast.Attribute) and each.attr == DEFAULT_FUNCTION and isinstance(each.ctx, ast.Store)
        for each in ast.walk(node)
    )


def names_of(body: List[ast.stmt]) -> Names:
    bound = set()  # type: Set[str]
    classes = []  # type: List[ast.ClassDef]
    is_open = False
    for statement in statements(body):
        if isinstance(statement, ast.ClassDef):
            classes.append(statement)
            bound.add(statement.name)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            bound.add(statement.name)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            is_open = is_open or any(alias.name == "*" for alias in statement.names)
            bound.update((alias.asname or alias.name).partition(".")[0] for alias in statement.names)
        else:
            bound.update(node.id for node in ast.walk(statement) if is_binding(node))
    return Names(bound, classes, is_open)


def is_binding(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def statements(body: List[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when the module does: also those below if, try, with and loops."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from statements(getattr(statement, field, []))
        for handler in getattr(statement, "handlers", []):
            yield from statements(handler.body)


def problem(path: str, line: Optional[int], message: str) -> Dict[str, Any]:
    return {"file": path, "line": line, "message": message}


if __name__ == "__main__":
    main()
