"""The configuration file: checking it, an example of it, its schema."""

import click

from controller.cli.app import App, config_option, json_option, note, pass_app, print_json
from controller.cli.group import Group


@click.group(cls=Group)
def config() -> None:
    """Check the configuration file, or make one."""


@config.command()
@config_option
@json_option
@pass_app
def check(app: App, as_json: bool) -> None:
    """Check the configuration and say everything that is wrong with it."""
    loaded = app.config
    if as_json:
        print_json(loaded.model_dump(mode="json"))
    note("The configuration can be used.")


@config.command()
def example() -> None:
    """Print a configuration to start from: every key with its meaning, range and default.

    \b
    Example:  picolase config example > picolase.toml
    """
    from controller.config import example_toml

    click.echo(example_toml(), nl=False)


@config.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    from controller.config import json_schema

    print_json(json_schema())
