"""Files of torch, looked through before torch opens them.

`torch.export.load` runs what a file says in many ways, and warns of it: it unpickles
whatever it finds, evaluates sizes by sympy, calls any function below `torch`, imports
modules that a tree of inputs names, and compiles Python from names. TorchScript runs
nothing of Python's, but has two operators that write files. Here each of these is let
through only where it is what torch itself writes.

Records are read by the reader that torch loads them with: another one may see others in
the same file.
"""

from __future__ import annotations

import ast
import io
import json
import operator
import pickletools
import re
import zipfile
from typing import TYPE_CHECKING, Any

import torch

from effscale.errors import MeasureError, short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MODEL, _EXAMPLES = "models/model.json", "data/sample_inputs/model.pt"
_WEIGHTS, _CONSTANTS = "data/weights/", "data/constants/"
#: What `torch.export.save` writes; `data/aotinductor/`, for one, is machine code.
_KNOWN = re.compile(
    r"models/model\.json|data/(weights|constants|sample_inputs)/[\w.]+|extra/.*"
    r"|archive_(format|version)|byteorder|\.data/[\w.]+|\.format_version"
    r"|\.storage_alignment"
)
#: A name, in what torch makes Python of: nothing that could end it, or call.
_PLAIN = re.compile(r"[\w.:+/ -]*")
_SYMBOL = re.compile(r"[a-z]{1,4}_?\d+")
_OPERATOR = re.compile(r"torch\.ops\.([a-z]\w*)\.([a-z_]\w*)\.([A-Za-z]\w*)")
_SYMBOLIC = re.compile(r"torch\.sym_[a-z]+|torch\._sym_sqrt|math\.[a-z]\w*")
_PYTHON = {
    *("getitem", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "neg"),
    *("pos", "abs", "lt", "le", "eq", "ne", "ge", "gt", "and_", "or_", "xor", "not_"),
    *("lshift", "rshift", "inv", "invert", "truth", "index"),
}
_HIGHER = {
    *("wrap_with_set_grad_enabled", "wrap_with_autocast", "cond", "map_impl"),
    *("while_loop", "scan", "tag_activation_checkpoint", "associative_scan"),
}
#: An operator that opens, or makes, whatever file it is told of.
_OPENS_FILES = "from_file"
#: Functions of sizes: torch.utils._sympy.functions, and sympy's own.
_OF_SIZES = {
    *("Symbol", "Integer", "Float", "Rational", "Max", "Min", "Abs", "Add", "Mul"),
    *("Pow", "Mod", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Not", "And", "Or"),
    *("FloorDiv", "ModularIndexing", "Where", "PythonMod", "CleanDiv", "CeilToInt"),
    *("FloorToInt", "CeilDiv", "LShift", "RShift", "PowByNatural", "FloatPow"),
    *("FloatTrueDiv", "IntTrueDiv", "IsNonOverlappingAndDenseIndicator"),
    *("TruncToFloat", "TruncToInt", "RoundToInt", "RoundDecimal", "ToFloat"),
    *("Identity", "floor", "ceiling"),
}
_ASSUMED = {"positive", "integer", "nonnegative", "real", "finite", "evaluate"}
_OF_TENSORS = {"size", "stride", "storage_offset", "numel", "dim", "ndimension"}
_LONGEST = 2000  #: characters of an expression
_HIGHEST = 64  #: exponent in it
_WRITES = re.compile(r"\b(save|from_file)\b")
_ARITHMETIC = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Load),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)


def is_damaged(path: Path) -> bool:
    """Whether a record of a zip is not as it was written, by its checksum.

    torch writes checksums and does not look at them: it takes a flipped bit for a
    weight.
    """
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is not None
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError):
        return True


def is_whole_pickle(path: Path) -> bool | None:
    """Whether a pickle that `torch.save` has written holds more than weights.

    None of what is no such pickle. It is looked through, and not loaded.
    """
    try:
        with zipfile.ZipFile(path) as file:
            names = {name.partition("/")[2]: name for name in file.namelist()}
            if "data.pkl" not in names or "constants.pkl" in names:
                return None
            with file.open(names["data.pkl"]) as pickled:
                start = pickled.read(_LOOKED_AT)
    except zipfile.BadZipFile:
        start = _of_old(path)
    except OSError:
        return None
    if not start:
        return None
    return any(
        not module.startswith(("torch._utils", "collections", "torch._tensor"))
        for module in _classes(start)
        if module not in {"torch", "torch.storage", "torch.serialization"}
    )


