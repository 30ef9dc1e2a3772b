"""The loop of these tests: an ordinary one, but virtual time for modules that say `VIRTUAL_TIME = True`."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from fastapi import FastAPI

from controller import mqtt, mqtt_tries, sparkplug
from controller.api import build_api
from controller.broker import embedded_broker
from controller.cli.main import main
from controller.store import DeviceRecord, Store
from rig.stack import Stack
from rig.virtual_time import VirtualTimeLoop
from tests.controller.brokers import PATIENCE_S, Broker, Embedded, Mosquitto, without_mosquitto
from tests.controller.cli_standin import Picolase, StandIn, serve
from tests.controller.stored import SERIAL, Clock, now


def pytest_asyncio_loop_factories(
    item: pytest.Function,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    virtual = getattr(item.module, "VIRTUAL_TIME", False)
    return {"virtual": VirtualTimeLoop} if virtual else {"real": asyncio.new_event_loop}


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    """A laser in STANDBY, its daemon just started, an empty database."""
    async with Stack() as stack:
        yield stack


@pytest.fixture
def api(stack: Stack) -> FastAPI:
    return build_api(stack.daemon.console)


@pytest.fixture
async def http(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=api)
    async with httpx.AsyncClient(transport=transport, base_url="http://daemon") as client:
        yield client


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose daemon would listen in a socket beside it."""
    path = tmp_path / "picolase.toml"
    path.write_text('[device]\nurl = "/dev/ttyUSB0"\n[api]\nsocket = "d.sock"\n')
    return path


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """One server for all tests of this module: starting and ending one takes a while."""
    yield from serve(tmp_path_factory.mktemp("api") / "d.sock")


@pytest.fixture
def daemon(stand_in: StandIn, config: Path) -> StandIn:
    """A stand-in for the daemon of that configuration."""
    stand_in.forget()
    (config.parent / "d.sock").symlink_to(stand_in.socket)
    return stand_in


@pytest.fixture
def picolase(config: Path, tmp_path: Path) -> Picolase:
    """Run `picolase ...` with that configuration."""

    def run(*arguments: str, environment: dict[str, str] | None = None, typed: str | None = None) -> Result:
        env = {
            "PICOLASE_CONFIG": str(config),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "PICOLASE_TOKEN": None,
        }
        return CliRunner(env=env | (environment or {})).invoke(main, arguments, input=typed)

    return run


@pytest.fixture
async def broker_port() -> AsyncIterator[int]:
    async with embedded_broker() as port:
        yield port


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=[pytest.mark.broker, without_mosquitto])])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    made = Embedded() if request.param == "embedded" else Mosquitto(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        await made.start()
    yield made
    async with asyncio.timeout(PATIENCE_S):
        await made.kill()


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A real broker that lets everybody in; for tests with `without_mosquitto`."""
    made = Mosquitto(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        await made.start()
    yield made
    async with asyncio.timeout(PATIENCE_S):
        await made.kill()


@pytest.fixture
def quick_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `quick`, of the Sparkplug node."""
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 2.0)
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.05, 0.1))
    monkeypatch.setattr(sparkplug, "REBIRTH_PAUSE_S", 0.05)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits than in the field, so that a test need not take the field's time."""
    monkeypatch.setattr("controller.mqtt_link.ANSWER_S", 2.0)
    monkeypatch.setattr(mqtt_tries, "BACKOFF_S", (0.05, 0.1))
    monkeypatch.setattr(mqtt, "REFRESH_S", 0.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picolase.db"


@pytest.fixture
def kept(path: Path) -> Iterator[Store]:
    with Store.open(path, wall_clock=now) as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Iterator[Store]:
    with Store.in_memory(wall_clock=clock) as made:
        made.save_device(DeviceRecord(SERIAL, "PL-200", "1.0", True, {}, 0))
        yield made


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No two at once, in whichever worker they run."""
    with (tmp_path_factory.getbasetemp().parent / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
