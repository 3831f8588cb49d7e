"""Conditions on rows, ``col("x") > 5`` or pandas' ``x > 5 and y == 'a'``, as one tree that any engine understands."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from great_expectations.expectations.row_conditions import Condition

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
    ast.In: "IN", ast.NotIn: "NOT_IN",
}  # fmt: skip
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}


class Unreadable(ValueError):
    """A condition with more than comparisons of columns with constants."""


def read_condition(text: str) -> Condition:
    """Read a condition.

    Raises
    ------
    Unreadable
        It holds more than comparisons of a column with constants, and tests for null, joined by and / or.
    """
    # Names with blanks stand in backticks in pandas.
    plain = re.sub(r"`([^`]+)`", lambda found: f"col({found.group(1)!r})", text)
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except SyntaxError as error:
        raise Unreadable(text) from error
    from great_expectations.expectations.row_conditions import AndCondition, OrCondition

    read = _read(tree)
    # Great Expectations refuses an "or" within an "and", and deeper ones.
    most = 0 if isinstance(read, AndCondition) else 1
    if isinstance(read, AndCondition | OrCondition) and any(_depth(one) > most for one in read.conditions):
        raise Unreadable(text)
    return read


def _depth(condition: Any) -> int:
    parts = getattr(condition, "conditions", None)
    return 0 if parts is None else 1 + max(_depth(one) for one in parts)


def _read(node: ast.expr) -> Condition:
    from great_expectations.expectations.row_conditions import AndCondition, OrCondition

    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return AndCondition(conditions=[_read(one) for one in node.values])
    if isinstance(node, ast.BoolOp):
        return OrCondition(conditions=[_read(one) for one in node.values])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        kind = AndCondition if isinstance(node.op, ast.BitAnd) else OrCondition
        return kind(conditions=[_read(node.left), _read(node.right)])
    if isinstance(node, ast.Compare):
        return _comparison(node)
    if isinstance(node, ast.Call):
        return _nullity(node)
    raise Unreadable(ast.unparse(node))


def _comparison(node: ast.Compare) -> Condition:
    from great_expectations.expectations.row_conditions import Column, ComparisonCondition, Operator

    if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
        raise Unreadable(ast.unparse(node))
    sign, left, right = _COMPARISONS[type(node.ops[0])], node.left, node.comparators[0]
    if isinstance(left, ast.Constant) and sign in _TURNED:
        left, right, sign = right, left, _TURNED[sign]
    try:
        value = ast.literal_eval(right)
    except ValueError as error:
        raise Unreadable(ast.unparse(node)) from error
    if value is None or (sign in ("IN", "NOT_IN") and not isinstance(value, list | tuple | set)):
        raise Unreadable(ast.unparse(node))
    value = list(value) if isinstance(value, tuple | set) else value
    return ComparisonCondition(column=Column(_name(left)), operator=Operator(sign), parameter=value)


def _nullity(node: ast.Call) -> Condition:
    """Read ``x.isnull()``, ``x.notnull()`` and Great Expectations' ``col("x").notNull()``."""
    from great_expectations.expectations.row_conditions import Column, NullityCondition

    if not isinstance(node.func, ast.Attribute) or node.args:
        raise Unreadable(ast.unparse(node))
    called = node.func.attr.lower()
    if called not in ("isnull", "isna", "notnull", "notna"):
        raise Unreadable(ast.unparse(node))
    return NullityCondition(column=Column(_name(node.func.value)), is_null=called.startswith("is"))


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "col" and len(node.args) == 1:
        named = node.args[0]
        if isinstance(named, ast.Constant):
            return str(named.value)
    raise Unreadable(ast.unparse(node))
