from __future__ import annotations

import os
from pathlib import Path

import pytest

from voicewire.engine import weights
from voicewire.engine.weights import FileState, WeightStore
from voicewire.errors import ConfigError, ModelLoadError

from .wheels import make_catalogue, make_wheel_set, place

pytestmark = pytest.mark.unit


def store(home: Path, **environ: str) -> WeightStore:
    return WeightStore(home, catalogue=make_catalogue(home), environ=environ)


def test_the_argument_comes_first_then_the_environment_then_the_cache(tmp_path: Path) -> None:
    own, other = tmp_path / "own.bin", tmp_path / "other.bin"
    own.write_bytes(b"own")
    other.write_bytes(b"other")
    found = store(tmp_path, VOICEWIRE_TINY_PATH=str(other))
    cached = place(found, "tiny")
    assert found.locate("tiny", own) == own
    assert found.locate("tiny") == other
    assert store(tmp_path).locate("tiny") == cached


def test_a_folder_is_given_as_a_folder(tmp_path: Path) -> None:
    found = store(tmp_path)
    place(found, "pair")
    assert found.locate("pair") == found.folder(found.named("pair"))
    own = tmp_path / "own"
    own.mkdir()
    assert found.locate("pair", own) == own


def test_missing_weights_print_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"missing.*voicewire setup.*VOICEWIRE_TINY_PATH"):
        store(tmp_path).locate("tiny")


@pytest.mark.parametrize(("content", "says"), [(b"short", "bytes instead of"), (b"y" * 1000, "wrong sha256")])
def test_damaged_weights_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    found = store(tmp_path)
    path = place(found, "tiny")
    assert found.locate("tiny") == path
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=rf"damaged.*{says}.*voicewire setup"):
        found.locate("tiny")
    assert found.plan(["tiny"]).missing[0].state is FileState.DAMAGED


def test_a_verified_file_is_not_hashed_again_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = store(tmp_path)
    path = place(found, "tiny")
    hashed: list[Path] = []
    real = weights.sha256_of

    def noted(path: Path) -> str:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(weights, "sha256_of", noted)
    found.locate("tiny")
    found.locate("tiny")
    assert hashed == [path]
    os.utime(path, ns=(1, 1))
    found.locate("tiny")
    found.locate("tiny")
    assert hashed == [path, path]
    assert [result.state for result in found.check(["tiny"])] == [FileState.WHOLE]
    assert len(hashed) == 3


def test_check_reads_every_byte_in_spite_of_the_stamp(tmp_path: Path) -> None:
    found = store(tmp_path)
    path = place(found, "tiny")
    found.locate("tiny")
    status = path.stat()
    path.write_bytes(b"z" * 1000)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert found.locate("tiny") == path, "same size and time: the cheap look is fooled"
    (result,) = found.check(["tiny"])
    assert result.state is FileState.DAMAGED
    assert "wrong sha256" in result.detail


def test_a_read_only_cache_works_without_a_stamp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = store(tmp_path)
    path = place(found, "tiny")

    def refuse(self: Path, data: bytes) -> int:
        raise PermissionError(13, "read-only", str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert found.locate("tiny") == path
    assert not list(path.parent.glob(".verified*"))


@pytest.mark.parametrize("name", ["missing.bin", "empty.bin", "."])
def test_a_wrong_path_of_ones_own_names_its_source(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.bin").touch()
    with pytest.raises(ModelLoadError, match="VOICEWIRE_TINY_PATH"):
        store(tmp_path, VOICEWIRE_TINY_PATH=str(tmp_path / name)).locate("tiny")
    with pytest.raises(ModelLoadError, match="not a folder"):
        store(tmp_path).locate("pair", tmp_path / "empty.bin")


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tiny"):
        store(tmp_path).locate("nobody")


def test_a_plan_tells_sizes_and_counts_a_shared_wheel_once(tmp_path: Path) -> None:
    found = store(tmp_path)
    plan = found.plan()
    assert [item.weights.name for item in plan.missing] == ["tiny", "pair", "twin"]
    assert plan.disk_bytes == 1000 + 700 + 300
    assert len(plan.wheels) == 2
    assert plan.download_bytes == sum(wheel.size_bytes for wheel in plan.wheels)
    for name in ("tiny", "pair", "twin"):
        place(found, name)
    assert found.plan().missing == ()
    assert found.plan().download_bytes == 0


def test_home_follows_the_environment(tmp_path: Path) -> None:
    assert weights.default_home({"VOICEWIRE_HOME": str(tmp_path)}) == tmp_path
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert weights.default_home({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "voicewire"
        assert weights.default_home({}) == Path.home() / ".cache" / "voicewire"


def test_the_catalogue_is_fully_pinned() -> None:
    names = [entry.name for entry in weights.CATALOGUE]
    assert names == [weights.SILERO_VAD, weights.SMART_TURN, weights.WHISPER, weights.SMOLLM2]
    for entry in weights.CATALOGUE:
        assert entry.licence and entry.origin and entry.purpose
        assert len(entry.wheel.sha256) == 64
        assert all(len(file.sha256) == 64 and file.size_bytes > 0 for file in entry.files)
        assert entry.is_folder == (len(entry.files) > 1)
    assert weights.WeightStore().named(weights.SMART_TURN).environment_name == "VOICEWIRE_SMART_TURN_PATH"


def test_the_fixture_wheels_are_what_the_catalogue_says(tmp_path: Path) -> None:
    found = make_wheel_set(tmp_path)
    assert found.sha256 == weights.sha256_of(
        tmp_path / f"{found.distribution}-{found.version}-py3-none-any.whl"
    )
