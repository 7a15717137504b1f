"""What all contexts of a program share: ``SysConfig``."""

from __future__ import annotations

import logging
import os
from typing import Any, ClassVar, Final

from futukit.errors import UsageError
from futukit.futu._enums import ProtoFMT, RunMode
from futukit.futu.constants import CLIENT_VERSION, DEFULAT_CLIENT_ID

__all__ = ["SysConfig", "logger", "set_debug_model", "set_futu_debug_model"]

logger: Final = logging.getLogger("futukit.futu")
"""The face's log. Until the program configures ``logging``, Python writes its warnings, of lost
connections and of waiting for one, to standard error, and nothing else anywhere."""


class SysConfig:
    """Settings for the contexts that are made from now on."""

    IS_PROTO_ENCRYPT: ClassVar[bool] = False
    INIT_RSA_FILE: ClassVar[str] = ""
    PROTO_FMT: ClassVar[int | None] = None
    CLINET_ID: ClassVar[str | None] = None
    CLIENT_VER: ClassVar[int | None] = None
    ALL_THREAD_DAEMON: ClassVar[bool] = False
    RUN_MODE: ClassVar[str] = RunMode.DEFAULT

    @classmethod
    def set_client_info(cls, client_id: str, client_ver: int | str) -> None:
        """How InitConnect names this program.

        Args:
            client_id: Any text.
            client_ver: major * 100 + minor, so 221 for version 2.21; the text "2.21" will do.

        Raises:
            UsageError: A version that is none.
        """
        version = None if client_ver is None else _version(client_ver)
        SysConfig.CLINET_ID, SysConfig.CLIENT_VER = client_id, version

    @classmethod
    def get_client_id(cls) -> str:
        """The text that InitConnect names this program by."""
        return SysConfig.CLINET_ID or DEFULAT_CLIENT_ID

    @classmethod
    def get_client_ver(cls) -> int:
        """The version in InitConnect: major * 100 + minor."""
        return CLIENT_VERSION if SysConfig.CLIENT_VER is None else SysConfig.CLIENT_VER

    @classmethod
    def get_proto_fmt(cls) -> int:
        """The format of bodies: ProtoFMT.Protobuf or ProtoFMT.Json."""
        return SysConfig.PROTO_FMT or ProtoFMT.Protobuf

    @classmethod
    def set_proto_fmt(cls, proto_fmt: int) -> None:
        """Choose the format of bodies. Raises UsageError for what is none."""
        if proto_fmt not in (ProtoFMT.Protobuf, ProtoFMT.Json):
            raise UsageError(f"a format is ProtoFMT.Protobuf or ProtoFMT.Json, not {proto_fmt!r}")
        SysConfig.PROTO_FMT = proto_fmt

    @classmethod
    def enable_proto_encrypt(cls, is_encrypt: bool) -> None:
        """Whether contexts encrypt that are not told themselves (``is_encrypt=None``)."""
        SysConfig.IS_PROTO_ENCRYPT = bool(is_encrypt)

    @classmethod
    def is_proto_encrypt(cls) -> bool:
        """Whether contexts encrypt that are not told themselves."""
        return SysConfig.IS_PROTO_ENCRYPT

    @classmethod
    def set_init_rsa_file(cls, file: str | os.PathLike[str]) -> None:
        """The path of OpenD's RSA private key, a PEM file. It is read with each new context."""
        SysConfig.INIT_RSA_FILE = str(file)

    @classmethod
    def get_init_rsa_obj(cls) -> Any:
        """The key in the file that was named, as pycryptodome reads it.

        Raises UsageError where none was named, or the file is no key.
        """
        from Crypto.PublicKey import RSA

        if not SysConfig.INIT_RSA_FILE:
            raise UsageError("no key file was named: call SysConfig.set_init_rsa_file")
        try:
            with open(SysConfig.INIT_RSA_FILE, "rb") as file:  # noqa: PTH123 - a path as text
                return RSA.import_key(file.read())
        except (OSError, ValueError, IndexError) as error:
            raise UsageError(f"{SysConfig.INIT_RSA_FILE} is no RSA private key") from error

    @classmethod
    def set_all_thread_daemon(cls, all_daemon: bool) -> None:
        """Whether a context with handlers lets the process end.

        With the default False, a process lives on after its main thread while a context that a
        handler was set on is open, until ``close()`` or Ctrl-C.
        """
        SysConfig.ALL_THREAD_DAEMON = all_daemon

    @classmethod
    def get_all_thread_daemon(cls) -> bool:
        """Whether a context with handlers lets the process end."""
        return SysConfig.ALL_THREAD_DAEMON

    @classmethod
    def set_run_mode(cls, mode: str) -> None:
        """Keep a RunMode; nothing depends on it."""
        cls.RUN_MODE = mode

    @classmethod
    def get_run_mode(cls) -> str:
        """The RunMode that was set."""
        return cls.RUN_MODE

    @classmethod
    def enable_console_log(cls, enable: bool) -> None:
        """Whether the log of the face goes to standard error."""
        for handler in [h for h in logger.handlers if isinstance(h, _ConsoleHandler)]:
            logger.removeHandler(handler)
        if enable:
            logger.addHandler(_ConsoleHandler())


class _ConsoleHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Ours, so that it can be found again."""


def set_futu_debug_model(on_off: bool = True) -> None:
    """Let the log of the face tell everything, or only what matters. Where it goes stays."""
    logger.setLevel(logging.DEBUG if on_off else logging.NOTSET)


set_debug_model = set_futu_debug_model


def _version(version: int | str) -> int:
    major, dot, minor = str(version).partition(".")
    try:
        number = int(major) * 100 + int(minor) if dot else int(major)
    except ValueError:
        number = -1
    if not 0 <= number < 2**31:
        raise UsageError(f"a version is major * 100 + minor, not {version!r}")
    return number
