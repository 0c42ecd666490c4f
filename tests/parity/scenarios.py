"""The scenarios: data. Each says which claims it proves, what the application does, and what must have happened.

``expects`` is the normal form (see `normal`) and the same for every model. In it the user's partial words are left out
for models that do not claim them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.judges.subjects import WEATHER_RESULT
from voicewire.events import model as m
from voicewire.events.commands import (
    CancelResponse,
    CommitAudio,
    CreateItem,
    CreateResponse,
    DeleteItem,
    RetrieveItem,
    SendImage,
    SendToolResult,
    TruncateItem,
)
from voicewire.events.items import ContentPart, Item
from voicewire.events.session import Transcription, TurnDetection
from voicewire.models.model import Capabilities

from . import proofs
from .talk import LetPass, OnServer, Say, Send, Speak, Step, Talk, Until

Script = tuple[Mapping[str, Any], ...]
Proof = Callable[[Talk, Capabilities], None]
Settings = Mapping[str, Any]
"""Changes of ``SessionConfig``; ``rate_hz`` is the rate of the audio that is sent."""

ONE_PIXEL = "/9j/4AAQSkZJRgABAQ=="
"""The beginning of a JPEG."""


def _as_it_is(capabilities: Capabilities) -> Sequence[Settings]:
    return ({},)


def _settings(**changes: Any) -> Callable[[Capabilities], Sequence[Settings]]:
    return lambda capabilities: (changes,)


def _rates(capabilities: Capabilities) -> Sequence[Settings]:
    rates = [*capabilities.input_rates_hz[:3], 44100]
    return [{"turn_detection": None, "rate_hz": rate_hz} for rate_hz in rates]


def _voices(capabilities: Capabilities) -> Sequence[Settings]:
    found = (
        capabilities.voices
        if len(capabilities.voices) <= 12
        else (capabilities.voices[0], capabilities.voices[-1])
    )
    return [{"voice": voice} for voice in found]


OPTIONS: Mapping[str, Any] = {
    "animation": {"outputs": ["viseme_id"]},
    "input_audio_echo_cancellation": {"type": "server_echo_cancellation"},
    "input_audio_sampling_rate": 24000,
    "interim_response": {"type": "static_interim_response", "texts": ["One moment."]},
    "metadata": {"topic": "parity"},
    "output_audio_timestamp_types": ["word"],
    "reasoning_effort": "low",
    "truncation_strategy": {"type": "auto"},
}
"""A value for each setting of ``SessionConfig.extra`` that some model claims."""
TURN_KINDS = ("azure_semantic_vad", "azure_semantic_vad_en", "azure_semantic_vad_multilingual", "smart_turn")
"""Kinds of turn detection that some model claims."""


def _options(capabilities: Capabilities) -> Sequence[Settings]:
    extras = [{"extra": {name: value}} for name, value in OPTIONS.items() if name in capabilities.options]
    kinds = [
        {"turn_detection": TurnDetection(kind=kind)} for kind in TURN_KINDS if kind in capabilities.options
    ]
    return [*extras, *kinds]


def _languages(capabilities: Capabilities) -> Sequence[Settings]:
    return [{"transcription": Transcription(language=code)} for code in capabilities.languages]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One conversation."""

    name: str
    claims: tuple[str, ...]
    """It is held with every model that makes one of these claims, and proves those that the model makes."""
    steps: tuple[Step, ...]
    expects: tuple[str, ...]
    settings: Callable[[Capabilities], Sequence[Settings]] = _as_it_is
    """The conversation is held once with each of these."""
    proof: Proof = proofs.nothing
    """What else must be so."""
    has_tool: bool = False
    has_clock: bool = False
    """Whether the test moves the time."""
    script: Script = ()
    """What ``scripted`` plays; without it the scenario is not for that model."""
    not_for: frozenset[str] = frozenset()
    """Models that claim it and cannot be asked for it here, such as a failure on demand."""
    needs: tuple[str, ...] = ()
    """Claims that the way to the proof takes; models without them have another scenario for it."""
    lacks: tuple[str, ...] = ()
    """Claims of models that have another scenario for it."""


# ---------------------------------------------------------------------- what happens

TEXT_ITEM = "user: item user added > done"
SPOKEN_TURN = "user: turn began > ended > committed, item user added > done, words partial > final"
COMMITTED_TURN = "user: turn committed, item user added > done, words partial > final"
UNHEARD_TURN = "user: turn began > ended > committed, item user added > done"
_ANSWER = "item assistant added > done"
SPOKEN_REPLY = f"agent: response began > completed, {_ANSWER}, words partial > final, audio sound > done"
SOUND_ALONE = "agent: response began > completed, item assistant added > done, audio sound > done"
WRITTEN_REPLY = "agent: response began > completed, item assistant added > done, text partial > final"
CALL = "agent: response began > completed, item call added > done, call partial > get_weather"
RESULT = "result: item result added > done"
CUT_REPLY = (
    "agent: response began > cancelled ({}), item assistant added > incomplete, words partial > final, "
    "audio sound > done"
)

