"""YAML of strangers: no more of it than it says.

Ten lines of aliases stand for a thousand million values, and a number of a million digits takes
minutes: what a text stands for is counted before anything is made of it.
"""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from typing import Any

from hubtools.limits import FRONT_MATTER_VALUES, yaml_beyond

_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_DIGITS = 400
_OPEN = 0  # of a value that is being counted


def load_yaml(text: str | bytes) -> Any:
    """What `yaml.safe_load` gives. Raises `yaml.YAMLError` for what is no YAML, and for what is
    beyond the limits of `hubtools.limits`."""
    found, error = _loaded(text)
    if error is not None:
        raise error.with_traceback(None)
    return deepcopy(found)


@lru_cache(maxsize=4)  # one command reads the same card several times, and YAML is slow
def _loaded(text: str | bytes) -> tuple[Any, Exception | None]:
    import yaml

    try:
        return _read(text), None
    except yaml.YAMLError as error:
        return None, error


_LONG = 50_000  # characters of YAML


def _read(text: str | bytes) -> Any:
    import yaml
    from yaml.constructor import ConstructorError

    beyond = yaml_beyond(text if isinstance(text, str) else text.decode("utf-8", "replace"))
    if beyond is not None:
        raise ConstructorError(None, None, beyond)
    # the reader of the Hub's client, unless that takes seconds; then libyaml's, ten times as fast
    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader = (fast if len(text) > _LONG else yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node)
        return loader.construct_document(node)
    except RecursionError:
        raise ConstructorError(None, None, "lists or mappings lie too deep in each other") from None
    except (ValueError, OverflowError, TypeError, LookupError, AttributeError) as error:
        # a date or a number that is none, `!!bool` of a word
        raise ConstructorError(None, None, str(error).splitlines()[0]) from None
    finally:
        loader.dispose()


def _count(root: Any) -> None:
    """Raise `ConstructorError` if the node stands for too many values, each alias counted as often
    as it is used, or for a number that is too long."""
    from yaml.constructor import ConstructorError
    from yaml.nodes import MappingNode, ScalarNode

    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        known = sizes.get(id(node))
        if known is not None:
            if known == _OPEN:
                raise ConstructorError(None, None, "a value holds itself", node.start_mark)
            return known
        sizes[id(node)] = _OPEN
        if isinstance(node, ScalarNode):
            if node.tag in _NUMBERS and len(node.value) > _DIGITS:
                raise ConstructorError(
                    None, None, f"a number has {len(node.value):,} digits", node.start_mark
                )
            total = 1
        elif isinstance(node, MappingNode):
            total = 1 + sum(size(key) + size(value) for key, value in node.value)
        else:
            total = 1 + sum(map(size, node.value))
        if total > FRONT_MATTER_VALUES:
            raise ConstructorError(
                None,
                None,
                f"the YAML stands for more than {FRONT_MATTER_VALUES:,} values",
                node.start_mark,
            )
        sizes[id(node)] = total
        return total

    size(root)
