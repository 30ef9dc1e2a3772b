"""The files of the page: read once from the package, served under a name that changes with their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

from fastapi import Response

from controller.declined import Declined

PAGE: Final = "index.html"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".woff2": "font/woff2",
}
"""All else goes out as plain text."""

FOREVER: Final = "public, max-age=31536000, immutable"  # [P] RFC 8246; a year is as long as caches go by


class Files:
    """Everything below the package's folder `static`; `version` stands for its whole content."""

    def __init__(self, root: Traversable | None = None) -> None:
        self._files = dict(_below(root if root is not None else files("controller.web") / "static", ""))
        told = hashlib.sha256()
        for name, content in sorted(self._files.items()):
            told.update(f"{len(name)}:{name}:{len(content)}:".encode() + content)
        self.version = told.hexdigest()[:16]

    def page(self) -> Response:
        """The page; what it loads, and what that loads beside itself, it asks for by the version."""
        content = self._content(PAGE).replace(b'"/static/', f'"/static/{self.version}/'.encode())
        return Response(content, media_type=TYPES[".html"], headers={"cache-control": "no-cache"})

    def file(self, path: str) -> Response:
        """One file by its path, with or without the version before it; raises Declined for any other."""
        name = path.removeprefix(f"{self.version}/")
        lasting = FOREVER if name != path else "no-cache"
        media_type = TYPES.get(PurePosixPath(name).suffix, "text/plain; charset=utf-8")
        return Response(self._content(name), media_type=media_type, headers={"cache-control": lasting})

    def _content(self, name: str) -> bytes:
        if name not in self._files:
            raise Declined(404, "file", f"the page has no file {name[:100]!r}", "load the page anew")
        return self._files[name]


def _below(folder: Traversable, before: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{before}{entry.name}/")
        else:
            yield f"{before}{entry.name}", entry.read_bytes()