USAGE = {"input_text_tokens": 11, "output_text_tokens": 21, "output_audio_tokens": 5}
HEARD_USAGE = {"input_audio_tokens": 13, "output_text_tokens": 24, "output_audio_tokens": 13}
_FINISH: Script = ({"finish": "completed", "usage": USAGE},)
PLAY_TEXT: Script = (
    {"expect": "response"},
    {"say": "You said: "},
    {"say": "Hello there", "audio_ms": 420},
    *_FINISH,
)
PLAY_HEARING: Script = (
    {"expect": "AppendAudio"},
    {"speech_started_ms": 0},
    {"speech_stopped_ms": 1300},
    {"end_turn": True},
    {"partial": "[audio"},
    {"transcript": "[audio 1300 ms]"},
)
PLAY_HEARD_REPLY: Script = (
    {"expect": "response"},
    {"say": "You sent 1300 ms of audio", "audio_ms": 500},
    {"finish": "completed", "usage": HEARD_USAGE},
)
PLAY_COMMITTED: Script = (
    {"expect": "CommitAudio"},
    {"partial": "[audio"},
    {"transcript": "[audio 1000 ms]"},
    *PLAY_HEARD_REPLY,
)
PLAY_LONG: Script = (
    {"expect": "response"},
    {"say": "A long story", "audio_ms": 100},
    {"audio_ms": 4000},
)

