"""The configuration file: what can be set, within which limits, and what is wrong with it.

Every key is declared once, as a field below; the checks, the example file and the JSON schema are made from
that.
"""

import ipaddress
import json
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
)

from controller.logs import LogFormat, LogLevel
from controller.tomlfile import Problem, Table, TomlError, allowed, parse, read, tables_of
from protocols.interlocks import Interlock
from safety.proof_tests import Limits


def _from_folder(value: object, info: ValidationInfo) -> object:
    """Make a path absolute: relative ones start at the folder of the configuration file."""
    if value == "":
        raise ValueError("is empty")
    if not isinstance(value, str | Path):
        return value
    return (info.context or {}).get("folder", Path()) / Path(value).expanduser()


_KINDS_OF_PORT = "a serial port, socket://host:port, rfc2217://host:port or memory://name"


def _device_url(value: str, info: ValidationInfo) -> str:
    if "://" not in value:
        if not value:
            raise ValueError("is empty")
        return str(_from_folder(value, info)) if "/" in value else value
    url = urlsplit(value)
    if url.scheme not in {"socket", "rfc2217", "memory"}:
        raise ValueError(f"{url.scheme!r} is no kind of port; use {_KINDS_OF_PORT}")
    if not url.hostname:
        raise ValueError(f"names no host; use {_KINDS_OF_PORT}")
    if url.scheme != "memory" and url.port is None:  # url.port raises ValueError itself beyond 65535.
        raise ValueError(f"names no port number; use {_KINDS_OF_PORT}")
    return value


FilePath = Annotated[Path, BeforeValidator(_from_folder)]
TopicId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]


class DeviceConfig(Table):
    """The laser and how to reach it."""

    url: Annotated[str, AfterValidator(_device_url)] = Field(
        description=f"Where the laser is: {_KINDS_OF_PORT}.",
        examples=["/dev/ttyUSB0"],
    )
    # DESIGN: 115200 8N1 and up; 4 Mbaud is the most that common USB adapters do.
    baud: int = Field(115_200, ge=115_200, le=4_000_000, description="Speed of a serial port, in baud.")
    driver: str = Field("picolase", min_length=1, description="Name of the driver.")
    expected_serial: str | None = Field(
        None,
        min_length=1,
        description="Serial number the laser must have; any, if not set.",
        examples=["PL-0001"],
    )


class StoreConfig(Table):
    """The records."""

    path: FilePath = Field(Path("picolase.db"), description="The database file, on a local disk.")
    retention_days: int = Field(
        730, ge=30, le=36_500, description="Age at which events and incidents go; pulses and audit never do."
    )


