"""Scenario files: a laser, people's acts and faults on one time line, in TOML, checked before it begins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controller.plans import parse_plan
from controller.tomlfile import Lines, Problem, Table, TomlError, load, problems_of, read
from protocols.messages import Handpiece
from rig.laser import warm_up
from rig.script import FORMAT, HOST_EVENTS, OWN_FIELDS, Happening, Operator, Script, Start
from sim_device.faults.catalogue import CATALOGUE
from sim_device.faults.injection import TRIGGER_FIELDS, Injector
from sim_device.faults.trigger import Trigger
from sim_device.operator import ACTIONS, ActionError, perform
from sim_device.plant import Plant
from sim_device.simulator import Simulator

DURATION_MAX_S: Final = 1e6  # 11 days


class LaserTable(Table):
    """How the laser stands at the start, in the operator's words; what is not given is as usual."""

    start: Start = Field("warm", description="warm: STANDBY, calibrated, undocked; cold: key off, docked.")
    key: Literal["on", "off"] | None = Field(None, description="The key.")
    docked: bool | None = Field(None, description="Whether the handpiece is in the calibration port.")
    handpiece: Literal["NONE", "ZOOM", "FIXED_6", "FIXED_8", "FIXED_10", "LENS_ARRAY_6"] | None = Field(
        None, description="The handpiece."
    )
    spot_mm: float | None = Field(None, ge=2, le=6, description="Spot of the zoom handpiece, in mm.")
    wavelength_nm: Literal[0, 532, 755, 1064] | None = Field(None, description="The module, in nm.")
    strap: Literal["on", "off"] | None = Field(None, description="Strap of the internal trigger.")
    door: Literal["open", "close"] | None = Field(None, description="The treatment room's door.")
    remote: Literal["open", "close"] | None = Field(None, description="The remote interlock connector.")
    cover: Literal["open", "close"] | None = Field(None, description="The housing's cover.")

    def contacts(self) -> dict[str, Any]:
        """What differs from the usual, by the names of `sim_device.plant.Contacts`."""
        stands: dict[str, Any] = {
            "key_on": None if self.key is None else self.key == "on",
            "docked": self.docked,
            "handpiece": None if self.handpiece is None else Handpiece[self.handpiece],
            "zoom_um": None if self.spot_mm is None else round(self.spot_mm * 1000),
            "wavelength_nm": self.wavelength_nm,
            "internal_trigger_strap": None if self.strap is None else self.strap == "on",
            "door_closed": None if self.door is None else self.door == "close",
            "remote_closed": None if self.remote is None else self.remote == "close",
            "cover_closed": None if self.cover is None else self.cover == "close",
        }
        return {name: value for name, value in stands.items() if value is not None}


class HostTable(Table):
    """The host's part: only for runs of the whole stack."""

    plan: str = Field(min_length=1, description="The plan that is carried out; relative to this file.")
    operator: Operator = Field("steady", description="Who carries it out.")


class ScenarioFile(Table):
    """The whole file; events and faults are checked one by one."""

    format: int = Field(ge=FORMAT, le=FORMAT, description="Version of this form.")
    name: str = Field(min_length=1, max_length=120, description="What happens in it.")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="Of all chance, if none is given elsewhere.")
    duration_s: float = Field(
        gt=0, le=DURATION_MAX_S, allow_inf_nan=False, description="How long it lasts, in s."
    )
    laser: LaserTable = Field(default_factory=lambda: LaserTable(start="warm"))
    host: HostTable | None = None
    event: list[dict[str, Any]] = Field(default_factory=list, max_length=10_000)
    fault: list[dict[str, Any]] = Field(default_factory=list, max_length=1_000)


