"""Keep the secrets of database addresses (passwords, tokens, keys) out of everything printed or stored."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from forecaster.errors import ForecasterError

#: Part of the name of a setting whose value is a secret.
_NAME = (
    r"[\w-]*(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|credentials?|sig(?:nature)?"
    r"|(?:api|access|account|private|shared)[_-]?key)(?![a-z])[\w-]*"
)
#: A value as written: in quotes or in braces (ODBC), each with its escapes, or up to the next separator.
_VALUE = r"""(?:"(?:[^"\\]|""|\\.)*"|'(?:[^'\\]|''|\\.)*'|\{(?:[^}]|\}\})*\}|["'{]?[^\s&;,"']*)"""
_SETTING = re.compile(rf"(?is)((?:\b{_NAME}|(?<=[?&])(?:auth|key))(?:\s*=\s*|%3d))({_VALUE})")
#: ``scheme://user:``, also with one slash, and a password of any characters up to the last @; ``https://token@``.
_PASSWORD = r"(\w://?[^:/\s]*):{}@"
_TOKEN = re.compile(r"(?i)(\bhttps?://)([^/:@\s]+)@")
#: Environment variables from which drivers take a password.
_ENVIRONMENT = ("PGPASSWORD", "MYSQL_PWD")
#: Least characters of a secret that is searched for by itself; a shorter one is part of too many words.
_LEAST = 3


def redact(text: str) -> str:
    """Return a text with the secrets of every address and setting in it replaced by ``***``."""
    text = re.sub(_PASSWORD.format(r"\S*"), r"\1:***@", text)
    return _SETTING.sub(r"\1***", _TOKEN.sub(r"\1***@", text))


def redact_address(address: str) -> str:
    """Return one address, or one argument of a command that may hold one, without its secrets."""
    if re.match(r"""[\s"']*(?:--?[\w-]+=|-\w)?[\s"']*\w[\w+.-]*:/""", address):  # a password may hold blanks
        address = re.sub(f"(?s){_PASSWORD.format('.*')}", r"\1:***@", address)
    return redact(address)


def secrets_of(address: str) -> set[str]:
    """Return the secrets of an address in every form a driver may write them: plain or percent-encoded."""
    found = [token for _, token in _TOKEN.findall(address)]
    if user := re.search(r"(?s)\w://?[^:/\s]*:(.*)@", address):
        found += [user[1], *user[1].split("@")]
    for text in (address, unquote_plus(address)):
        found += [value.strip("'\"{}") for _, value in _SETTING.findall(text)]
    plain = {decode(secret) for secret in found for decode in (str, unquote, unquote_plus)}
    written = {encode(secret) for secret in plain for encode in (str, quote, quote_plus, _quote_all)}
    return {secret for secret in written if len(secret) >= _LEAST}


def _quote_all(secret: str) -> str:
    return quote(secret, safe="")


def redact_known(text: str, secrets: set[str]) -> str:
    """Return a text with known secrets, and those of addresses and settings, replaced by ``***``."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return redact(text)


@contextmanager
def redact_errors(address: str) -> Iterator[None]:
    """Remove the secrets of an address from any error that leaves the block."""
    try:
        yield
    except ForecasterError as error:
        secrets = secrets_of(address) | {os.environ.get(name, "") for name in _ENVIRONMENT} - {""}
        error.message, error.hint = redact_known(error.message, secrets), redact_known(error.hint, secrets)
        error.args = (error.message,)
        raise
