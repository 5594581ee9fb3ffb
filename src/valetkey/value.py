"""Frozen, slotted values that cost a cold start almost nothing.

The one rule: a value never changes; `replace` makes another one. `dataclasses` brings `inspect` and compiles six
methods per class when a module is imported; here `__init__` is compiled when more than a few instances are
made and everything else is shared. Type checkers see a frozen dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar, dataclass_transform

    C = TypeVar("C", bound=type)
    V = TypeVar("V")
else:

    def dataclass_transform(**_: object) -> object:
        """Say nothing at run time: only type checkers read it."""
        return lambda decorator: decorator


BY_HAND = 3  # instances: a cold start makes one or two of most values


class FrozenValueError(AttributeError):
    """A value was assigned to. Make another one with `replace`."""


def _compile_init(cls: type, fields: tuple[str, ...], defaults: dict[str, object]) -> Callable[..., None]:
    parameters = [f"{name}=_default_{name}" if name in defaults else name for name in fields]
    lines = [f"  _set_{name}(self, {name})" for name in fields]
    if hasattr(cls, "__post_init__"):
        lines.append("  self.__post_init__()")
    source = f"def __init__(self, {', '.join(parameters)}):\n" + ("\n".join(lines) or "  pass")
    scope: dict[str, Any] = {f"_default_{name}": default for name, default in defaults.items()}
    # Slot descriptors write past the frozen __setattr__, and faster than object.__setattr__ does.
    scope |= {f"_set_{name}": getattr(cls, name).__set__ for name in fields}
    exec(source, scope)  # noqa: S102 - the source is made of the field names of our own classes
    init: Callable[..., None] = scope["__init__"]
    return init


def _lazy_init(self: Any, *args: object, **kwargs: object) -> None:
    """Make the first few instances by hand, which costs less than compiling; the compiled one does all else."""
    cls = type(self)
    fields: tuple[str, ...] = cls.__match_args__
    made = {**cls.__field_defaults__, **dict(zip(fields, args, strict=False)), **kwargs}
    regular = len(args) <= len(fields) == len(made) and not kwargs.keys() & set(fields[: len(args)])
    if not regular or not made.keys() <= set(fields) or cls.__made__ >= BY_HAND:
        cls.__init__ = _compile_init(cls, fields, cls.__field_defaults__)
        self.__init__(*args, **kwargs)
        return
    cls.__made__ += 1
    for name, item in made.items():
        object.__setattr__(self, name, item)
    if hasattr(cls, "__post_init__"):
        self.__post_init__()


def _equal(self: Any, other: Any) -> bool:
    if other.__class__ is not self.__class__:
        return False
    fields: tuple[str, ...] = self.__match_args__
    return all(bool(getattr(self, name) == getattr(other, name)) for name in fields)


def _hash(self: Any) -> int:
    return hash((type(self), *(getattr(self, name) for name in self.__match_args__)))


def _repr(self: Any) -> str:
    inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({inside})"


def _refuse(self: object, name: str, *_: object) -> None:
    message = f"{type(self).__qualname__} is frozen: use valetkey.value.replace to change {name}"
    raise FrozenValueError(message)


def _reduce(self: Any) -> tuple[type, tuple[object, ...]]:
    return type(self), tuple(getattr(self, name) for name in self.__match_args__)


_SHARED = {
    "__init__": _lazy_init,
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__reduce__": _reduce,
}


@dataclass_transform(frozen_default=True, eq_default=True)
def value(cls: C) -> C:
    """The class, frozen and slotted, with fields from its annotations; `__post_init__` may check them.

    The class is made anew for its slots, so its methods must not use `super()` without arguments.
    """
    own = cls.__dict__
    names = tuple(cls.__annotations__) if "__annotations__" in own or not cls.__bases__[0] else ()
    defaults: dict[str, object] = {}
    fields: list[str] = []
    for base in reversed(cls.__bases__):
        fields += [name for name in getattr(base, "__match_args__", ()) if name not in fields]
        defaults |= getattr(base, "__field_defaults__", {})
    inherited = set(fields)
    fields += [name for name in names if name not in inherited]
    defaults |= {name: own[name] for name in names if name in own}
    namespace = {key: item for key, item in own.items() if key not in names and key not in ("__dict__", "__weakref__")}
    for key, shared in _SHARED.items():
        namespace.setdefault(key, shared)
    namespace["__slots__"] = tuple(name for name in names if name not in inherited)
    namespace["__match_args__"] = tuple(fields)
    namespace["__field_defaults__"] = defaults
    namespace["__made__"] = 0
    return type(cls)(cls.__name__, cls.__bases__, namespace)


def replace(original: V, **changes: object) -> V:
    """A copy of the value with some fields changed."""
    fields: tuple[str, ...] = original.__match_args__  # type: ignore[attr-defined]
    kept = {name: getattr(original, name) for name in fields}
    return type(original)(**{**kept, **changes})
