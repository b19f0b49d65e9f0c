"""Mutate a function by its syntax tree: what a slip of the pen makes of it, one slip at a time.

Every constant, name, index, slice, axis, comparison, operator, call, sequence and statement is
changed in turn; annotations and docstrings stay out of it.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
BITS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)
ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
OTHERWISE = {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}
NEIGHBOURS = [  # functions and methods that one takes for another
    *("mean sum max min median", "argmax argmin", "amax amin mean", "var std", "any all"),
    *("round floor ceil trunc", "cos sin", "zeros ones", "sqrt square", "abs negative"),
    *("greater_equal greater less_equal less", "unique sort", "bincount cumsum", "rfft fft"),
    *("softmax log_softmax sigmoid", "conv2d conv_transpose2d", "permute reshape"),
    *("cross_entropy nll_loss", "mse_loss l1_loss", "ReLU Sigmoid Tanh", "items keys values"),
    *("BatchNorm2d InstanceNorm2d", "eval train", "split rsplit", "endswith startswith"),
    *("fmean fsum", "nan inf", "choice permutation", "concatenate stack", "flip roll"),
]


def mutants(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    """Yield (what was changed, the tree), each once; the tree is one object, changed in place."""
    seen = {ast.unparse(tree)}
    for holder, key, node, names in list(_places(tree)):
        for other in _others(node, names):
            _put(holder, key, other)
            text = ast.unparse(ast.fix_missing_locations(tree))
            if text not in seen:
                seen.add(text)
                yield f"line {node.lineno}: {ast.unparse(node)} -> {ast.unparse(other)}", tree
        _put(holder, key, node)


def bare(source: str) -> ast.Module:
    """The tree of a source without annotations and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            if ast.get_docstring(node) is not None:
                del node.body[0]
        elif isinstance(node, ast.arg):
            node.annotation = None
    return tree


def _places(tree: ast.Module) -> Iterator[tuple[object, object, ast.AST, set[str]]]:
    """Where each statement and expression hangs, and the names that its function knows."""
    for top in tree.body:
        names = {n.arg for n in ast.walk(top) if isinstance(n, ast.arg)}
        names |= {n.id for n in ast.walk(top) if _stored(n)}
        for node in ast.walk(top):
            for field, value in ast.iter_fields(node):
                children = enumerate(value) if isinstance(value, list) else [(field, value)]
                holder = value if isinstance(value, list) else node
                for key, child in children:
                    if isinstance(child, ast.expr | ast.stmt | ast.comprehension):
                        if not hasattr(child, "lineno"):  # a comprehension has none
                            child.lineno = node.lineno
                        yield holder, key, child, names


def _stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _put(holder: object, key: object, node: ast.AST) -> None:
    if isinstance(holder, list):
        holder[key] = node
    else:
        setattr(holder, key, node)


def _others(node: ast.AST, names: set[str]) -> Iterator[ast.AST]:
    """What may stand in the place of a node."""
    if isinstance(node, ast.Constant):
        yield from (ast.Constant(v) for v in _constants(node.value))
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        yield from (ast.Name(n, ast.Load()) for n in sorted(names - {node.id}))
    elif isinstance(node, ast.BinOp):
        group = BITS if isinstance(node.op, BITS) else ARITHMETIC
        yield from (_with(node, op=op()) for op in group if not isinstance(node.op, op))
        yield from (node.left, node.right, _with(node, left=node.right, right=node.left))
    elif isinstance(node, ast.AugAssign):
        yield from (_with(node, op=op()) for op in ARITHMETIC if not isinstance(node.op, op))
        yield ast.Assign([node.target], node.value)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Compare):
        here = node.ops[0]
        ops = ORDER if isinstance(here, ORDER) else [OTHERWISE[type(here)]]
        yield from (_with(node, ops=[op()]) for op in ops if not isinstance(here, op))
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield node.value
    elif isinstance(node, ast.Slice):
        yield from _slices(node)
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Load):
        yield from (_with(node, elts=elts) for elts in _sequences(node.elts))
    elif isinstance(node, ast.Dict):
        yield from (_with(node, values=values) for values in _swaps(node.values))
    elif isinstance(node, ast.If | ast.IfExp):
        yield from (_with(node, test=test) for test in (ast.Constant(True), ast.Constant(False)))
    elif isinstance(node, ast.comprehension) and node.ifs:
        yield _with(node, ifs=[])
    if isinstance(node, ast.stmt) and not isinstance(node, ast.Return | ast.FunctionDef | ast.Pass):
        yield ast.Pass()


def _with(node: ast.AST, **changes: object) -> ast.AST:
    other = copy.copy(node)
    vars(other).update(changes)
    return other


def _constants(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [v for v in dict.fromkeys((value + 1, value - 1, -value, 2 * value)) if v != value]
    if isinstance(value, float):
        return [value + 1, -value, 2 * value, value / 2, 0.0]
    if isinstance(value, complex):
        return [-value, 2 * value, value / 2]
    return ["", value[:-1] + "x"] if isinstance(value, str) and value else []


def _slices(node: ast.Slice) -> Iterator[ast.Slice]:
    for edge, value in (("lower", ast.Constant(1)), ("upper", ast.Constant(-1))):
        yield _with(node, **{edge: None if getattr(node, edge) else value})
    yield _with(node, lower=node.upper, upper=node.lower)
    yield _with(node, step=ast.Constant(2))


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    for args in _sequences(node.args):
        yield _with(node, args=args)
    for i in range(len(node.keywords)):
        yield _with(node, keywords=node.keywords[:i] + node.keywords[i + 1 :])
    yield from node.args
    method = isinstance(node.func, ast.Attribute)
    if method:
        yield node.func.value
    name = node.func.attr if method else getattr(node.func, "id", "")
    for group in (text.split() for text in NEIGHBOURS):
        for other in group if name in group else ():
            change = {"attr": other} if method else {"id": other}
            yield _with(node, func=_with(node.func, **change))


def _sequences(elts: list[ast.expr]) -> Iterator[list[ast.expr]]:
    for i in range(len(elts)):
        yield elts[:i] + elts[i + 1 :]
    yield from _swaps(elts)
    for start in range(len(elts)):  # a run of it the other way
        for end in range(start + 4, len(elts) + 1):
            yield elts[:start] + elts[start:end][::-1] + elts[end:]
    yield elts[1:] + elts[:1]


def _swaps(elts: list[ast.expr]) -> Iterator[list[ast.expr]]:
    for i in range(len(elts)):
        for j in range(i):
            other = list(elts)
            other[i], other[j] = elts[j], elts[i]
            yield other