def _of_old(path: Path) -> bytes:
    """The pickle of what torch before 1.6 has written, behind three of its own."""
    with path.open("rb") as file:
        if file.read(len(_OLD)) != _OLD:
            return b""
        file.seek(0)
        try:
            for _ in range(3):
                pickletools.dis(file, io.StringIO())
        except ValueError:
            return b""
        return file.read(_LOOKED_AT)


#: How such a file begins: a number of torch's, pickled.
_OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
#: Bytes of a pickle that are looked through; those of modules name theirs at once.
_LOOKED_AT = 2**20


def _classes(pickled: bytes) -> Iterator[str]:
    """The modules whose classes or functions a pickle names."""
    words: list[str] = []
    try:
        for code, argument, _place in pickletools.genops(pickled):
            if code.name == "GLOBAL":
                yield str(argument).partition(" ")[0]
            elif code.name == "STACK_GLOBAL" and len(words) > 1:
                yield words[-2]
            elif isinstance(argument, str):
                words.append(argument)
    except (ValueError, IndexError):  # cut off
        return


def check_exported(path: Path) -> None:
    """Refuse a .pt2 file that holds more than a graph and tensors.

    Raises:
        MeasureError: with what it holds.
    """
    reader = _opened(path, "torch.export")
    names = set(reader.get_all_records())
    if _MODEL not in names or _EXAMPLES not in names:
        hint = "save it by torch.export.save of torch 2.8 or later"
        raise MeasureError(f"expected a file of torch.export, got another; {hint}")
    for name in sorted(names):
        if not _KNOWN.fullmatch(name):
            raise _refused(f"a record {short(name)}")
    _unpickles(_EXAMPLES, reader)
    for name in sorted(names):
        if name.endswith(".pt") and name != _EXAMPLES:
            _unpickles(name, reader)
        elif name.startswith((_WEIGHTS, _CONSTANTS)) and name.endswith(".json"):
            _check_payload(_json(name, reader))
    _walk(_json(_MODEL, reader), "")


def check_script(path: Path) -> None:
    """Refuse TorchScript that writes files; it can do nothing else to the machine.

    Raises:
        MeasureError: where a word of its code is that of an operator which does.
    """
    reader = _opened(path, "TorchScript")
    for name in sorted(reader.get_all_records()):
        if name.startswith("code/") and name.endswith(".py"):
            text = reader.get_record(name).decode("utf-8", "replace")
            if found := _WRITES.search(text):
                raise _refused(f"code that calls {found[1]!r}")


def _opened(path: Path, kind: str) -> Any:  # noqa: ANN401 - untyped
    try:
        return torch._C.PyTorchFileReader(str(path))  # noqa: SLF001
    except RuntimeError:
        raise MeasureError(f"expected a file of {kind}, got something else") from None


def _refused(what: str) -> MeasureError:
    return MeasureError(f"refused, and nothing of it was run: it holds {what}")


def _json(name: str, reader: Any) -> Any:  # noqa: ANN401
    try:
        return json.loads(reader.get_record(name))
    except (ValueError, RecursionError):
        raise MeasureError(f"expected JSON as its {name}, got something else") from None


