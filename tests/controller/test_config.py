"""The configuration file: every limit, every message."""

import json
import tomllib
from pathlib import Path

import pytest

from controller.config import Config, example_toml, json_schema, load_config, parse_config
from controller.tomlfile import Problem, TomlError

HERE = Path("/etc/picolase/picolase.toml")
DEVICE = '[device]\nurl = "/dev/ttyUSB0"\n'


def problems(text: str) -> dict[str, Problem]:
    with pytest.raises(TomlError) as caught:
        parse_config(text, HERE)
    return {problem.path: problem for problem in caught.value.problems}


def accepted(text: str) -> bool:
    try:
        parse_config(text, HERE)
    except TomlError:
        return False
    return True


def test_the_example_is_accepted_and_says_the_defaults() -> None:
    assert parse_config(example_toml(), HERE) == parse_config(DEVICE, HERE)


def test_the_example_with_every_optional_key_uncommented_is_accepted() -> None:
    text = example_toml().replace("tls = false", "tls = true")
    lines = [line[2:] if line.startswith("# ") and " = " in line else line for line in text.splitlines()]
    config = parse_config(
        "\n".join(line for line in lines if not line.startswith(("socket", "Whether"))), HERE
    )
    assert config.device.expected_serial == "PL-0001"
    assert config.mqtt.key_file == Path("/etc/picolase/laser.key")


def test_the_example_names_every_key_of_the_schema_with_its_meaning() -> None:
    text = example_toml()
    for section in Config.model_fields:
        assert f"\n[{section}]\n" in text
    for table in json_schema()["$defs"].values():
        for key, declared in table["properties"].items():
            assert f"{key} = " in text
            assert declared["description"] in text


def test_the_defaults_are_those_of_the_brief() -> None:
    config = parse_config(DEVICE, HERE)
    assert config.device.baud == 115_200
    assert config.device.driver == "picolase"
    assert config.safety.model_dump() == {
        "status_max_age_ms": 300,
        "loop_lag_max_ms": 100,
        "calibration_max_age_days": 30,
        "proof_test_days": 30,
        "cover_test_days": 365,
        "door_wired": True,
        "remote_wired": True,
        "idle_standby_s": 300,
        "idle_lock_s": 900,
    }
    assert not config.mqtt.enabled
    assert not config.metrics.enabled
    assert not config.mqtt.allow_stop
    assert not config.api.allow_remote
    assert config.api.host == "127.0.0.1"


@pytest.mark.parametrize("allowed", [False, True])
def test_a_stop_over_mqtt_is_there_where_it_is_allowed(allowed: bool) -> None:
    text = f"{DEVICE}[mqtt]\nenabled = true\nallow_stop = {str(allowed).lower()}\n"
    assert parse_config(text, HERE).mqtt.allow_stop is allowed


def test_a_stop_over_mqtt_that_nobody_would_hear_is_refused() -> None:
    with pytest.raises(TomlError, match=r"allow_stop.*enabled = true"):
        parse_config(f"{DEVICE}[mqtt]\nallow_stop = true\nenabled = false\n", HERE)


def test_relative_paths_start_at_the_folder_of_the_file() -> None:
    text = DEVICE.replace("/dev/ttyUSB0", "./laser.pty") + (
        '[store]\npath = "data/x.db"\n[api]\nsocket = "s.sock"\n[log]\nfile = "/var/log/p.log"\n'
    )
    config = parse_config(text, HERE)
    assert config.store.path == Path("/etc/picolase/data/x.db")
    assert config.api.socket == Path("/etc/picolase/s.sock")
    assert config.log.file == Path("/var/log/p.log")
    assert config.device.url == "/etc/picolase/laser.pty"
    assert parse_config(DEVICE, HERE).store.path == Path("/etc/picolase/picolase.db")