class EventHead(BaseModel):
    """What every event has; its other keys are the fields of its action."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    at_s: float = Field(ge=0, le=DURATION_MAX_S, allow_inf_nan=False, description="When, in s.")
    do: str = Field(description="An action of people or room, or a host event.")


class FaultHead(BaseModel):
    """What every fault has besides its trigger and its parameters."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str = Field(description="A fault: `picolase faults` lists them.")
    expected: bool = Field(True, description="Whether the run fails if it never really fires.")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A file that was read and found good."""

    file: Path
    seed: int
    hosted: bool  # it has a part for the host
    script: Script

    @property
    def device_script(self) -> Script:
        """The script without what only a host can do."""
        events = tuple(event for event in self.script.events if event.do in ACTIONS)
        return self.script.with_parts(events, self.script.faults)


def read_scenario(file: Path) -> Scenario:
    """The scenario in `file`; raises TomlError with everything that is wrong, each with its line."""
    return parse_scenario(read(file), file)


def parse_scenario(text: str, file: Path) -> Scenario:
    """The scenario in `text`, as if it stood in `file`; raises TomlError with everything that is wrong."""
    values = load(text, file)
    lines = Lines(text)
    problems: list[Problem] = []
    whole: ScenarioFile | None = None
    try:
        whole = ScenarioFile.model_validate(values)
    except ValidationError as error:
        problems += problems_of(error, ScenarioFile, lines)
    hosted = "host" in values
    duration_s = values.get("duration_s")
    if not isinstance(duration_s, int | float):  # which is told already
        duration_s = DURATION_MAX_S
    checked = _Checked(lines, hosted=hosted, duration_s=duration_s)
    events = [checked.event(number, entry) for number, entry in _tables(values, "event")]
    for number, entry in _tables(values, "fault"):
        checked.fault(number, entry)
    problems += checked.problems
    if whole is None or problems:
        raise TomlError(str(file), sorted(problems, key=lambda problem: problem.line or 0))
    plan = "" if whole.host is None else _plan(file.parent / whole.host.plan, file, lines)
    script = Script(
        name=whole.name,
        duration_s=float(whole.duration_s),
        plan=plan,
        operator="none" if whole.host is None else whole.host.operator,
        start=whole.laser.start,
        contacts=whole.laser.contacts(),
        events=tuple(sorted((one for one in events if one is not None), key=lambda one: one.at_s)),
        faults=tuple(whole.fault),
    )
    return Scenario(file, whole.seed, hosted, script)


class Staged:
    """A device scenario on the agenda of a simulator, with what people in it could not do."""

    def __init__(self, script: Script, simulator: Simulator, seed: int) -> None:
        """Warm the laser up if the script begins warm, and put everything on its agenda from now on."""
        if script.start == "warm":
            warm_up(simulator)
        simulator.show_act("contacts", dict(script.contacts))
        simulator.act(partial(set_contacts, script.contacts), simulator.now_us)
        self.declined: list[str] = []
        self.injector = Injector.of(simulator, seed)
        for fault in script.faults:
            self.injector.inject_stated(fault)
        for event in script.events:
            when_us = self.injector.began_us + round(event.at_s * 1e6)
            simulator.at(when_us, partial(self._do, event.do, dict(event.fields)))
        self.ends_us = self.injector.began_us + round(script.duration_s * 1e6)

    def _do(self, action: str, fields: dict[str, Any], simulator: Simulator) -> None:
        try:
            perform(simulator, action, fields, simulator.now_us)
        except ActionError as error:
            self.declined.append(str(error))


class _Checked:
    """Events and faults, looked at one by one."""

    def __init__(self, lines: Lines, *, hosted: bool, duration_s: float) -> None:
        self.problems: list[Problem] = []
        self._lines = lines
        self._hosted = hosted
        self._duration_s = duration_s

    def event(self, number: int, entry: dict[str, Any]) -> Happening | None:
        """One event; None when something is wrong with it."""
        within = ("event", number)
        own = {name: value for name, value in entry.items() if name in EventHead.model_fields}
        fields = {name: value for name, value in entry.items() if name not in own}
        head = self._valid(EventHead, own, within)
        if head is not None:
            self._in_time(within, "at_s", head.at_s)
        do = entry.get("do")
        if not isinstance(do, str):  # which is told already
            return None
        body = ACTIONS[do].body if do in ACTIONS else HOST_EVENTS.get(do)
        if body is None:
            self._refuse(within, "do", do, _nearest(do, (*ACTIONS, *HOST_EVENTS), "is no event"))
            return None
        if do not in ACTIONS and not self._hosted:
            self._refuse(within, "do", do, "is the host's: add a table [host], or leave it out")
        if self._known(within, fields, tuple(body.model_fields), EventHead):
            self._valid(body, fields, within)
        return None if head is None else Happening(float(head.at_s), do, fields)

    def fault(self, number: int, entry: dict[str, Any]) -> None:
        """One fault."""
        within = ("fault", number)
        own = {name: value for name, value in entry.items() if name in OWN_FIELDS}
        self._valid(FaultHead, own, within)
        name = entry.get("name")
        if not isinstance(name, str):  # which is told already
            return
        kind = CATALOGUE.get(name)
        if kind is None:
            hint = _nearest(name, CATALOGUE, "is no fault", "`picolase faults` lists them all")
            self._refuse(within, "name", name, hint)
            return
        timing = {name: value for name, value in entry.items() if name in TRIGGER_FIELDS}
        parameters = {name: value for name, value in entry.items() if name not in {*own, *timing}}
        trigger = self._valid(Trigger, timing, within)
        if trigger is not None:
            if trigger.at_s is None and trigger.on is None:
                self._refuse(within, "", None, "has no trigger: give at_s, or on (an event)")
            at_s = trigger.at_s or 0.0
            self._in_time(within, "at_s", at_s)
            if at_s <= self._duration_s < at_s + trigger.after_s:
                words = f"it would come after the end: give at most {self._duration_s - at_s:g}"
                self._refuse(within, "after_s", trigger.after_s, words)
            if trigger.for_s is not None and not kind.lasting:
                self._refuse(within, "for_s", trigger.for_s, f"leave it out: {name} happens at once")
        names = tuple(kind.model_fields)
        if self._known(within, parameters, names, Trigger, FaultHead):
            self._valid(kind, parameters, within)

    def _valid(self, model: type[Any], values: dict[str, Any], within: tuple[str | int, ...]) -> Any:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            self.problems += problems_of(error, model, self._lines, within)
            return None

    def _known(
        self,
        within: tuple[str | int, ...],
        given: Iterable[str],
        names: tuple[str, ...],
        *others: type[BaseModel],
    ) -> bool:
        """Whether all these keys are among the names; the others are known too, for a hint."""
        known = (*names, *(name for model in others for name in model.model_fields))
        unknown = [name for name in given if name not in names]
        for name in unknown:
            self._refuse(within, name, None, _nearest(name, known, "unknown key"))
        return not unknown

    def _in_time(self, within: tuple[str | int, ...], key: str, at_s: float) -> None:
        if at_s > self._duration_s:
            words = f"comes after the end: give at most duration_s, {self._duration_s:g}"
            self._refuse(within, key, at_s, words)

    def _refuse(self, within: tuple[str | int, ...], key: str, value: object, action: str) -> None:
        place = (*within, key) if key else within
        path = ".".join(map(str, place))
        self.problems.append(Problem(path, value, "", action, self._lines.of(place)))


def _tables(values: Mapping[str, Any], name: str) -> Iterable[tuple[int, dict[str, Any]]]:
    found = values.get(name)
    if isinstance(found, list):
        yield from ((number, one) for number, one in enumerate(found) if isinstance(one, dict))


def _nearest(given: str, known: Iterable[str], what: str, otherwise: str = "") -> str:
    names = list(known)
    near = difflib.get_close_matches(given, names, n=1)
    return (
        f"{what}; did you mean {near[0]}?"
        if near
        else f"{what}; {otherwise or 'give one of ' + ', '.join(names)}"
    )


def _plan(path: Path, file: Path, lines: Lines) -> str:
    """The text of the plan, once it is known to be one."""
    try:
        text = read(path)
    except TomlError as error:
        (problem,) = error.problems
        line = lines.of(("host", "plan"))
        raise TomlError(str(file), [Problem("host.plan", str(path), "", problem.action, line)]) from error
    parse_plan(text, path)
    return text


def set_contacts(contacts: Mapping[str, Any], plant: Plant) -> None:
    """Let these contacts stand so, by the names of `sim_device.plant.Contacts`; for `Plant.act`."""
    for name, value in contacts.items():
        setattr(plant.contacts, name, Handpiece(value) if name == "handpiece" else value)