class ApiConfig(Table):
    """The programming interface, on a unix socket or on a TCP port."""

    socket: FilePath | None = Field(
        None, description="Unix socket; instead of host and port.", examples=["picolase.sock"]
    )
    allow_remote: bool = Field(False, description="Whether other machines may connect.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8755, ge=1, le=65_535, description="TCP port to listen on.")

    @property
    def loopback_only(self) -> bool:
        """Whether it is a TCP port that nobody but this machine is meant to reach."""
        return self.socket is None and not self.allow_remote

    @field_validator("host")
    @classmethod
    def _stays_local(cls, host: str, info: ValidationInfo) -> str:
        if not info.data.get("allow_remote", True) and not is_loopback(host):
            raise ValueError("lets other machines connect; use '127.0.0.1', or set api.allow_remote = true")
        return host


class WebConfig(Table):
    """The web console: a page for people, on a port of its own."""

    enabled: bool = Field(True, description="Whether to serve it.")
    allow_remote: bool = Field(False, description="Whether other machines may connect.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8756, ge=1, le=65_535, description="TCP port to listen on.")
    simulator_control: FilePath | None = Field(
        None,
        description="Control socket of the simulator, for its panel on the page; no panel, if not set.",
        examples=["run/control.sock"],
    )
    fleet: bool = Field(
        False, description="Whether the page shows all lasers of the broker of [mqtt], which it only reads."
    )

    @field_validator("host")
    @classmethod
    def _stays_local(cls, host: str, info: ValidationInfo) -> str:
        if not info.data.get("allow_remote", True) and not is_loopback(host):
            raise ValueError("lets other machines connect; use '127.0.0.1', or set web.allow_remote = true")
        return host


class MqttConfig(Table):
    """Telemetry to an MQTT broker."""

    enabled: bool = Field(False, description="Whether to publish.")
    host: str = Field("localhost", min_length=1, description="The broker.")
    port: int = Field(1883, ge=1, le=65_535, description="The broker's port; usually 8883 with TLS.")
    prefix: str = Field(
        "laser/v1", pattern=r"^[^/+#\s]+(/[^/+#\s]+)*$", description="What all topics begin with."
    )
    site: TopicId = Field("site", description="Where the laser stands, in topics.")
    device_id: TopicId = Field("laser", description="Which laser it is, in topics.")
    username: str | None = Field(None, min_length=1, description="Name at the broker.", examples=["laser-1"])
    password_file: FilePath | None = Field(
        None, description="File with the password, on its first line.", examples=["mqtt.password"]
    )
    tls: bool = Field(False, description="Whether to encrypt and to check the broker's certificate.")
    ca_file: FilePath | None = Field(
        None, description="Certificates to trust; the system's, if not set.", examples=["ca.pem"]
    )
    cert_file: FilePath | None = Field(
        None, description="This machine's certificate, for brokers that want one.", examples=["laser.pem"]
    )
    key_file: FilePath | None = Field(None, description="Key of that certificate.", examples=["laser.key"])
    version: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="Version of MQTT; auto takes 5 where the broker has it, else 3.1.1."
    )
    telemetry_hz: float = Field(1.0, ge=0.1, le=10.0, description="Samples a second.")
    home_assistant: bool = Field(
        False, description="Whether to tell Home Assistant of the laser: sensors only, nothing commands."
    )
    home_assistant_prefix: str = Field(
        "homeassistant",
        pattern=r"^[^/+#$\s]+(/[^/+#\s]+)*$",
        description="Where Home Assistant looks for what it is told.",
    )
    sparkplug_group_id: str | None = Field(
        None,
        pattern=r"^[^/+#\x00-\x1f]{1,64}$",
        description="Group under which the laser is published as Sparkplug B too; not, if not set.",
        examples=["clinic"],
    )
    allow_stop: bool = Field(
        False, description="Whether cmd/stop may stop the laser; the only command there is over MQTT."
    )

    @field_validator("sparkplug_group_id")
    @classmethod
    def _is_a_group(cls, group_id: str | None) -> str | None:
        if group_id == "STATE":  # [P] Sparkplug 3.0.0: spBv1.0/STATE/... is where hosts say whether they live
            raise ValueError("is the name of the hosts' own topics in Sparkplug; use another")
        return group_id

    @field_validator("allow_stop")
    @classmethod
    def _is_heard(cls, allow_stop: bool, info: ValidationInfo) -> bool:
        if allow_stop and info.data.get("enabled") is False:  # nobody may rely on a stop that nobody hears
            raise ValueError("nobody listens to cmd/stop without enabled = true")
        return allow_stop

    @field_validator("password_file")
    @classmethod
    def _has_name(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if "username" in info.data and (file is None) != (info.data["username"] is None):
            raise ValueError("username and password_file belong together; set both or neither")
        return file

    @field_validator("key_file")
    @classmethod
    def _has_certificate(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if "cert_file" in info.data and (file is None) != (info.data["cert_file"] is None):
            raise ValueError("cert_file and key_file belong together; set both or neither")
        return file

    @field_validator("ca_file", "cert_file")
    @classmethod
    def _wants_tls(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        if file is not None and info.data.get("tls") is False:
            raise ValueError("has no effect without tls = true")
        return file


class MetricsConfig(Table):
    """Metrics for Prometheus, at /metrics of the programming interface."""

    enabled: bool = Field(False, description="Whether to answer there; reading needs no login.")


class SafetyConfig(Table):
    """Limits of the host's supervision; those of the device stand in any case."""

    # Status comes every 100 ms or faster: below 150 ms one late report would stop, beyond 500 ms the operator
    # would treat by old values. [C]
    status_max_age_ms: int = Field(
        300, ge=150, le=500, description="Age in ms at which the laser's last status removes permission."
    )
    # The heartbeat goes every 50 ms and the permit ends after 200 ms: a lag beyond 150 ms ends it anyway. [C]
    loop_lag_max_ms: int = Field(
        100, ge=20, le=150, description="Delay of the program in ms at which it stops its heartbeat."
    )
    calibration_max_age_days: int = Field(
        30,
        ge=1,
        le=365,
        description="Age in days at which a calibration no longer allows treatment (REQ-017).",
    )
    # The intervals of ISO 14119:2013 for guards that are rarely opened (to be confirmed): monthly (PL e) for
    # what the person at the laser can do in seconds; yearly (PL d) for what takes service. [C]
    proof_test_days: int = Field(
        30,
        ge=1,
        le=90,
        description="Days without an opening of door, remote interlock, e-stop or key after which their "
        "proof test is asked for; after three times as many no treatment begins (HZ-039).",
    )
    cover_test_days: int = Field(
        365, ge=30, le=730, description="The same for the housing cover, which refuses nothing."
    )
    door_wired: bool = Field(
        True, description="Whether there is a door contact; false: a bridge stands in for it by choice."
    )
    remote_wired: bool = Field(
        True, description="Whether the remote interlock is used; false: its shorting plug is in by choice."
    )
    idle_standby_s: int = Field(
        300, ge=30, le=300, description="Time in s without a pulse after which READY ends (REQ-045)."
    )
    idle_lock_s: int = Field(
        900,
        ge=60,
        le=900,
        description="Time in s without use after which an operator is logged out (REQ-045).",
    )

    @property
    def proof_limits(self) -> Limits:
        """When the proof test of an interlock is asked for."""
        wired = {Interlock.DOOR: self.door_wired, Interlock.REMOTE: self.remote_wired}
        unwired = frozenset(interlock for interlock, there in wired.items() if not there)
        return Limits(self.proof_test_days, self.cover_test_days, unwired)


class LogConfig(Table):
    """What the program says about itself."""

    level: LogLevel = Field("info", description="The least important messages to keep.")
    format: LogFormat = Field("human", description="Lines for people or JSON for machines.")
    file: FilePath | None = Field(
        None, description="Log file; standard error, if not set.", examples=["picolase.log"]
    )


class Config(Table):
    """The whole file."""

    device: DeviceConfig
    store: StoreConfig = Field(default_factory=StoreConfig)
    api: ApiConfig = Field(default_factory=ApiConfig)
    web: WebConfig = Field(default_factory=WebConfig)
    mqtt: MqttConfig = Field(default_factory=MqttConfig)
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    safety: SafetyConfig = Field(default_factory=SafetyConfig)
    log: LogConfig = Field(default_factory=LogConfig)

    @field_validator("api")
    @classmethod
    def _one_way_in(cls, api: ApiConfig) -> ApiConfig:
        if api.socket is not None and api.model_fields_set & {"host", "port", "allow_remote"}:
            raise ValueError("listens on a socket or on host and port; remove api.socket or the others")
        return api


DEFAULT_PATHS = (
    Path("picolase.toml"),
    Path("~/.config/picolase/picolase.toml"),
    Path("/etc/picolase/picolase.toml"),
)
"""Where the file is looked for when none is named, in this order."""


def load_config(*candidates: Path) -> Config:
    """Return the configuration in the first of `candidates` that exists, or raise `TomlError`.

    Relative paths in it start at its own folder.
    """
    paths = [path.expanduser().absolute() for path in candidates]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        looked = ", ".join(map(str, paths))
        action = "there is no such file; make one by `picolase config example > picolase.toml`"
        raise TomlError("configuration", [Problem(looked, None, "", action)])
    return parse_config(read(path), path)


def parse_config(text: str, path: Path) -> Config:
    """Return the configuration in `text`, as if it stood in the file at `path`, or raise `TomlError`."""
    return parse(text, path, Config, optional_tables=True)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the file, for editors and the docs."""
    return Config.model_json_schema()


def example_toml() -> str:
    """Return a file that can be used at once: every key with its meaning, range and default."""
    lines = ["# The configuration of picolase. Relative paths start at the folder of this file."]
    for section, table in tables_of(json_schema()).items():
        lines += ["", f"# {table['description'].splitlines()[0]}", f"[{section}]"]
        for key, declared in table["properties"].items():
            lines += [f"# {declared['description']} Allowed: {allowed(declared)}."]
            default = declared.get("default")
            # What has no default is shown by an example; it stands there for real only where a value must be
            # given.
            shown = json.dumps(default if default is not None else declared["examples"][0])
            given = default is not None or key in table.get("required", ())
            lines += [f"{'' if given else '# '}{key} = {shown}"]
    return "\n".join(lines) + "\n"


def is_loopback(host: str) -> bool:
    """Whether the name or address is this machine's own and leads nowhere else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