BOUNDS = [
    ("device", "baud", 115_200, 4_000_000),
    ("store", "retention_days", 30, 36_500),
    ("api", "port", 1, 65_535),
    ("web", "port", 1, 65_535),
    ("mqtt", "port", 1, 65_535),
    ("mqtt", "telemetry_hz", 0.1, 10.0),
    ("safety", "status_max_age_ms", 150, 500),
    ("safety", "loop_lag_max_ms", 20, 150),
    ("safety", "calibration_max_age_days", 1, 365),
    ("safety", "proof_test_days", 1, 90),
    ("safety", "cover_test_days", 30, 730),
    ("safety", "idle_standby_s", 30, 300),
    ("safety", "idle_lock_s", 60, 900),
]


@pytest.mark.parametrize(("section", "key", "lowest", "highest"), BOUNDS)
def test_each_number_is_accepted_up_to_its_bounds_and_not_beyond(
    section: str, key: str, lowest: object, highest: object
) -> None:
    def text(value: object) -> str:
        table = f'[{section}]\nurl = "/dev/ttyUSB0"\n' if section == "device" else f"{DEVICE}[{section}]\n"
        return f"{table}{key} = {value}\n"

    assert isinstance(lowest, int | float)
    assert isinstance(highest, int | float)
    step, kind = (1, "a whole number") if isinstance(lowest, int) else (0.001, "a number")
    assert accepted(text(lowest))
    assert accepted(text(highest))
    for wrong in (lowest - step, highest + step, "nan", "inf", "true", '"5"', "0.5e-9"):
        found = problems(text(wrong))
        assert set(found) == {f"{section}.{key}"}
        assert found[f"{section}.{key}"].allowed == f"{kind} from {lowest} to {highest}"


def test_the_table_of_bounds_above_names_every_number() -> None:
    numbers = {
        (section, key)
        for section, field in Config.model_fields.items()
        for key, inner in field.annotation.model_fields.items()  # type: ignore[union-attr]  # all are sections
        if inner.annotation in (int, float)
    }
    assert numbers == {(section, key) for section, key, *_ in BOUNDS}


def test_all_problems_are_told_at_once_with_value_range_and_what_to_do() -> None:
    found = problems(
        '[device]\nurl = "tty://x"\nbaud = 9600\n[saftey]\n[api]\nhost = "0.0.0.0"\n'
        '[mqtt]\nenabled = "yes"\nuser = "x"\nsite = "A B"\nstatus_max_age_ms = 4\n[log]\nlevel = "loud"\n'
    )
    assert {path: (problem.value, problem.allowed) for path, problem in found.items()} == {
        "device.url": ("tty://x", "text"),
        "device.baud": (9600, "a whole number from 115200 to 4000000"),
        "saftey": (None, ""),
        "api.host": ("0.0.0.0", "text"),
        "mqtt.enabled": ("yes", "true or false"),
        "mqtt.user": ("x", ""),
        "mqtt.site": ("A B", "text matching [a-z0-9-]{1,64}"),
        "mqtt.status_max_age_ms": (4, ""),
        "log.level": ("loud", '"debug" or "info" or "warning" or "error"'),
    }
    assert "socket://host:port" in found["device.url"].action
    assert found["saftey"].action == "unknown section; did you mean safety?"
    assert found["mqtt.user"].action == "unknown key; did you mean username?"
    assert found["mqtt.status_max_age_ms"].action == "unknown key; status_max_age_ms belongs to [safety]"
    assert "allow_remote" in found["api.host"].action


def test_the_message_has_one_line_for_each_problem() -> None:
    with pytest.raises(TomlError) as caught:
        parse_config('[device]\nurl = "/dev/x"\nbaud = 1\n[log]\nlevel = "loud"\n', HERE)
    assert str(caught.value).splitlines() == [
        f"{HERE}:3: device.baud = 1: change it (allowed: a whole number from 115200 to 4000000)",
        f'{HERE}:5: log.level = \'loud\': change it (allowed: "debug" or "info" or "warning" or "error")',
    ]


def test_a_key_like_no_other_is_told_what_there_is() -> None:
    assert "url, baud, driver" in problems(DEVICE + "qqq = 1\n")["device.qqq"].action
    assert problems("level = 1\n" + DEVICE)["level"].action == "unknown section; level belongs to [log]"


