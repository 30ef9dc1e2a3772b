"""The broker: what of a retired laser is still retained there."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import click

from controller.cli.app import App, config_option, json_option, note, pass_app, print_json
from controller.cli.exits import CommandFailed, Exit
from controller.cli.group import Group

if TYPE_CHECKING:
    from controller.mqtt_purge import Purged


@click.group(cls=Group)
def mqtt() -> None:
    """Look after the MQTT broker of the configuration."""


@mqtt.command()
@click.option("--site", required=True, metavar="SITE", help="Site of the laser, as in its topics.")
@click.option("--device", required=True, metavar="DEVICE", help="The laser, as in its topics.")
@click.option("--even-online", is_flag=True, help="Also if its status says that it is online.")
@config_option
@json_option
@pass_app
def purge(app: App, site: str, device: str, even_online: bool, as_json: bool) -> None:
    """Clear what a retired laser left retained at the broker, so that no dashboard shows it any more.

    Broker, user and prefix are those of [mqtt] in the configuration; the user must be one who may write these
    topics. A laser that is online is left alone (status 3): it would publish all of it again.
    """
    from controller.mqtt_link import LinkTrouble
    from controller.mqtt_purge import purge as purge_retained
    from protocols.fields import FieldError
    from protocols.topics import TopicTree

    settings = app.config.mqtt.model_copy(update={"site": site, "device_id": device})
    try:
        TopicTree(site, device, settings.prefix)
        work = purge_retained(settings, even_online=even_online, name=f"picolase-purge-{os.getpid()}")
        purged = asyncio.run(work)
    except FieldError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from error
    except LinkTrouble as trouble:
        exit_ = Exit.NOT_ALLOWED if trouble.kind == "refused" else Exit.NOT_REACHABLE
        raise CommandFailed(
            Exit.BAD_INPUT if trouble.kind == "settings" else exit_, str(trouble)
        ) from trouble
    refused = bool(purged.online) and not even_online
    if as_json:
        told = {"site": site, "device": device, "online": purged.online, "refused": refused}
        print_json(told | {"cleared": list(purged.cleared), "left": list(purged.left)})
    elif not refused:
        _say(purged)
    if refused:
        action = "end its daemon first, or use --even-online if it is gone and its broker does not know"
        raise CommandFailed(Exit.REFUSED, f"{site}/{device} says that it is online: {action}.")
    if purged.left:
        why = "the broker's access list keeps them, or the laser publishes them again"
        raise CommandFailed(Exit.FAILED, f"{len(purged.left)} topics are still retained: {why}.", purged.left)


def _say(purged: Purged) -> None:
    for topic in purged.cleared:
        click.echo(topic)
    if purged.cleared:
        note(f"Cleared: {len(purged.cleared)} topics.")
    elif not purged.left:
        note("Nothing was retained.")
