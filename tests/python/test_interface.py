"""What the package shows to apps: all of it documented, and nothing of how it travels."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import pydoc
import re
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator, Tuple

import steadfast_sdk as sdk

NOISE = re.compile(r"[Uu]ni[Ff]|FfiConverter|RustBuffer|Native|ctypes|<object|_DEFAULT|[a-z]Impl\b|[a-z]Protocol\b|\bis_[A-Z]")


def classes() -> Iterator[Tuple[str, type]]:
    """All public classes, also those in others: variants and kinds of errors."""
    for name in sdk.__all__:
        thing = getattr(sdk, name)
        if inspect.isclass(thing) and thing is not str:
            yield name, thing
            for inner, variant in vars(thing).items():
                if inspect.isclass(variant) and not inner.startswith("_"):
                    yield f"{name}.{inner}", variant


def members(kind: type) -> Iterator[Tuple[str, Any]]:
    """What a class adds: methods and properties."""
    for name, member in vars(kind).items():
        if not name.startswith("_") and (callable(member) or isinstance(member, property)) and not inspect.isclass(member):
            yield name, member


def commented(module: ModuleType) -> dict[str, set[str]]:
    """The fields of each class that are followed by a text, which is what editors show for them."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
        if isinstance(node, ast.ClassDef):
            for field, text in zip(node.body, node.body[1:]):
                if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                    target = field.target if isinstance(field, ast.AnnAssign) else getattr(field, "targets", [None])[0]
                    if isinstance(target, ast.Name):
                        found.setdefault(node.name, set()).add(target.id)
    return found


def test_everything_public_has_a_docstring_of_its_own() -> None:
    known = list(classes())
    assert len(known) > 250, "the variants are somewhere else now"
    bare = [name for name, kind in known if not kind.__dict__.get("__doc__")]
    bare += [f"{name}.{member}" for name, kind in known for member, it in members(kind) if not it.__doc__]
    functions = [name for name in sdk.__all__ if inspect.isfunction(getattr(sdk, name))]
    bare += [name for name in functions if not getattr(sdk, name).__doc__]
    assert not bare, f"{len(bare)} without a docstring: {bare}"


def test_every_field_and_value_is_commented() -> None:
    texts = {**commented(sdk._client), **commented(sdk._steadfast)}
    bare = []
    for name, kind in classes():
        own = texts.get(name, set()) | texts.get("_" + name.replace(".", "_"), set())
        if issubclass(kind, enum.Enum):
            fields = [member.name for member in kind]
        elif dataclasses.is_dataclass(kind):
            fields = [field.name for field in dataclasses.fields(kind)]
        else:
            fields = [field for field in kind.__dict__.get("__annotations__", {}) if not field.startswith("_")]
        bare += [f"{name}.{field}" for field in fields if field not in own]
    assert not bare, f"{len(bare)} without a comment: {bare}"


def test_help_shows_nothing_of_how_it_travels() -> None:
    shown = pydoc.render_doc(sdk, renderer=pydoc.plaintext)
    noise = [line.strip() for line in shown.splitlines() if NOISE.search(line)]
    assert not noise, noise[:20]
    assert "What the client has counted" in shown and "class Stats" in shown


def test_all_is_all() -> None:
    names = {name for name in vars(sdk) if not name.startswith("_") and not inspect.ismodule(getattr(sdk, name))}
    assert names == set(sdk.__all__) and len(sdk.__all__) == len(set(sdk.__all__))


def test_values_tell_what_they_are() -> None:
    why = sdk.Why(kind=sdk.WhyKind.NETWORK, text="lost", code=None, since=1, help="wait")
    waiting = sdk.ConnectionState.WAITING(attempt=2, until=3, why=why)
    assert repr(waiting) == f"ConnectionState.WAITING(attempt=2, until=3, why={why!r})"
    assert waiting == sdk.ConnectionState.WAITING(2, 3, why) != sdk.ConnectionState.IDLE()
    assert isinstance(waiting, sdk.ConnectionState) and waiting.is_waiting() and not waiting.is_idle()
    assert why != "lost" and why is not None
    error = sdk.TokenError.Denied("signed out")
    assert isinstance(error, sdk.TokenError) and error.detail == str(error) == "signed out"
    assert type(error).__qualname__ == "TokenError.Denied" and repr(error) == "Denied('signed out')"
