"""Every model and every capability that it claims: one normal form of events, whoever the provider is."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest

from tests.judges.subjects import SAMPLE_RATE_HZ, WEATHER_TOOL
from voicewire.errors import UnsupportedError
from voicewire.events.session import SessionConfig, Transcription, TurnDetection
from voicewire.models import model_entries
from voicewire.models.linked import LinkedModel
from voicewire.models.model import Capabilities, RealtimeModel
from voicewire.models.script_steps import Step as ScriptStep
from voicewire.testing.clock import ManualClock
from voicewire.transport.frames import Frame

from .claims import claims_of, lacks_of
from .conftest import Place
from .links import with_change
from .models import ROWS, Row
from .normal import check_rules, normal_form
from .refusals import NOTHING_TO_ASK_FOR, REFUSALS
from .results import OUTCOMES, SELECTED
from .scenarios import SCENARIOS, Scenario
from .table import Cell, claims_shown
from .talk import BOUND_S, Talk, run_steps

pytestmark = pytest.mark.anyio

NOWHERE = "ws://127.0.0.1:9"


def capabilities_of(row: Row) -> Capabilities:
    """What a row's model claims."""
    return row.make(NOWHERE).capabilities


def is_for(scenario: Scenario, row: Row) -> bool:
    """Whether the scenario is held with this model."""
    claims = claims_of(capabilities_of(row))
    if row.model == "scripted" and not scenario.script:
        return False
    return (
        row.name not in scenario.not_for
        and any(claim in claims for claim in scenario.claims)
        and all(claim in claims for claim in scenario.needs)
        and not any(claim in claims for claim in scenario.lacks)
    )


def claim_cell(row: Row, scenario: Scenario) -> Cell:
    """The place of a scenario and a model in the table."""
    return Cell("parity-claims", (scenario.name, claims_shown(scenario.claims)), row.name)


def category(row: Row) -> pytest.MarkDecorator:
    """The category of a row's tests."""
    return pytest.mark.engine if row.model == "local" else pytest.mark.loopback


def claim_cells() -> list[Any]:
    """Every model with every scenario that is for it."""
    return [
        pytest.param(
            claim_cell(row, scenario), row, scenario, id=f"{row.name}-{scenario.name}", marks=category(row)
        )
        for row in ROWS
        for scenario in SCENARIOS
        if is_for(scenario, row)
    ]


def lack_cells() -> list[Any]:
    """Every model with every flag that it does not claim."""
    return [
        pytest.param(
            Cell("parity-refusals", (claims_shown([lack]),), row.name),
            row,
            lack,
            id=f"{row.name}-{lack}",
            marks=category(row),
        )
        for row in ROWS
        for lack in lacks_of(capabilities_of(row))
        if lack not in NOTHING_TO_ASK_FOR
    ]


def expected(scenario: Scenario, capabilities: Capabilities) -> tuple[str, ...]:
    """The normal form for a model with these capabilities."""
    if capabilities.emits_partial_transcripts:
        return scenario.expects
    return tuple(
        line.replace("words partial > final", "words final") if line.startswith("user") else line
        for line in scenario.expects
    )


@pytest.mark.parametrize(("cell", "row", "scenario"), claim_cells())
async def test_a_claim_holds(cell: Cell, row: Row, scenario: Scenario, place: Place) -> None:
    need_engine(row)
    capabilities = capabilities_of(row)
    for settings in scenario.settings(capabilities):
        script = [msgspec.convert(step, ScriptStep) for step in scenario.script]
        model = row.make(place.url, script)
        talk = await held(model, row, scenario, place, dict(settings))
        check_rules(talk.events)
        assert normal_form(talk.events) == expected(scenario, capabilities)
        scenario.proof(talk, capabilities)


