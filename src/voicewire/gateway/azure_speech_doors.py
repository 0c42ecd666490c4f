"""The Azure Speech doors: the official Speech SDK's recognisers and synthesizers talk to any served model."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from voicewire.audio.g711 import decode as decode_g711
from voicewire.audio.g711 import encode as encode_g711
from voicewire.errors import RemoteProtocolError, VoicewireError
from voicewire.gateway.dialects import query_of
from voicewire.gateway.doors import Door, House
from voicewire.gateway.line import GOING_AWAY, POLICY
from voicewire.gateway.observe import new_session_id
from voicewire.gateway.socket import ClientGone, ClientSocket, Scope
from voicewire.gateway.speech_line import SpeechLine, SpeechTurn, Trouble
from voicewire.models.model import RealtimeModel
from voicewire.protocols.azure_speech.server import RecognitionServerCodec, SynthesisServerCodec
from voicewire.protocols.azure_speech.wire import (
    AudioBegins,
    AudioData,
    AudioEnds,
    Phrase,
    Query,
    RecognitionTurn,
    SpeakTurn,
    SpeechRequest,
    TextEnds,
    TextPiece,
)
from voicewire.protocols.codec import Frame
from voicewire.speech.asr import AsrClient
from voicewire.speech.results import RecognitionEvent, SynthesizedAudio, WordBoundary
from voicewire.speech.served import recogniser_of, voice_of
from voicewire.speech.ssml import read_ssml
from voicewire.speech.tts import TtsClient

RECOGNITION_PATHS: Final = (
    "/speech/recognition/{mode}/cognitiveservices/v1",
    "/speech/universal/v2",
    "/stt/speech/universal/v2",
)
SYNTHESIS_PATHS: Final = (
    "/cognitiveservices/websocket/v1",
    "/cognitiveservices/websocket/v2",
    "/tts/cognitiveservices/websocket/v1",
    "/tts/cognitiveservices/websocket/v2",
)
VOICE_LIST_PATHS: Final = ("/cognitiveservices/voices/list", "/tts/cognitiveservices/voices/list")
_DATA_ERROR: Final = 1007
"""The SDK's ``BadRequest``; it does not try again."""
_TOO_MANY: Final = 4429
"""The SDK's ``TooManyRequests``; it does not try again."""
_OVER: Final = 4000
"""The SDK's ``ConnectionFailure``; it does not try again, which it would after 1000, 1001 and 1008."""
_MESSAGE_FAULTS: Final = frozenset({"message_too_large", "invalid_json"})
_DEFAULT_INITIAL_SILENCE_MS: Final = 5000


class AzureRecognitionDoor(Door):
    """Azure Speech's recognition addresses."""

    name = "azure-speech"

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one client of this wire."""
        socket.visit.session_id = new_session_id()
        try:
            await socket.accept(None)
        except ClientGone:
            return
        values = query_of(scope)
        # A custom model's id (``cid``) may name a served model.
        model = self.model_for(socket, values.get("cid", ""))
        caller = RecognitionCaller(SpeechLine(self, socket, AzureWire()), model, Query(scope["path"], values))
        await caller.line.serve(caller.talk)


class AzureSynthesisDoor(Door):
    """Azure Speech's synthesis addresses."""

    name = "azure-speech-voice"

    async def serve(self, socket: ClientSocket, scope: Scope) -> None:
        """Serves one client of this wire."""
        socket.visit.session_id = new_session_id()
        try:
            await socket.accept(None)
        except ClientGone:
            return
        model = self.model_for(socket, query_of(scope).get("deploymentId", ""))
        caller = SynthesisCaller(SpeechLine(self, socket, AzureWire()), model)
        await caller.line.serve(caller.talk)


class AzureWire:
    """The end as this wire tells it: by the close code, with the reason in words; the SDK reads both."""

    def farewell(self, trouble: Trouble) -> tuple[list[Frame], int]:
        """No frames, and the code that says whose fault it was."""
        if trouble.error is not None:
            is_clients = isinstance(trouble.error, RemoteProtocolError)
            return [], _DATA_ERROR if is_clients else trouble.close_code
        if trouble.code in _MESSAGE_FAULTS:
            return [], _DATA_ERROR
        if trouble.cause == "drain":
            return [], trouble.close_code  # the SDK connects again, to a server that stays
        return [], {POLICY: _TOO_MANY, GOING_AWAY: _OVER}.get(trouble.close_code, trouble.close_code)


