"""What errors say."""

from __future__ import annotations

from ._native.steadfast import CallbackError, SteadfastError, TokenError


def _say(error: Exception) -> str:
    detail = getattr(error, "detail", "")
    if isinstance(error, SteadfastError.Configuration):
        return f"{error.field}: {detail}"
    if isinstance(error, SteadfastError.Command):
        code = f" ({error.code})" if error.code else ""
        return f"{error.kind.name}{code}: {detail}"
    return str(detail)


for _kind in (SteadfastError, TokenError, CallbackError):
    _kind.__str__ = _say  # type: ignore[method-assign, assignment]
    # Where apps have them from, which is what a traceback says.
    for _each in (_kind, *_kind.__subclasses__()):
        _each.__module__ = __package__