@pytest.mark.parametrize(("cell", "row", "lack"), lack_cells())
async def test_what_is_not_claimed_is_refused_before_the_wire(
    cell: Cell, row: Row, lack: str, place: Place
) -> None:
    need_engine(row)
    asked = REFUSALS[lack]
    if asked.settings is not None:
        model = row.make(NOWHERE)  # where a connection would fail, in another way
        config = msgspec.structs.replace(defaults_of(model), **asked.settings)
        with pytest.raises(UnsupportedError):
            async with model.open(config=config):
                pytest.fail(f"{row.name} does not claim {lack} and takes {asked.settings}")
        return
    assert asked.command is not None
    written: list[Frame] = []

    def note(frame: Frame) -> Frame:
        written.append(frame)
        return frame

    model = row.make(place.url)
    if isinstance(model, LinkedModel):
        model.set_link(wrap=with_change(note))
    with anyio.fail_after(BOUND_S):
        async with model.open() as connection:
            before = len(written)
            with pytest.raises(UnsupportedError):
                await connection.send(asked.command)
            assert len(written) == before


# ---------------------------------------------------------------------- nothing is claimed without proof


@pytest.mark.unit
def test_every_model_of_the_registry_has_a_row() -> None:
    rows = {row.model.partition(":")[0] for row in ROWS}
    assert {entry.prefix for entry in model_entries() if entry.has_capabilities} == rows


@pytest.mark.unit
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_claim_has_a_scenario(row: Row) -> None:
    proved = {claim for scenario in SCENARIOS if is_for(scenario, row) for claim in scenario.claims}
    assert [claim for claim in claims_of(capabilities_of(row)) if claim not in proved] == []


@pytest.mark.unit
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_lack_has_a_refusal(row: Row) -> None:
    known = REFUSALS.keys() | NOTHING_TO_ASK_FOR
    assert [lack for lack in lacks_of(capabilities_of(row)) if lack not in known] == []


@pytest.mark.unit
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_scenario_is_held_with_somebody(scenario: Scenario) -> None:
    assert any(is_for(scenario, row) for row in ROWS)


@pytest.mark.unit
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_claim_was_proved_in_this_run(row: Row) -> None:
    cells = {claim_cell(row, scenario): scenario for scenario in SCENARIOS if is_for(scenario, row)}
    if not cells.keys() <= SELECTED:
        pytest.skip("this run was asked for a part of the matrix only")
    need_engine(row)
    proved = {
        claim
        for cell, scenario in cells.items()
        if OUTCOMES.get(cell) == "passed"
        for claim in scenario.claims
    }
    assert [claim for claim in claims_of(capabilities_of(row)) if claim not in proved] == []


# ---------------------------------------------------------------------- how a conversation is held


def need_engine(row: Row) -> None:
    """Skips where the embedded engine's files are missing."""
    if row.model == "local":
        from voicewire.engine import weights

        if missing := [item.weights.name for item in weights.plan().missing]:
            pytest.skip(f"the embedded engine has no {', '.join(missing)}; run `voicewire setup`")


async def held(
    model: RealtimeModel, row: Row, scenario: Scenario, place: Place, settings: dict[str, Any]
) -> Talk:
    """Holds the conversation of a scenario."""
    rate_hz = settings.pop("rate_hz", SAMPLE_RATE_HZ)
    clock: ManualClock | None = None
    if scenario.has_clock:
        assert isinstance(model, LinkedModel)
        clock = ManualClock()
        model.set_link(clock=clock)
    config = msgspec.structs.replace(defaults_of(model), **settings) if settings else None
    tools = [WEATHER_TOOL] if scenario.has_tool else None
    witness = place.witness if row.is_remote else None
    async with model.open(config=config, tools=tools) as connection:
        talk = Talk(connection, row.subject, witness, clock, rate_hz, model.capabilities.max_session_s)
        await run_steps(talk, scenario.steps)
    return talk


def defaults_of(model: RealtimeModel) -> SessionConfig:
    """A configuration that the model can do, from which a scenario departs."""
    able = model.capabilities
    return SessionConfig(
        modality="audio" if "audio" in able.output_modalities else "text",
        transcription=Transcription() if able.supports_input_transcription else None,
        turn_detection=TurnDetection() if able.supports_server_vad else None,
        is_transcription_only=not able.output_modalities,
    )