class RecognitionCaller:
    """One client's turns of recognition.

    Args:
        line: The client's socket.
        model: What recognises.
        query: The connection's address.
    """

    def __init__(self, line: SpeechLine, model: RealtimeModel, query: Query) -> None:
        self.line = line
        self._model = model
        self._codec = RecognitionServerCodec(query)
        self._task: SpeechTurn | None = None
        self._turn: RecognitionTurn | None = None
        self._client: AsrClient[Any] | None = None
        self._begins = AudioBegins(sample_rate_hz=16000, channels=1, encoding="pcm16")
        self._phrases = 0

    async def talk(self) -> None:
        """Takes frames until the client leaves."""
        self.line.use(self._model)
        while (frame := await self.line.receive(None)) is not None:
            for request in self._codec.receive(frame):
                await self._obey(request)

    async def _obey(self, request: SpeechRequest) -> None:
        match request:
            case RecognitionTurn():
                await self._end_client()
                self._turn, self._phrases = request, 0
                await self.line.send([self._codec.turn_started()])
            case AudioBegins():
                self._begins = request
                await self._begin()
            case AudioData(data):
                await self._hear(data)
            case AudioEnds():
                await self._stop()
            case _:
                return

    async def _begin(self) -> None:
        turn = self._turn
        if turn is None:
            return
        await self._end_client()
        client = recogniser_of(
            self._model,
            sample_rate_hz=self._begins.sample_rate_hz,
            language=turn.language or None,
            silence_ms=turn.end_silence_ms,
        )
        client.config = client.config.model_copy(update={"nb_channels": self._begins.channels})
        self._client = await self.line.opened(client)
        self._task = task = self.line.turn()
        self.line.run(lambda: self._relay(client, turn, task))

    async def _hear(self, data: bytes) -> None:
        client, turn = self._client, self._turn
        if client is None or turn is None:
            return
        begins = self._begins
        pcm16 = decode_g711(data, "pcmu") if begins.encoding == "pcmu" else data
        self.line.heard_audio(len(pcm16) / 2 / begins.channels / begins.sample_rate_hz)
        await client.send(pcm16)
        limit_ms = turn.initial_silence_ms or _DEFAULT_INITIAL_SILENCE_MS
        if turn.mode == "interactive" and not self._phrases and self._codec.heard_ms > limit_ms + 10_000:
            await self._stop()

    async def _stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            if self._task is not None:
                self._task.all_heard()
            await client.finish()
        elif self._turn is not None:
            await self.line.send(self._codec.turn_ended())

    async def _end_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await self.line.close(client)

    async def _relay(self, client: AsrClient[Any], turn: RecognitionTurn, task: SpeechTurn) -> None:
        """Reports one turn's words to its end."""
        try:
            async for event in client:
                if not isinstance(event, RecognitionEvent) or not event.text or turn is not self._turn:
                    continue
                if turn.mode == "interactive" and self._phrases:
                    continue  # one utterance is all that was asked for
                self._phrases += event.is_final
                if event.is_final:
                    task.recognised(event.text)
                await self.line.send(self._codec.phrase(_phrase(event)))
            if turn is self._turn:
                nothing = turn.mode == "interactive" and not self._phrases
                frames = self._codec.nothing_heard() if nothing else []
                task.done()
                await self.line.send([*frames, *self._codec.turn_ended()])
            else:
                task.done("cancelled", "new_turn")
        except VoicewireError as error:
            task.done("failed")
            self.line.fail_by(error)
        finally:
            task.settle()
        await self.line.close(client)