def test_a_missing_url_is_told_by_its_path() -> None:
    assert problems("")["device.url"].action == "is missing; set it"


def test_a_section_that_is_no_table_is_told() -> None:
    assert problems('log = "x"\n' + DEVICE)["log"].allowed == "a table"


@pytest.mark.parametrize(
    "url",
    [
        "/dev/ttyACM0",
        "COM3",
        "socket://10.0.0.5:5000",
        "rfc2217://host:2217",
        "memory://laser",
        "socket://[::1]:5000",
    ],
)
def test_each_kind_of_port_is_accepted(url: str) -> None:
    assert parse_config(f'[device]\nurl = "{url}"\n', HERE).device.url == url


@pytest.mark.parametrize(
    "url",
    ["", "socket://host", "socket://:5000", "memory://", "http://x:1", "socket://h:99999", "socket://h:x"],
)
def test_a_port_that_cannot_be_opened_is_refused(url: str) -> None:
    assert set(problems(f'[device]\nurl = "{url}"\n')) == {"device.url"}


@pytest.mark.parametrize("table", ["api", "web"])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_an_address_of_this_machine_needs_no_leave(host: str, table: str) -> None:
    assert accepted(f'{DEVICE}[{table}]\nhost = "{host}"\n')


@pytest.mark.parametrize("table", ["api", "web"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "laser.example", "localhost.example"])
def test_an_address_others_can_reach_needs_leave(host: str, table: str) -> None:
    assert set(problems(f'{DEVICE}[{table}]\nhost = "{host}"\n')) == {f"{table}.host"}
    assert accepted(f'{DEVICE}[{table}]\nallow_remote = true\nhost = "{host}"\n')


def test_what_belongs_together_is_set_together() -> None:
    assert set(problems(f'{DEVICE}[mqtt]\nusername = "x"\n')) == {"mqtt.password_file"}
    assert set(problems(f'{DEVICE}[mqtt]\npassword_file = "x"\n')) == {"mqtt.password_file"}
    assert accepted(f'{DEVICE}[mqtt]\nusername = "x"\npassword_file = "x"\n')
    assert set(problems(f'{DEVICE}[mqtt]\ntls = true\ncert_file = "x"\n')) == {"mqtt.key_file"}
    assert set(problems(f'{DEVICE}[mqtt]\nca_file = "x"\n')) == {"mqtt.ca_file"}
    assert set(problems(f'{DEVICE}[api]\nsocket = "x"\nport = 80\n')) == {"api"}


def test_a_configuration_cannot_be_changed_afterwards() -> None:
    config = parse_config(DEVICE, HERE)
    with pytest.raises(ValueError, match="frozen"):
        config.safety.idle_lock_s = 1  # type: ignore[misc]  # the point of the test


def test_the_first_file_that_exists_is_read(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(DEVICE)
    config = load_config(tmp_path / "a.toml", tmp_path / "b.toml")
    assert config.store.path == tmp_path / "picolase.db"


def test_a_missing_file_is_told_with_where_was_looked_and_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(TomlError) as caught:
        load_config(tmp_path / "a.toml", tmp_path / "b.toml")
    assert str(tmp_path / "a.toml") in str(caught.value)
    assert str(tmp_path / "b.toml") in str(caught.value)
    assert "picolase config example" in str(caught.value)


def test_a_file_that_is_no_toml_or_no_text_is_told(tmp_path: Path) -> None:
    assert "line 2" in problems("[device]\nurl = x")["file"].action
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TomlError, match="UTF-8"):
        load_config(tmp_path / "a.toml")
    with pytest.raises(TomlError, match="directory"):
        load_config(tmp_path)


def test_the_schema_is_json_and_closed() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["additionalProperties"] is False
    assert all(table["additionalProperties"] is False for table in schema["$defs"].values())
    assert tomllib.loads(example_toml()).keys() == schema["properties"].keys()
