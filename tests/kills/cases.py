"""A case for each command that writes, and each format that it writes."""

from __future__ import annotations

import io
import json
import os
import shlex
import zipfile
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from click.testing import CliRunner

from effscale.cli import main
from tests.study.small import STAND_IN

if TYPE_CHECKING:
    from pathlib import Path

#: A network that is built and trained at once.
SMALL = {
    "name": "small",
    "resolution": 8,
    "stem": {"kernel": 3, "stride": 2, "channels": 8},
    "stages": [
        {
            "block": "mbconv",
            "kernel": 3,
            "stride": 1,
            "expand_ratio": 1,
            "channels": 8,
            "repeats": 1,
        }
    ],
    "head": {"classes": 2},
}
#: A detector of two levels.
DETECTOR = {
    "name": "detector",
    "resolution": 4,
    "stem": {"kernel": 3, "stride": 2, "channels": 4},
    "stages": [{"block": "conv", "kernel": 3, "channels": 4}],
    "neck": {"levels": [1, 2], "channels": 4, "wiring": "fpn"},
    "heads": {"classes": 2, "anchors": {"scales": 1, "ratios": [1.0], "scale": 1.0}},
}
#: A file of which `check --fix` mends the order of keys.
DISORDERED = """\
name: small
stem: {kernel: 3, stride: 2, channels: 8}  # as drawn
resolution: 8
stages:
- {stride: 1, block: mbconv, kernel: 3, expand_ratio: 1, channels: 8, repeats: 1}
head: {classes: 2}
"""


@dataclass(frozen=True)
class Case:
    """A command that writes a file."""

    arguments: str  #: `OUT` stands for the file
    target: str  #: its name
    before: str | None = "what was there before\n"
    needs_torch: bool = False
    beside: tuple[str, ...] = ()  #: files that it writes besides, whole ones too
    exits: tuple[int, ...] = (0,)

    @property
    def name(self) -> str:
        command = self.arguments.split()[0]
        flags = [each for each in ("--plot", "--fix") if each in self.arguments]
        return " ".join([command, *flags, self.target])

    @property
    def pipes(self) -> bool:
        """Whether what it writes may be a pipe."""
        return "OUT --force" in self.arguments

    @property
    def is_folder(self) -> bool:
        """Whether it writes a folder, which a run that was ended goes on with."""
        return self.target.endswith("/")

    @property
    def written(self) -> tuple[str, ...]:
        """What it writes."""
        return tuple(each.rstrip("/") for each in (self.target, *self.beside))

    def lay(self, folder: Path, *, piped: bool = False) -> None:
        """Lay what is to be there before, if anything."""
        path = folder / self.target
        if piped:
            if not path.is_fifo():
                path.unlink(missing_ok=True)
                os.mkfifo(path)
        elif self.before is not None:
            path.write_text(self.before, encoding="utf-8")

    def is_whole(self, name: str, content: bytes) -> bool:
        """Whether content that differs from run to run is all of it, by its kind."""
        try:
            if name.endswith((".json", ".yaml")):
                return isinstance(yaml.safe_load(content), dict)
            if name.endswith(".jsonl"):
                return all(json.loads(each) for each in content.splitlines())
            if name.endswith((".checkpoint", ".pth", ".pt2", ".ts")):
                return zipfile.ZipFile(io.BytesIO(content)).testzip() is None
        except (ValueError, yaml.YAMLError, zipfile.BadZipFile):
            return False
        return self.is_folder


def prepare(folder: Path) -> None:
    """The files that cases read."""
    for spec in (SMALL, DETECTOR):
        text = yaml.safe_dump(spec, sort_keys=False)
        (folder / f"{spec['name']}.yaml").write_text(text, encoding="utf-8")
    for kind, shade in (("cats", 40), ("dogs", 200)):
        own = folder / "images" / kind
        own.mkdir(parents=True, exist_ok=True)
        for k in range(6):
            (own / f"{k}.png").write_bytes(_png(shade + 5 * k))


@cache
def _png(shade: int) -> bytes:
    from io import BytesIO

    from PIL import Image

    held = BytesIO()
    Image.new("RGB", (8, 8), (shade, 255 - shade, 90)).save(held, "png")
    return held.getvalue()


