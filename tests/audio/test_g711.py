from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.audio import g711
from voicewire.audio.pcm import int16_to_pcm16, pcm16_to_int16
from voicewire.errors import AudioError

pytestmark = pytest.mark.unit

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    audioop = pytest.importorskip("audioop", reason="the standard library's audioop ended with Python 3.12")

EVERY_VALUE = int16_to_pcm16(np.arange(-32768, 32768).astype(np.int16))
EVERY_CODE = bytes(range(256))


def test_mu_law_encodes_every_value_as_audioop_does() -> None:
    assert g711.encode(EVERY_VALUE, "pcmu") == audioop.lin2ulaw(EVERY_VALUE, 2)


def test_a_law_encodes_every_value_as_audioop_does() -> None:
    assert g711.encode(EVERY_VALUE, "pcma") == audioop.lin2alaw(EVERY_VALUE, 2)


def test_mu_law_decodes_every_code_as_audioop_does() -> None:
    assert g711.decode(EVERY_CODE, "pcmu") == audioop.ulaw2lin(EVERY_CODE, 2)


def test_a_law_decodes_every_code_as_audioop_does() -> None:
    assert g711.decode(EVERY_CODE, "pcma") == audioop.alaw2lin(EVERY_CODE, 2)


def test_landmarks_of_the_standard() -> None:
    # ITU-T G.711: the quietest and loudest codes of each law, decoded to 16 bits.
    assert pcm16_to_int16(g711.decode(b"\xff\x7f\x80\x00", "pcmu")).tolist() == [0, 0, 32124, -32124]
    assert pcm16_to_int16(g711.decode(b"\xd5\x55\xaa\x2a", "pcma")).tolist() == [8, -8, 32256, -32256]


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_decoded_codes_encode_to_themselves(law: g711.Law) -> None:
    expected = EVERY_CODE.replace(b"\x7f", b"\xff") if law == "pcmu" else EVERY_CODE  # mu-law has two zeros
    assert g711.encode(g711.decode(EVERY_CODE, law), law) == expected


@given(st.lists(st.integers(-32768, 32767)), st.sampled_from(["pcmu", "pcma"]))
def test_error_is_a_small_part_of_the_signal(values: list[int], law: g711.Law) -> None:
    decoded = pcm16_to_int16(g711.decode(g711.encode(int16_to_pcm16(np.array(values, np.int16)), law), law))
    assert len(decoded) == len(values)
    for value, back in zip(values, decoded.tolist(), strict=True):
        assert abs(value - back) <= max(16, abs(value) / 16, abs(value) - 32124)


def test_unknown_law_and_odd_bytes() -> None:
    with pytest.raises(AudioError, match="'opus'"):
        g711.encode(b"", "opus")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(AudioError, match="'opus'"):
        g711.decode(b"", "opus")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(AudioError, match="3 bytes"):
        g711.encode(b"abc", "pcmu")
