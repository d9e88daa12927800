"""What an image says of itself: its program, its environment, its folder, and the layers that it is made of.

https://github.com/opencontainers/image-spec/blob/main/config.md
"""

from __future__ import annotations

import msgspec

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
IMAGE_BYTES_MAX = 10 * 1024**3
LAYERS_MAX = 500
CONFIG_BYTES_MAX = 4 * 1024 * 1024


class BadImage(Exception):
    """No image, or one that tries what it may not; the message says what is wrong."""


class ImageTooLarge(Exception):
    """Unpacked it would be beyond what a function's image may be."""


class Running(msgspec.Struct, frozen=True):
    """How the image wants to be run."""

    Env: list[str] | None = None
    Entrypoint: list[str] | None = None
    Cmd: list[str] | None = None
    WorkingDir: str | None = None
    User: str | None = None


class RootFilesystem(msgspec.Struct, frozen=True):
    """The digests of the image's layers as they are unpacked."""

    diff_ids: list[str] = []


class ImageConfiguration(msgspec.Struct, frozen=True):
    """The part of an image's configuration that matters here."""

    architecture: str = ""
    os: str = ""
    config: Running | None = None
    rootfs: RootFilesystem = RootFilesystem()

    @property
    def running(self) -> Running:
        """How the image wants to be run, if it says so."""
        return self.config or Running()

    @property
    def environment(self) -> dict[str, str]:
        """The image's own variables."""
        pairs = (text.partition("=") for text in self.running.Env or ())
        return {name: value for name, found, value in pairs if found and name}


def parse_configuration(content: bytes) -> ImageConfiguration:
    """The configuration of an image. Raises BadImage."""
    if len(content) > CONFIG_BYTES_MAX:
        raise BadImage("the image's configuration is too long")
    try:
        found = msgspec.json.decode(content, type=ImageConfiguration)
    except msgspec.DecodeError as error:
        raise BadImage(f"the image's configuration cannot be read: {error}") from error
    if len(found.rootfs.diff_ids) > LAYERS_MAX:
        raise BadImage(f"the image has more than {LAYERS_MAX} layers")
    if found.os not in ("", "linux"):
        raise BadImage(f"the image is for {found.os[:40]}")
    return found