DONE = m.ModelResponseDoneEvent

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        name="a text turn is answered with speech",
        claims=("input_modalities:text", "output_modalities:audio", "output_rate_hz"),
        needs=("input_modalities:text", "input_modalities:audio"),
        steps=(Say("text_prompt"), Until(DONE)),
        expects=(TEXT_ITEM, SPOKEN_REPLY),
        proof=proofs.spoken_answer,
        script=PLAY_TEXT,
    ),
    Scenario(
        name="a text turn is answered with text",
        claims=("output_modalities:text",),
        settings=_settings(modality="text"),
        steps=(Say("text_prompt"), Until(DONE)),
        expects=(TEXT_ITEM, WRITTEN_REPLY),
        proof=proofs.written_answer,
        script=({"expect": "response"}, {"say": "You said: "}, {"say": "Hello there"}, *_FINISH),
    ),
    Scenario(
        name="a spoken turn that the detector ends",
        claims=(
            "input_modalities:audio",
            "supports_server_vad",
            "supports_input_transcription",
            "emits_partial_transcripts",
        ),
        needs=("output_modalities:audio",),
        steps=(Speak(), Until(DONE)),
        expects=(SPOKEN_TURN, SPOKEN_REPLY),
        proof=proofs.heard_and_answered,
        script=(*PLAY_HEARING, *PLAY_HEARD_REPLY),
    ),
    Scenario(
        name="a spoken turn without a transcript",
        claims=("supports_input_transcription",),
        needs=("output_modalities:audio",),
        settings=_settings(transcription=None),
        steps=(Speak(), Until(DONE)),
        expects=(UNHEARD_TURN, SPOKEN_REPLY),
        script=(*PLAY_HEARING[:4], *PLAY_HEARD_REPLY),
    ),
    Scenario(
        name="a spoken turn that the sense ends",
        claims=("supports_semantic_vad",),
        settings=_settings(turn_detection=TurnDetection(kind="semantic_vad")),
        steps=(Speak(), Until(DONE)),
        expects=(SPOKEN_TURN, SPOKEN_REPLY),
        proof=proofs.turn_kind,
        script=(*PLAY_HEARING, *PLAY_HEARD_REPLY),
    ),
    Scenario(
        name="a spoken turn that the application ends",
        claims=("supports_manual_turns",),
        needs=("input_modalities:audio", "output_modalities:audio"),
        settings=_settings(turn_detection=None),
        steps=(Speak(has_pause=False), Send(lambda talk: CommitAudio()), Until(DONE)),
        expects=(COMMITTED_TURN, SPOKEN_REPLY),
        proof=proofs.heard_and_answered,
        script=PLAY_COMMITTED,
    ),
    Scenario(
        name="audio of several rates",
        claims=("input_rates_hz",),
        needs=("input_modalities:audio", "output_modalities:audio"),
        settings=_rates,
        steps=(Speak(has_pause=False), Send(lambda talk: CommitAudio()), Until(DONE)),
        expects=(COMMITTED_TURN, SPOKEN_REPLY),
        proof=proofs.heard_all,
        script=PLAY_COMMITTED,
    ),
    Scenario(
        name="the user speaks while the agent does",
        claims=("supports_server_vad",),
        needs=("input_modalities:audio", "output_modalities:audio"),
        steps=(Say("long_prompt"), Until(m.ModelResponseAudioDeltaEvent), Speak(), Until(DONE, 2)),
        expects=(TEXT_ITEM, CUT_REPLY.format("turn_detected"), SPOKEN_TURN, SPOKEN_REPLY),
        script=(*PLAY_LONG, *PLAY_HEARING, *PLAY_HEARD_REPLY),
    ),
    Scenario(
        name="the application stops the agent",
        claims=("output_modalities:audio",),
        needs=("input_modalities:audio",),
        steps=(
            Say("long_prompt"),
            Until(m.ModelResponseAudioDeltaEvent),
            Send(lambda talk: CancelResponse()),
            Until(DONE),
            Say("text_prompt"),
            Until(DONE, 2),
        ),
        expects=(TEXT_ITEM, CUT_REPLY.format("client_cancelled"), TEXT_ITEM, SPOKEN_REPLY),
        script=(*PLAY_LONG, {"expect": "CancelResponse"}, *PLAY_TEXT),
    ),
    Scenario(
        name="a response that fails",
        claims=("output_modalities:audio",),
        needs=("input_modalities:audio",),
        steps=(Say("fail rate_limited"), Until(DONE), Say("text_prompt"), Until(DONE, 2)),
        expects=(
            TEXT_ITEM,
            "agent: response began > failed (rate_limited)",
            TEXT_ITEM,
            SPOKEN_REPLY,
        ),
        script=({"expect": "response"}, {"fail": "rate_limited", "message": "slowly"}, *PLAY_TEXT),
        not_for=frozenset({"local"}),
    ),
    Scenario(
        name="an image beside a text",
        claims=("input_modalities:image",),
        steps=(Send(lambda talk: SendImage(ONE_PIXEL)), Say("text_prompt"), Until(DONE)),
        expects=(TEXT_ITEM, TEXT_ITEM, SPOKEN_REPLY),
        proof=proofs.saw_an_image,
        script=(
            *PLAY_TEXT[:-1],
            {"finish": "completed", "usage": {**USAGE, "input_image_tokens": 1}},
        ),
    ),
    Scenario(
        name="a function call and its result",
        claims=("supports_tools",),
        has_tool=True,
        steps=(
            Say("tool_prompt"),
            Until(DONE),
            Send(lambda talk: SendToolResult(talk.call_id, WEATHER_RESULT)),
            Until(DONE, 2),
        ),
        expects=(TEXT_ITEM, CALL, RESULT, SPOKEN_REPLY),
        proof=proofs.called_for_paris,
        script=(
            {"expect": "response"},
            {"call": "get_weather", "arguments": {"city": "Paris"}},
            *_FINISH,
            {"expect": "response"},
            {"say": f"get_weather returned: {WEATHER_RESULT}", "audio_ms": 500},
            *_FINISH,
        ),
    ),
    Scenario(
        name="an answer is cut to what was heard",
        claims=("supports_truncation",),
        steps=(
            Say("long_prompt"),
            Until(m.ModelResponseAudioDeltaEvent, 2),
            Send(lambda talk: CancelResponse()),
            Until(DONE),
            Send(lambda talk: TruncateItem(talk.agent_item_id, 20)),
            Until(m.ModelItemTruncatedEvent),
        ),
        expects=(TEXT_ITEM, CUT_REPLY.format("client_cancelled"), "history: item truncated"),
        script=(*PLAY_LONG, {"expect": "TruncateItem"}),
    ),
    Scenario(
        name="an answer is removed of which nothing was heard",
        claims=("supports_truncation",),
        steps=(
            Say("long_prompt"),
            Until(m.ModelResponseAudioDeltaEvent),
            Send(lambda talk: CancelResponse()),
            Send(lambda talk: TruncateItem(talk.agent_item_id, 0)),
            Until(m.ModelItemTruncatedEvent),
            Say("text_prompt"),
            Until(DONE, 2),
        ),
        expects=(
            TEXT_ITEM,
            CUT_REPLY.format("client_cancelled"),
            "history: item truncated",
            TEXT_ITEM,
            SPOKEN_REPLY,
        ),
    ),
    Scenario(
        name="a response beside the conversation",
        claims=("supports_out_of_band",),
        steps=(
            Send(
                lambda talk: CreateResponse(
                    is_out_of_band=True,
                    metadata={"topic": "aside"},
                    input_items=(
                        Item(
                            id="",
                            role="user",
                            content=(ContentPart(kind="text", text=talk.subject.text_prompt),),
                        ),
                    ),
                )
            ),
            Until(DONE),
        ),
        expects=(
            "agent: response began out of band > completed, item assistant added > done, words partial > final, "
            "audio sound > done",
        ),
        proof=proofs.metadata_came_back,
        script=PLAY_TEXT,
    ),
    Scenario(
        name="items are added, asked for and removed",
        claims=("supports_item_editing",),
        steps=(
            Send(lambda talk: CreateItem(item=_note("item_first", "one"))),
            Send(lambda talk: CreateItem(item=_note("item_zero", "zero"), previous_item_id="root")),
            Until(m.ModelItemDoneEvent, 2),
            Send(lambda talk: RetrieveItem("item_first")),
            Until(m.ModelItemRetrievedEvent),
            Send(lambda talk: DeleteItem("item_first")),
            Until(m.ModelItemDeletedEvent),
        ),
        expects=(TEXT_ITEM, TEXT_ITEM, "history: item user retrieved", "history: item deleted"),
        proof=proofs.items_in_place,
        script=({"expect": "DeleteItem"},),
    ),
    Scenario(
        name="the model speaks again by itself",
        claims=("supports_idle_timeout",),
        settings=_settings(turn_detection=TurnDetection(idle_timeout_ms=6000)),
        steps=(
            Say("text_prompt"),
            Until(DONE),
            OnServer(lambda talk: CreateResponse()),
            Until(DONE, 2),
        ),
        expects=(TEXT_ITEM, SPOKEN_REPLY, SPOKEN_REPLY),
        proof=proofs.idle_timeout,
    ),
    Scenario(
        name="voices by name",
        claims=("voices",),
        settings=_voices,
        steps=(Say("text_prompt"), Until(DONE)),
        expects=(TEXT_ITEM, SPOKEN_REPLY),
        proof=proofs.voice,
    ),
    Scenario(
        name="the language of the user",
        claims=("languages",),
        settings=_languages,
        steps=(Speak(), Until(DONE)),
        expects=(SPOKEN_TURN, SPOKEN_REPLY),
        proof=proofs.heard_and_answered,
    ),
    Scenario(
        name="the same again",
        claims=("is_deterministic",),
        settings=lambda capabilities: ({}, {}),
        steps=(Say("text_prompt"), Until(DONE)),
        expects=(TEXT_ITEM, SPOKEN_REPLY),
        proof=proofs.exact_answer,
        script=PLAY_TEXT,
    ),
    Scenario(
        name="what is said is written down, and no more",
        claims=(
            "input_modalities:audio",
            "supports_server_vad",
            "supports_input_transcription",
            "emits_partial_transcripts",
        ),
        lacks=("output_modalities:audio",),
        steps=(Speak(), Until(m.ModelInputTranscriptionDoneEvent)),
        expects=(SPOKEN_TURN,),
        proof=proofs.heard,
    ),
    Scenario(
        name="what is said up to a commit is written down",
        claims=("supports_manual_turns", "input_rates_hz"),
        lacks=("output_modalities:audio",),
        settings=_rates,
        steps=(
            Speak(has_pause=False),
            Send(lambda talk: CommitAudio(respond=False)),
            Until(m.ModelInputTranscriptionDoneEvent),
        ),
        expects=(COMMITTED_TURN,),
        proof=proofs.heard,
    ),
    Scenario(
        name="what is written is said, and no more",
        claims=("input_modalities:text", "output_modalities:audio", "output_rate_hz"),
        lacks=("input_modalities:audio",),
        steps=(Say("text_prompt"), Until(DONE), Say("text_prompt"), Until(DONE, 2)),
        expects=(SOUND_ALONE, SOUND_ALONE),
        proof=proofs.sound,
    ),
    Scenario(
        name="what only one service has",
        claims=tuple(f"options:{name}" for name in (*OPTIONS, *TURN_KINDS)),
        settings=_options,
        steps=(Speak(), Until(DONE)),
        expects=(SPOKEN_TURN, SPOKEN_REPLY),
        proof=proofs.options_arrived,
    ),
    Scenario(
        name="a session longer than a connection",
        claims=("max_session_s",),
        has_clock=True,
        steps=(
            Say("text_prompt"),
            Until(DONE),
            LetPass(left_s=30),
            Until(m.WebsocketConnectEvent),
            Say("text_prompt"),
            Until(DONE, 2),
        ),
        expects=(TEXT_ITEM, SPOKEN_REPLY, TEXT_ITEM, SPOKEN_REPLY),
        proof=proofs.planned_change,
    ),
)


def _note(item_id: str, text: str) -> Item:
    return Item(id=item_id, role="user", content=(ContentPart(kind="text", text=text),))
