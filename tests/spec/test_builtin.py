"""Tests of `effscale.spec.builtin`: built-in specs, and what a reference means."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from effscale.errors import SpecError, short
from effscale.spec import builtin
from effscale.spec import names as names_of_files
from effscale.spec.builtin import find
from effscale.spec.dumping import dumps
from effscale.spec.loading import load_file
from effscale.spec.names import families, folder, names

if TYPE_CHECKING:
    import effscale as es

VARIANTS = ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "l2"]
LISTED = ", ".join(load_file(folder() / "b0.yaml").variants)


def message(reference: str) -> str:
    with pytest.raises(SpecError) as caught:
        find(reference)
    return str(caught.value)


def test_specs_lie_beside_the_package_or_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "effscale"
    package.mkdir(parents=True)
    monkeypatch.setattr(names_of_files, "_PACKAGE", package)
    assert folder() == tmp_path / "site" / "specs"
    (package / "specs").mkdir()
    assert folder() == package / "specs"


def test_every_file_in_the_folder_is_built_in() -> None:
    files = sorted(folder().glob("*.yaml"))
    assert files
    assert list(builtin.builtin()) == [path.stem for path in files]
    for path in files[::20]:
        assert builtin.builtin()[path.stem] == load_file(path)


def test_names_are_of_specs_and_of_their_variants(b0: es.Spec) -> None:
    assert list(b0.variants)[: len(VARIANTS)] == VARIANTS
    expected: list[tuple[str, tuple[str, str | None]]] = []
    for stem, spec in builtin.builtin().items():
        own: list[str | None] = [None, *spec.variants]
        expected += [(name or stem, (stem, name)) for name in own]
    known = dict(expected)
    assert len(known) == len(expected)  # no name means two things
    assert names() == known


def test_families_are_those_of_specs_and_of_their_variants() -> None:
    found = set()
    for spec in builtin.builtin().values():
        found |= {spec.family, *(each.family for each in spec.variants.values())}
    assert families() == sorted(each for each in found if each)


@pytest.mark.parametrize(
    ("reference", "variant"),
    [
        ("b0", None),
        ("efficientnet-b0", None),
        ("b4", "b4"),
        ("efficientnet-b4", "b4"),
        ("b0@b4", "b4"),
        ("efficientnet-b0@l2", "l2"),
    ],
)
def test_a_name_is_of_a_spec_or_a_variant(
    b0: es.Spec, reference: str, variant: str | None
) -> None:
    assert find(reference) == (b0, variant)


@pytest.mark.parametrize("name", ["net.yaml", "net.yml", "folder/net", "./net", "net"])
@pytest.mark.parametrize("variant", [None, "b3"])
def test_a_file_is_read_and_its_variants_have_names(
    b0: es.Spec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    variant: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path(name).write_text(dumps(b0), encoding="utf-8")
    assert find(f"{name}@{variant}" if variant else name) == (b0, variant)


def test_a_built_in_name_comes_before_a_file_of_that_name(
    b0: es.Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b0").write_text("other", encoding="utf-8")
    assert find("b0") == (b0, None)
    assert message("./b0") == "./b0:1:1: expected keys and values, got 'other'"


def test_standard_input_has_variants_too(
    b0: es.Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reference, variant in (("-", None), ("-@b2", "b2")):
        text = io.TextIOWrapper(io.BytesIO(dumps(b0).encode()))
        monkeypatch.setattr(sys, "stdin", text)
        assert find(reference) == (b0, variant)


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("b00", "; did you mean 'b0'?"),
        ("colour", "; see effscale specs"),
        ("tf_efficientnet_b4", "; did you mean 'b4'?"),
        ("convnext_tiny", "; did you mean 'convnext-t'?"),
        ("vit_small_patch16_224", "; did you mean 'vit-s-16'?"),
        ("ResNet-50", "; did you mean 'resnet50'?"),
        ("a\0b", "; see effscale specs"),
        ("x" * 5000, "; see effscale specs"),
    ],
)
def test_an_unknown_name_is_refused_with_a_hint(reference: str, hint: str) -> None:
    expected = f"{short(reference)}: expected a file or a built-in spec{hint}"
    assert message(reference) == expected


@pytest.mark.parametrize("name", ["absent.yaml", "absent/b0", "absent.yml"])
def test_what_looks_like_a_file_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = f"{name}: cannot be read: no such file or directory"
    assert message(name) == expected
    assert message(f"{name}@b1") == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("b0@b9", f"a variant of b0 ({LISTED}), got 'b9'"),
        ("b0@", f"a variant of b0 ({LISTED}), got ''"),
        ("efficientnet-b0@b", f"a variant of efficientnet-b0 ({LISTED}), got 'b'"),
        ("b4@b1", "a variant of b4 (none), got 'b1'"),
        ("b4@b4", "a variant of b4 (none), got 'b4'"),
        ("-@b1", "a variant of - (large), got 'b1'"),
        ("-@larg", "a variant of - (large), got 'larg'; did you mean 'large'?"),
    ],
)
def test_an_unknown_variant_is_refused_with_those_there_are(
    b0: es.Spec, monkeypatch: pytest.MonkeyPatch, reference: str, expected: str
) -> None:
    spec = b0.model_copy(update={"variants": {"large": b0.variants["b1"]}})
    text = io.TextIOWrapper(io.BytesIO(dumps(spec).encode()))
    monkeypatch.setattr(sys, "stdin", text)
    assert message(reference) == f"{reference!r}: expected {expected}"


def test_a_file_is_read_without_the_built_in_specs(
    b0: es.Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(builtin, "names")
    assert find(str(folder() / "b0.yaml@b1")) == (b0, "b1")


def test_names_are_words_between_hyphens() -> None:
    """One rule for all: `vgg11-bn`, and widths as decimals, `lcnet-0.5`."""
    rule = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+|-\d\.\d+[a-z]*)*")
    named = [*names(), *families()]
    assert [each for each in named if not rule.fullmatch(each)] == []
    in_per_cent = re.compile(r".*-(0\d\d|1\d\d)")
    assert [each for each in named if in_per_cent.fullmatch(each)] == []


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("vgg11_bn", "vgg11-bn"),
        ("lcnet_050", "lcnet-0.5"),
        ("shufflenet_v2_x0_5", "shufflenetv2-0.5"),
        ("mobilevitv2_125", "mobilevitv2-1.25"),
        ("squeezenet1_0", "squeezenet-1.0"),
        ("resnext50_32x4d", "resnext50-32x4d"),
        ("deeplabv3_mobilenet_v3_large", "deeplabv3-mobilenetv3-large"),
    ],
)
def test_spellings_of_libraries_are_hinted_at(theirs: str, ours: str) -> None:
    with pytest.raises(SpecError, match=f"did you mean '{re.escape(ours)}'"):
        find(theirs)
