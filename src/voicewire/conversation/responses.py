"""Which responses are open, and when an asked-for response starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from voicewire.errors import LocalProtocolError
from voicewire.events.commands import CreateResponse


@dataclass(slots=True, eq=False)
class Response:
    """One response that has begun and has no terminal event yet."""

    response_id: str
    generation: int
    is_out_of_band: bool = False
    metadata: dict[str, str] = field(default_factory=dict[str, str])


_R = TypeVar("_R", bound=Response)


class ResponseSequencer(Generic[_R]):
    """At most one active response, out-of-band ones beside it, and exactly one end for each."""

    def __init__(self) -> None:
        self.active: _R | None = None
        self._open: dict[str, _R] = {}

    def begin(self, response: _R) -> None:
        """A response begins.

        Raises:
            LocalProtocolError: One is active already, or the id is in use.
        """
        if response.response_id in self._open:
            raise LocalProtocolError(f"response {response.response_id!r} has begun already; ids are unique")
        if not response.is_out_of_band:
            if self.active is not None:
                raise LocalProtocolError(
                    f"response {response.response_id!r} cannot begin while {self.active.response_id!r} is active"
                )
            self.active = response
        self._open[response.response_id] = response

    def get(self, response_id: str) -> _R | None:
        """The open response of this id; None when it never began or is over."""
        return self._open.get(response_id)

    def finish(self, response_id: str) -> _R | None:
        """A response ends; None when it is not open, so that a second end changes nothing."""
        response = self._open.pop(response_id, None)
        if response is not None and response is self.active:
            self.active = None
        return response

    @property
    def open(self) -> tuple[_R, ...]:
        """All open responses, oldest first."""
        return tuple(self._open.values())

    def verify(self) -> None:
        """Asserts that at most one open response is not out of band, and that it is the active one (invariant 1)."""
        assert [r for r in self._open.values() if not r.is_out_of_band] == (
            [self.active] if self.active else []
        )


class AskRule:
    """When an asked-for response starts: the rule for ``respond`` and ``CreateResponse``.

    *Asking commands* are ``SendText``, ``SendImage``, ``CommitAudio`` and ``SendToolResult`` with ``respond=True``,
    once they were accepted. The end of a turn found by a detector asks too, when ``create_response`` is set.

    1. With no response active, asking starts one at once.
    2. With one active, the ask waits. All asks that wait are one: a single response starts when the active one has
       ended and no turn of the user is open (an interruption leaves the ask to the end of that turn).
    3. ``SendToolResult`` asks only when no other call of its response is open.
    4. A plain ``CreateResponse()`` (nothing set but ``command_id``) that directly follows an asking command, with
       nothing but ``AppendAudio`` between, means the same response and is absorbed, once; unless the consumer has
       seen that response end. After a tool result that still waits for others it is absorbed too, and the response
       then follows the last result even if that one says ``respond=False``.
    5. Any other ``CreateResponse`` starts at once, or is refused with
       ``conversation_already_has_active_response`` while one is active. One that starts takes waiting asks with it.
    6. Out-of-band responses always start at once and touch none of this.
    7. A session that only transcribes never responds: asks are dropped, ``CreateResponse`` is refused.
    """

    def __init__(self) -> None:
        self.is_waiting = False
        """Whether an ask waits for the active response to end."""
        self.is_owed = False
        """Whether a response was promised for the time when all tool results are in."""
        self._absorbs = False
        self._asked_response_id: str | None = None

    def asked(self) -> None:
        """An asking command was accepted; what it asked for has not started yet."""
        self._absorbs = True
        self._asked_response_id = None

    def waits(self) -> None:
        """The ask cannot start yet."""
        self.is_waiting = True

    def started(self, response_id: str) -> None:
        """A response of the conversation started; it answers all asks so far."""
        self.is_waiting = False
        self.is_owed = False
        if self._absorbs and self._asked_response_id is None:
            self._asked_response_id = response_id

    def other_command(self) -> None:
        """A command came that is neither ``AppendAudio`` nor a plain ``CreateResponse`` to absorb."""
        self._absorbs = False

    def seen(self, response_id: str) -> None:
        """The consumer has taken the terminal event of a response."""
        if response_id == self._asked_response_id:
            self._absorbs = False

    def absorb(self, command: CreateResponse) -> bool:
        """Whether this command means the response that was just asked for; if so it is used up."""
        if not self._absorbs or not is_plain(command):
            return False
        self._absorbs = False
        if self._asked_response_id is None and not self.is_waiting:
            self.is_owed = True
        return True


def is_plain(command: CreateResponse) -> bool:
    """Whether nothing is set but the command's id."""
    return command == CreateResponse(command_id=command.command_id)
