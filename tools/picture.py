"""A picture of a terminal program while it runs: `python -m tools.picture OUT.svg SECONDS COMMAND...`.

Runs the command in a real terminal (tmux, `apt-get install tmux`), takes what stands on its screen after so
many seconds, and writes it as an SVG. A command that ends before that has no picture.
"""

import os
import re
import select
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 118, 32
SESSION = "picolase-picture"


def main() -> None:
    """Take the picture that the command line asks for."""
    out, seconds, command = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    size = ["-x", str(COLUMNS), "-y", str(ROWS)]
    session = ["tmux", "new-session", "-d", "-P", "-F", "#{pane_pid}", "-s", SESSION, *size, *command]
    process = int(subprocess.run(session, check=True, capture_output=True, text=True).stdout)
    if _ended(process, seconds):
        sys.exit(f"{' '.join(command)} ended before its picture was taken")
    capture = ["tmux", "capture-pane", "-e", "-p", "-t", SESSION]
    screen = subprocess.run(capture, check=True, capture_output=True, text=True).stdout
    subprocess.run(["tmux", "send-keys", "-t", SESSION, "C-c"], check=True)
    console = Console(record=True, width=COLUMNS, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115
    console.print(Text.from_ansi(screen.rstrip()))
    out.parent.mkdir(parents=True, exist_ok=True)
    picture = console.export_svg(title=" ".join(Path(part).name for part in command))
    # Its fonts would come from an address on the web; the reader's own monospaced one will do.
    out.write_text(re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL), "utf-8")


def _ended(process: int, within_s: float) -> bool:
    try:
        end = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    return bool(select.select([end], [], [], within_s)[0])


if __name__ == "__main__":
    main()