class SynthesisCaller:
    """One client's requests of synthesis.

    Args:
        line: The client's socket.
        model: What speaks.
    """

    def __init__(self, line: SpeechLine, model: RealtimeModel) -> None:
        self.line = line
        self._model = model
        self._codec = SynthesisServerCodec()
        self._task: SpeechTurn | None = None
        self._client: TtsClient[Any] | None = None

    async def talk(self) -> None:
        """Takes frames until the client leaves."""
        self.line.use(self._model)
        while (frame := await self.line.receive(None)) is not None:
            for request in self._codec.receive(frame):
                await self._obey(request)

    async def _obey(self, request: SpeechRequest) -> None:
        match request:
            case SpeakTurn():
                await self._begin(request)
            case TextPiece(text):
                if self._client is not None:
                    await self._say(self._client, text)
            case TextEnds():
                if self._client is not None:
                    await self._client.finish()
            case _:
                return

    async def _say(self, client: TtsClient[Any], text: str) -> None:
        if self._task is not None:
            self._task.asked(text)
        await client.send(text)

    async def _begin(self, turn: SpeakTurn) -> None:
        spoken = read_ssml(turn.ssml)
        client = voice_of(
            self._model,
            sample_rate_hz=turn.output.sample_rate_hz,
            format=turn.output.format,
            voice=spoken.voice or turn.voice or None,
            speech_rate=spoken.rate,
        )
        self._client = await self.line.opened(client)
        self._task = task = self.line.turn()
        await self.line.send(self._codec.turn_started())
        self.line.run(lambda: self._relay(client, turn, task))
        if not turn.is_streaming:
            await self._say(client, spoken.text)
            await client.finish()

    async def _relay(self, client: TtsClient[Any], turn: SpeakTurn, task: SpeechTurn) -> None:
        """Reports one request's audio to its end."""
        end_ms = 0
        output = turn.output
        try:
            async for event in client:
                match event:
                    case SynthesizedAudio(data=data):
                        if output.encoding != "pcm16":
                            data = encode_g711(data, output.encoding)
                        await self.line.send([self._codec.audio(data)])
                        media_type = output.content_type or "audio/pcm"
                        task.said(data, media_type, output.sample_rate_hz, client.spoken_s)
                    case WordBoundary() if turn.wants_words:
                        end_ms = event.end_ms
                        await self.line.send([self._codec.word(event.text, event.start_ms, event.end_ms)])
                    case _:
                        continue
            task.done()
            await self.line.send(self._codec.turn_ended(end_ms))
        except VoicewireError as error:
            # A text that cannot be said: another attempt would not say it either.
            task.done("failed")
            self.line.fail_by(error, _DATA_ERROR)
        finally:
            task.settle()
        await self.line.close(client)


def azure_speech_doors(app: FastAPI, house: House) -> dict[str, Door]:
    """The doors by their paths; adds the pages that list the voices, as the SDK reads them, to the application."""

    async def voices(request: Request) -> Response:
        if refused := house.refusal(request.scope):
            status, code, message = refused
            return JSONResponse({"error": {"code": code, "message": message}}, status_code=status)
        names = dict.fromkeys(
            name for model in house.models for name in model.capabilities.voices or (model.name,)
        )
        return JSONResponse([_voice(name) for name in names])

    for path in VOICE_LIST_PATHS:
        app.add_api_route(path, voices, response_model=None)
    return {
        **dict.fromkeys(RECOGNITION_PATHS, AzureRecognitionDoor(house)),
        **dict.fromkeys(SYNTHESIS_PATHS, AzureSynthesisDoor(house)),
    }


def _voice(name: str) -> dict[str, str]:
    return {
        "Name": name,
        "DisplayName": name,
        "LocalName": name,
        "ShortName": name,
        "Gender": "Female",
        "Locale": "en-US",
        "SampleRateHertz": "24000",
        "VoiceType": "Neural",
        "Status": "GA",
    }


def _phrase(event: RecognitionEvent) -> Phrase:
    return Phrase(
        text=event.text,
        start_ms=event.start_ms,
        end_ms=event.end_ms,
        is_final=event.is_final,
        confidence=event.confidence,
        speaker=event.speaker,
        words=tuple((word.text, word.start_ms, word.end_ms) for word in event.words),
    )
