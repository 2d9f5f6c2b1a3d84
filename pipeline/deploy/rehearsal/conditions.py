"""Conditions of tasks, which TFX writes in CEL: whether one holds.

    inputs.artifacts['blessing'].artifacts[0].metadata['blessed'] == 1.0 && !(...)

CEL's subset that TFX compiles to (comparison, logic, indexing, concatenation) reads as Python once
its three signs are words; it is then walked node by node, and anything else is refused.

Source: github.com/google/cel-spec, doc/langdef.md; tfx/orchestration/kubeflow/v2/compiler_utils.py.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.deploy.faults import SpecificationError

_WORDS = {"&&": " and ", "||": " or ", "!": " not "}
_STRING = re.compile(r"'[^']*'")
_SIGN = re.compile(r"&&|\|\||!(?!=)")
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
    ast.LtE: operator.le,
    ast.GtE: operator.ge,
}


def holds(
    condition: str, artifacts: Mapping[str, Mapping[str, Any]], parameters: Mapping[str, Any]
) -> bool:
    """Whether a condition holds for a task with these inputs.

    Raises:
        SpecificationError: it is outside the subset, or names what is not there.
    """
    inputs = {
        "artifacts": {name: {"artifacts": [one]} for name, one in artifacts.items()},
        "parameter_values": dict(parameters),
    }
    try:
        tree = ast.parse(_as_python(condition).strip(), mode="eval")
        return bool(_value(tree.body, inputs))
    except (SyntaxError, KeyError, IndexError, TypeError) as error:
        raise SpecificationError(f"condition {condition!r} cannot be evaluated: {error}") from None


def _as_python(condition: str) -> str:
    """CEL's signs as words, outside of its strings."""
    parts, end = [], 0
    for string in _STRING.finditer(condition):
        parts += [_with_words(condition[end : string.start()]), string.group()]
        end = string.end()
    return "".join([*parts, _with_words(condition[end:])])


def _with_words(text: str) -> str:
    return _SIGN.sub(lambda sign: _WORDS[sign.group()], text)


def _value(node: ast.expr, inputs: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name(id="inputs"):
            return inputs
        case ast.Attribute():
            return _value(node.value, inputs)[node.attr]
        case ast.Subscript():
            return _value(node.value, inputs)[_value(node.slice, inputs)]
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, inputs)
        case ast.BinOp(op=ast.Add()):
            return _value(node.left, inputs) + _value(node.right, inputs)
        case ast.BoolOp():
            values = (_value(one, inputs) for one in node.values)
            return all(values) if isinstance(node.op, ast.And) else any(values)
        case ast.Compare(ops=[comparison], comparators=[right]) if type(comparison) in _COMPARISONS:
            return _COMPARISONS[type(comparison)](_value(node.left, inputs), _value(right, inputs))
    raise TypeError(f"{type(node).__name__} is not known")
