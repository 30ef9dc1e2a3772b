"""A plant that is warm, and its commonest commands."""

from sim_device.plant import Contacts, Plant

S = 1_000_000


def warm(plant: Plant, celsius: float = 60.0) -> Plant:
    plant.act(lambda p: p.coolant.set_celsius(p.now_us, celsius))
    return plant


def key_on() -> Contacts:
    return Contacts(key_on=True)


def when(plant: Plant, line: str, value: object, limit_us: int = 2000 * S) -> int:
    """Advance from event to event until `line` has `value`; the time."""
    while getattr(plant.inputs, line) != value:
        assert plant.next_event_us <= limit_us, f"{line} never became {value}"
        plant.advance(plant.next_event_us)
    return plant.now_us
