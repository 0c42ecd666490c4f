"""``serve`` and the devices, as a user meets them."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from types import ModuleType

import pytest
from websockets.sync.client import connect

from tests.faults.leaks import SECRET
from tests.faults.lines import refused
from tests.faults.program import WAIT_S, Program, ran, started
from voicewire.audio.devices import Microphone, Speaker
from voicewire.errors import AudioDeviceError

pytestmark = pytest.mark.loopback


def _listening(program: Program) -> str:
    return program.wait_for_line("listening on ").split()[-1]


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refused("serve", "--model", "echo", "--port", str(port), code=2)
    assert f"port {port}" in line and "in use" in line and "--port" in line


def test_two_servers_want_one_port() -> None:
    with started("serve", "--model", "echo", "--port", "0") as first:
        port = _listening(first).rpartition(":")[2]
        second = ran("serve", "--model", "echo", "--port", port)
        assert second.code == 2 and "in use" in second.error_line()
        first.signal(signal.SIGTERM)
        assert first.end().code == 0


@pytest.mark.parametrize("arguments", [("--port", "70000"), ("--port", "-1"), ("--port", "http")])
def test_a_port_that_is_none(arguments: tuple[str, ...]) -> None:
    ended = ran("serve", "--model", "echo", *arguments)
    assert ended.code == 2
    assert "--port" in ended.errors


@pytest.mark.parametrize("host", ["256.1.1.1", "no.such.host.invalid", "192.0.2.1"])
def test_a_host_that_is_not_ours(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEWIRE_API_KEYS", SECRET)

    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    if host.endswith("invalid"):
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    line = refused("serve", "--model", "echo", "--port", "0", "--host", host, code=2)
    assert host in line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_with_a_client_in_mid_reply(number: signal.Signals) -> None:
    keys = {"VOICEWIRE_API_KEYS": SECRET}
    with started("serve", "--model", "echo", "--port", "0", environment=keys) as program:
        url = _listening(program).replace("http", "ws") + "/v1/realtime?model=echo"
        with connect(url, additional_headers={"Authorization": f"Bearer {SECRET}"}) as client:
            assert json.loads(client.recv(WAIT_S))["type"] == "session.created"
            content = [{"type": "input_text", "text": "speak 1 seconds"}]
            item = {"type": "message", "role": "user", "content": content}
            client.send(json.dumps({"type": "conversation.item.create", "item": item}))
            client.send(json.dumps({"type": "response.create"}))
            while json.loads(client.recv(WAIT_S))["type"] != "response.output_audio.delta":
                pass
            program.signal(number)
            types = [json.loads(frame)["type"] for frame in client]
            assert "response.done" in types, "a reply under way ends before the server does"
            assert client.close_code == 1001
        ended = program.end()
    assert ended.code == 0
    assert "session ended" in ended.error_line(), "one line of the log, and nothing else"


def test_a_key_in_the_query_is_logged_nowhere() -> None:
    keys = {"VOICEWIRE_API_KEYS": SECRET}
    with started("serve", "--model", "echo", "--port", "0", environment=keys) as program:
        url = _listening(program).replace("http", "ws") + f"/v1/realtime?model=echo&api-key={SECRET}"
        with connect(url) as client:
            client.recv(WAIT_S)
        program.signal(signal.SIGTERM)
        assert program.end().code == 0


def test_without_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr("sys.meta_path", [_Failing(), *sys.meta_path])
    line = refused("talk", "-m", "echo", code=1)
    assert "PortAudio" in line and "libportaudio2" in line and "--input FILE" in line


class _Failing:
    """Finds ``sounddevice`` and fails to load it, as where the library of the system is not there."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    line = refused("talk", "-m", "echo", code=1)
    assert "voicewire[devices]" in line and "--input FILE" in line


class _NoDevices(ModuleType):
    """A PortAudio on a machine without any sound hardware."""

    class PortAudioError(Exception):
        pass

    def query_devices(self, device: object = None, kind: str | None = None) -> object:
        if device is None and kind is None:
            return []
        raise self.PortAudioError("Error querying device -1")

    def __getattr__(self, name: str) -> object:
        def refuse(*_: object, **__: object) -> object:
            raise self.PortAudioError("Error querying device -1")

        return refuse


def test_without_a_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", _NoDevices("sounddevice"))
    line = refused("talk", "-m", "echo", code=1)
    assert "--input FILE" in line


def test_without_a_microphone_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", _NoDevices("sounddevice"))

    async def use(device: Microphone | Speaker) -> None:
        async with device:
            pytest.fail("it must not open")

    for device in (Microphone(16_000, 320), Speaker(24_000)):
        with pytest.raises(AudioDeviceError):
            asyncio.run(use(device))