def _unpickles(name: str, reader: Any) -> None:  # noqa: ANN401
    record = reader.get_record(name)
    try:
        if record:
            torch.load(io.BytesIO(record), map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - it raises all kinds of error
        raise _refused(f"a pickle of more than tensors, {name}") from None


def _check_payload(config: Any) -> None:  # noqa: ANN401
    """Let no tensor be unpickled, nor an object that is none."""
    payloads = config.get("config") if isinstance(config, dict) else None
    if not isinstance(payloads, dict):
        raise MeasureError("expected a list of weights in it, got none")
    for name, payload in payloads.items():
        if not isinstance(payload, dict) or payload.get("use_pickle") is not False:
            raise _refused(f"{short(name)} as a pickle")
        kind = str(payload.get("path_name"))
        if not re.fullmatch(r"(weight|tensor)_\d+", kind):
            raise _refused(f"{short(name)} as an object of {short(kind)}")


def _walk(value: Any, key: str) -> None:  # noqa: ANN401 - JSON
    """Check each text of the model by the key that it is under."""
    if isinstance(value, dict):
        for name, each in value.items():
            _check_plain(name)
            _walk(each, key if key == "metadata" else name)
    elif isinstance(value, list):
        for each in value:
            _walk(each, key)
    elif isinstance(value, str):
        _TEXTS.get(key, _check_plain)(value)


def _check_plain(text: str) -> None:
    if not _PLAIN.fullmatch(text):
        raise _refused(f"the name {short(text)}")


def _check_comment(text: str) -> None:
    """Let no text of a comment end it: `\\r`, for one, begins a line of Python."""
    if any(ord(c) < ord(" ") and c not in "\n\t" for c in text) or len(
        text.splitlines()
    ) != len(text.split("\n")) - text.endswith("\n"):
        raise _refused("control characters in what it says of its source")


def _check_value(_text: str) -> None:
    """A text that an operator is given; Python of it has it quoted."""


def _check_target(text: str) -> None:
    """Let operators be called, and arithmetic of sizes; no other function."""
    if found := _OPERATOR.fullmatch(text):
        target: Any = torch.ops
        for name in found.groups():
            target = getattr(target, name, None)
        is_one = isinstance(target, torch._ops.OpOverload)  # noqa: SLF001
        known = target is not None and is_one and found[2] != _OPENS_FILES
        if not known and found[1] != "higher_order":
            raise _refused(f"a call of {short(text)}")
        return
    room, _, name = text.rpartition(".")
    if not (
        _SYMBOLIC.fullmatch(text)
        or (room == "_operator" and name in _PYTHON and hasattr(operator, name))
        or (room == "torch.ops.higher_order" and name in _HIGHER)
    ):
        raise _refused(f"a call of {short(text)}")


def _check_tree(text: str) -> None:
    """Let a tree of inputs name no module to import."""
    if "__enum__" in text or "\\u" in text or "defaultdict" in text:
        raise _refused("inputs of a kind that imports code")


def _check_size(text: str) -> None:
    """Let sympy evaluate arithmetic of symbols alone."""
    if not all(map(_is_size, ast.walk(_parsed(text)))):
        raise _refused(f"the size {short(text)}")


def _is_size(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str() as name):
            return bool(_SYMBOL.fullmatch(name))
        case ast.Constant(value=value):
            return isinstance(value, bool | int | float)
        case ast.Name(id=name):
            return name in _OF_SIZES or bool(_SYMBOL.fullmatch(name))
        case ast.keyword(arg=name):
            return name in _ASSUMED
        case ast.Call(func=called):
            return isinstance(called, ast.Name)
        case _:
            return _is_arithmetic(node)


def _check_guard(text: str) -> None:
    """Let a guard ask tensors for their sizes, and compare them."""
    if not all(map(_is_of_guards, ast.walk(_parsed(text)))):
        raise _refused(f"the guard {short(text)}")


def _is_of_guards(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name):
            return name[0] != "_"
        case ast.Attribute(attr=name):
            return name in _OF_TENSORS
        case ast.Call(func=called, keywords=keywords):
            is_len = isinstance(called, ast.Name) and called.id == "len"
            return not keywords and (is_len or isinstance(called, ast.Attribute))
        case ast.Constant() | ast.Subscript():
            return True
        case _:
            return _is_arithmetic(node)


def _is_arithmetic(node: ast.AST) -> bool:
    """Whether it is, of no power that takes for ever."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        exponent = getattr(node.right, "value", None)
        return isinstance(exponent, int) and exponent <= _HIGHEST
    return isinstance(node, _ARITHMETIC)


def _parsed(text: str) -> ast.AST:
    if len(text) <= _LONGEST:
        try:
            return ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    raise _refused(f"the expression {short(text)}")


_TEXTS: dict[str, Callable[[str], None]] = {
    "target": _check_target,
    "as_operator": _check_target,
    "expr_str": _check_size,
    "guards_code": _check_guard,
    "in_spec": _check_tree,
    "out_spec": _check_tree,
    "metadata": _check_comment,
    "as_string": _check_value,
    "as_strings": _check_value,
}
