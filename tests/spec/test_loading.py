"""Tests of `effscale.spec.loading`: every fault of a text at once, or its spec."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from effscale.errors import SpecError, dotted
from effscale.spec.dumping import dumps
from effscale.spec.loading import load_file, loads
from effscale.spec.names import folder
from effscale.spec.references import UNSAID
from tests.spec.small import TEXT as SMALL

if TYPE_CHECKING:
    from effscale.errors import Place
    from effscale.spec.models import Spec

B0 = (folder() / "b0.yaml").read_text(encoding="utf-8")
MEBIBYTE = 2**20
STRIDE = "(the network's total stride)"
WIDTH = "a whole number from 1 to 1048576"
NAME = "a name of letters, digits and . _ + -"


def message(path: Path | str) -> str:
    with pytest.raises(SpecError) as caught:
        load_file(path)
    return str(caught.value)


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_its_spec(b0: Spec, kind: type[str | Path]) -> None:
    assert load_file(kind(folder() / "b0.yaml")) == b0


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + SMALL.encode(),
        SMALL.replace("\n", "\r\n").encode(),
        SMALL.encode() + b"#" * (MEBIBYTE - len(SMALL)),
        b"%YAML 1.1\n---\n" + SMALL.encode() + b"...\n",
    ],
    ids=["byte order mark", "carriage returns", "a mebibyte", "one document"],
)
def test_a_file_may_be_of_any_make(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "small.yaml"
    path.write_bytes(raw)
    assert load_file(path) == loads(SMALL)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n", ": expected UTF-8 text, found byte 0x89 in it"),
        (b"name: caf\xe9\n", ": expected UTF-8 text, found byte 0xe9 in it"),
        (SMALL.encode("utf-16"), ": expected UTF-8 text, found byte 0xff in it"),
        (b"a\0b", ":1:2: not YAML: control characters are not allowed"),
        (b"#" * (MEBIBYTE + 1), ": expected at most 1,048,576 bytes, found more"),
        (b"", ":1:1: expected a spec, found nothing"),
    ],
    ids=["picture", "latin-1", "utf-16", "zero byte", "too long", "empty"],
)
def test_a_file_that_holds_no_text_is_refused(
    tmp_path: Path, raw: bytes, expected: str
) -> None:
    path = tmp_path / "small.yaml"
    path.write_bytes(raw)
    assert message(path) == f"{path}{expected}"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert message(tmp_path) == f"{tmp_path}: expected a file, found a folder"


def test_a_file_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"
    assert message(path) == f"{path}: cannot be read: no such file or directory"
    assert message("a\0b") == "a\0b: cannot be read: embedded null byte"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(13, "Permission denied"), "permission denied"),
        (OSError(5, "Input/output error"), "input/output error"),
        (OSError("Odd"), "odd"),
    ],
)
def test_a_file_that_refuses_says_why(
    monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "open", refuse)
    assert message("b0.yaml") == f"b0.yaml: cannot be read: {reason}"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"b0", "<stdin>:1:1: expected keys and values, got 'b0'"),
        (b"", "<stdin>:1:1: expected a spec, found nothing"),
        (b"\xff", "<stdin>: expected UTF-8 text, found byte 0xff in it"),
        (
            b" " * (MEBIBYTE + 1),
            "<stdin>: expected at most 1,048,576 bytes, found more",
        ),
    ],
    ids=["scalar", "empty", "binary", "too long"],
)
def test_standard_input_is_named_in_its_faults(
    monkeypatch: pytest.MonkeyPatch, raw: bytes, expected: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert message("-") == expected


def test_standard_input_is_read_as_a_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SMALL.encode())))
    assert load_file("-") == loads(SMALL)


def test_a_file_named_as_standard_input_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    Path("<stdin>").write_text(SMALL, encoding="utf-8")
    assert load_file("<stdin>") == loads(SMALL)


def test_a_text_without_a_path_is_called_text() -> None:
    with pytest.raises(SpecError) as caught:
        loads("b0")
    assert str(caught.value) == "<text>:1:1: expected keys and values, got 'b0'"


def test_faults_of_every_origin_are_said_together_in_the_order_of_the_text() -> None:
    text = SMALL.replace("32", "1").replace("channels: 16", "channels: 0, 3: 4")
    with pytest.raises(SpecError) as caught:
        loads(f"{text}colour: red\nfamily: =\nname: other\nstem: {{}}\n", "net.yaml")
    assert str(caught.value).split("\n") == [
        f"net.yaml:6:18: head.channels: expected {WIDTH}, got 0",
        "net.yaml:6:21: expected a word as key, got 3",
        "net.yaml:7:1: unknown key 'colour'",
        "net.yaml:8:9: expected a plain value, got '=' as 'tag:yaml.org,2002:value'",
        f"net.yaml:8:9: family: expected {NAME}, got '='",
        "net.yaml:9:1: duplicate key 'name', first on line 1",
        "net.yaml:10:1: duplicate key 'stem', first on line 3",
    ]


def test_faults_before_an_end_too_soon_stand_in_order_too() -> None:
    with pytest.raises(SpecError) as caught:
        loads("3: {4: 1}\nname: *b\n", "net.yaml")
    assert str(caught.value).split("\n") == [
        "net.yaml:1:1: expected a word as key, got 3",
        "net.yaml:1:5: expected a word as key, got 4",
        "net.yaml:2:7: expected an anchor &b above, found none",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("0x" + "F" * 5000, "int of 20000 bits"),
        ("1" + ":00" * 3000, "int of 17721 bits"),
        ("9" * 70, f"{'9' * 57}..."),
        ("x" * 70, f"'{'x' * 56}..."),
    ],
)
def test_a_long_value_is_shown_in_short(value: str, shown: str) -> None:
    with pytest.raises(SpecError) as caught:
        loads(SMALL + f"image_channels: {value}\n", "net.yaml")
    expected = f"net.yaml:7:17: image_channels: expected {WIDTH}, got {shown}"
    assert str(caught.value) == expected


def test_a_long_key_is_shown_in_short() -> None:
    with pytest.raises(SpecError) as caught:
        loads(SMALL + f"? {'k' * 5000}\n: 1\n", "net.yaml")
    assert str(caught.value) == f"net.yaml:7:3: unknown key '{'k' * 56}..."


def test_a_spec_reads_the_same_from_its_own_text(b0: Spec) -> None:
    assert loads(B0) == loads(dumps(b0)) == b0


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((), ""),
        (("stem",), "stem"),
        (("stages", 2, "kernel"), "stages[2].kernel"),
        (("resolution", 1), "resolution[1]"),
        (("variants", "b1", "resolution", 0), "variants.b1.resolution[0]"),
        (("variants", "b-1+x"), "variants.b-1+x"),
        (("variants", "b 1", "resolution"), "variants['b 1'].resolution"),
        (("variants", "b.1\n"), r"variants['b.1\n']"),
    ],
)
def test_a_place_is_written_as_in_python(place: Place, text: str) -> None:
    assert dotted(place) == text


def test_the_way_out_is_shown_once_and_for_keys_of_lines_alone() -> None:
    text = SMALL.replace("channels: 16", "channels: 16, experts: 4")
    text = text.replace("stem: {", "stem: {offsets: 18, filters: 8, ")
    with pytest.raises(SpecError) as caught:
        loads(f"{text}colour: red\n", "net.yaml")
    stem, other, head, whole = str(caught.value).split("\n")
    assert stem == f"net.yaml:3:8: stem: unknown key 'offsets'; {UNSAID}"
    assert (other, head) == (
        "net.yaml:3:21: stem: unknown key 'filters'",
        "net.yaml:6:22: head: unknown key 'experts'",
    )
    assert whole == "net.yaml:7:1: unknown key 'colour'"
