"""The ports a laser could be on."""

import click

from controller.cli.app import console, json_option, note, print_json, table


@click.command()
@json_option
def ports(as_json: bool) -> None:
    """List the serial ports of this machine, for [device] url in the configuration."""
    from dataclasses import asdict

    from hal.ports import list_ports

    found = [asdict(port) for port in list_ports()]
    if as_json:
        print_json(found)
    elif found:
        console().print(table("", found[0], [list(port.values()) for port in found]))
    else:
        note(
            "No serial port was found. Plug the adapter in, or use socket://host:port; "
            "`picolase sim` makes one without hardware."
        )