_STUDY = f"grid b0 --top 2 --evaluate 'sh {STAND_IN} {{spec}} {{out}} {{seed}}'"
_SHORT = "--epochs 1 --batch 4 --augment none"
_LEARN = f"train small.yaml --data images --classes 2 {_SHORT} --quiet"
CASES = (
    Case("scale b0 --phi 1 --measure none --output OUT --force -q", "b0-x2.yaml"),
    Case("scale b0 --phi 0..2 --measure none --output OUT --force -q", "rows.csv"),
    Case("fit b0 --macs 500M --output OUT --force -q", "fit.yaml"),
    Case("fit b0 --macs 500M --output OUT --force -q", "fit.json"),
    Case("grid b0 --step 0.2 --top 3 --output OUT --force -q", "grid.json"),
    Case("grid b0 --step 0.2 --top 3 --plot OUT --force -q", "grid.svg"),
    Case("compare b0 b1 --output OUT --force -q", "both.md"),
    Case("compare b0 b1 --plot OUT --force -q", "both.png"),
    Case("profile b0 --measure none --output OUT --force -q", "b0.json"),
    Case("report b0 --measure none --output OUT --force -q", "report.html"),
    Case("explore b0 --output OUT --force -q", "explore.html"),
    Case("schema --output OUT --force", "schema.json"),
    Case("check OUT --fix", "spec.yaml", before=DISORDERED),
    Case("check small.yaml --output OUT --force", "found.json"),
    Case("weights small.pth --to small.yaml --output OUT --force -q", "map.json",
         needs_torch=True),
    *(
        Case(f"export small.yaml --output OUT --force -q{more}", name, needs_torch=True)
        for name, more in (
            ("net.pth", ""),
            ("net.pt2", " --batch 1"),
            ("net.ts", ""),
            ("net.onnx", " --batch 1"),
            ("net.safetensors", ""),
        )
    ),
    Case("export detector.yaml --nms --batch 1 --output OUT --force -q", "boxes.onnx",
         needs_torch=True),
    Case(f"{_LEARN} --output OUT --force", "trained.json", needs_torch=True,
         beside=("trained.json.checkpoint",)),
    Case("import tests.kills.nets:Net --input 1x3x16x16 --output OUT --force -q",
         "net.yaml", needs_torch=True),
    Case("calibrate --seconds 0.01 --output OUT --force -q", "device.json",
         needs_torch=True, beside=("cache/",)),
    Case(f"{_STUDY} --study OUT -q", "study/", before=None),
    Case("study old --output OUT --force -q", "found.yaml"),
)  # fmt: skip


def ready(folder: Path) -> None:
    """All that the cases read; what takes long before they write is done but once."""
    prepare(folder)
    os.chdir(folder)
    os.environ["EFFSCALE_CACHE"] = str(folder / "cache")
    for arguments in (
        "export small.yaml --output small.pth -q",
        f"{_STUDY} --study old -q",
    ):
        done = CliRunner().invoke(main, shlex.split(arguments))
        if done.exit_code:
            raise RuntimeError(done.output)
    import torch

    torch.set_num_threads(1)  # threads are lost in forks
    import torch.onnx

    from effscale.module import calibrate

    _once(torch.export, "export")
    _once(torch.onnx, "export")
    _once(calibrate, "calibrate")
    for case in CASES:
        if any(each in case.name for each in ("pt2", "onnx", "calibrate")):
            case.lay(folder)
            words = [
                case.target if x == "OUT" else x for x in shlex.split(case.arguments)
            ]
            CliRunner().invoke(main, words)


def _once(module: Any, name: str) -> None:  # noqa: ANN401
    """Have a function give what it gave the first time that it was given the same."""
    function, kept = getattr(module, name), dict[str, Any]()

    def once(*given: Any, **named: Any) -> Any:  # noqa: ANN401
        key = repr(given[:1])
        if key not in kept:
            kept[key] = function(*given, **named)
        return kept[key]

    setattr(module, name, once)


def clear(folder: Path, case: Case) -> None:
    """Take away a pipe that a case wrote to."""
    path = folder / case.target
    if path.is_fifo():
        path.unlink()
