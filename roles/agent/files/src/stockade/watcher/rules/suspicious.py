# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request probes for: sensitive files, injections, paths out of the tree.

Only the request line is looked at, decoded; a link to a page about `.env` in the referer is not a probe. Nearly every
request asks for something ordinary, so there are two passes: the first reads a few characters of the undecoded line and
may only say `ordinary` or `look closer`; the second decodes it. What the first pass looks for is made from the list of
paths, so a list of one's own needs no thought about it.

An ordinary line costs a comparison and two look-ups beside its shape, one with a dot some more; a closer look costs as
much as fifty of them. Names without a dot that count anywhere cost a search in every line.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable, Sequence

from stockade.watcher.events import Request
from stockade.watcher.rules import attacks
from stockade.watcher.rules.requestline import Target, parse
from stockade.watcher.rules.shapes import ENDS, PLAIN, UNDOTTED, shape_of

KINDS = ("path", "injection", "traversal")
MAX_TOKEN = 120  # characters of a path in a token
_REMEMBERED = 4096  # requests that needed a closer look

# A name counts as whole segments of the path: anywhere, or from the root if it begins with `/`. `*` is anything within
# a segment. Names without a dot are from the root: `/docs/actuator/env` is a page of somebody's manual. Nothing here is
# part of a site that is in use: no login page, no xmlrpc.php, no phpMyAdmin. Nor is anything that a site with source
# code shows to its visitors by the dozen (.gitignore, .github, .env.example).
_DUMPS = ("backup", "backups", "dump", "database", "db", "mysql", "users", "wordpress", "localhost")
DEFAULT_PATHS = (
    ".env", ".env.*", ".env_*", ".env-*", ".env~", ".envrc", "*.env",
    ".git", ".git-credentials", ".svn", ".hg", ".bzr", ".aws", ".ssh", ".kube", ".docker", ".dockerenv",
    ".htpasswd*", ".ds_store", ".bash_history", ".mysql_history", ".pgpass", ".netrc", ".npmrc", ".vscode/sftp.json",
    ".config/gcloud", ".s3cfg", ".boto", ".ftpconfig", "sftp-config.json",
    "wp-config.php", "wp-config.php.*", "wp-config.php_*", "wp-config.php~", "wp-config.php-*", ".wp-config.php*",
    "wp-config.bak", "wp-config.old", "wp-config.txt", "wp-config-backup.php",
    "config.php.bak", "config.php.old", "config.php~", "configuration.php.bak", "configuration.php~",
    "settings.php.bak",
    *(f"{name}.sql{ending}" for name in _DUMPS for ending in ("", ".*")),
    "/backup.zip", "/backup.tar.gz", "/backup.tgz", "/backup.rar", "/www.zip", "/wwwroot.zip", "/site.tar.gz",
    "/id_rsa", "/id_dsa", "/id_ed25519", "/privatekey.key", "/server.key", "/config.bak", "/web.config",
    "/credentials.json", "/secrets.json", "/serviceaccountkey.json", "eval-stdin.php", "phpinfo.php",
    "/actuator/env", "/actuator/heapdump", "/actuator/gateway", "/server-status", "/server-info", "/_ignition",
    "/_profiler/phpinfo", "/telescope/requests", "/debug/default/view", "/vendor/phpunit",
    "/cgi-bin/luci", "/cgi-bin/php*", "/cgi-bin/test-cgi", "/cgi-bin/bash", "/cgi-bin/sh",
    "/boaform", "/gponform", "/goform", "/hnap1", "/setup.cgi", "/currentsetting.htm", "/portal/redlion",
    "/etc/passwd", "/etc/shadow", "/proc/self",
)  # fmt: skip
# For sites that have none of these: one request is enough to know a scanner.
WIDE_PATHS = (
    *DEFAULT_PATHS,
    "wp-config*", "config.php", "configuration.php", "setup.php", "install.php", "xmlrpc.php", "info.php", "test.php",
    "adminer.php", "adminer-*.php", "phpmyadmin*", "pma", "myadmin", "mysqladmin", "dbadmin", "/cgi-bin", "/actuator",
    "/manager/html", "/solr/admin", "/druid/index.html", "/owa/auth", "/console/login", "web.config*", ".htaccess*",
    "docker-compose.yml", ".gitlab-ci.yml", ".idea", ".vscode",
)  # fmt: skip
# Never sensitive, whatever the lists say.
_HARMLESS = r"\.well-known(?:/|$)|\.env[._-](?:example|sample|template|dist|guide)\b"

_METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")
_ENDING, _BEFORE = 3, 6  # characters of an extension, and of what stands before it, that the first pass compares
_DOT_NAME = "/"  # what stands before the dot that begins a name
_HEAD = 9  # first bytes of a request line that tell whether its path may begin with a sensitive name
# Shapes: blank, dots of the path and the query, blank, dot of the protocol's version.
_UNDOTTED = frozenset((UNDOTTED, b"  "))
_DOTTED = frozenset(b" " + b"." * dots + b" " + version for dots in range(1, 30) for version in (b".", b""))


class Suspicious:
    """Tells probes from ordinary requests. `paths`: sensitive names; `kinds`: those of KINDS that count."""

    def __init__(self, paths: Sequence[str] = DEFAULT_PATHS, kinds: Collection[str] = KINDS) -> None:
        self._kinds = frozenset(kinds)
        names = [path.lower() for path in paths] if "path" in self._kinds else []
        self._sensitive = _matcher(names)
        self._known: dict[bytes, str] = {}
        dotted, rooted, words = _by_place(names)
        self._heads = _heads(rooted)
        self._within = _within(words).search if words else None  # these cost a search in every request
        self._near_dot, self._extensions = _near_dot(dotted).search, _extensions(dotted)

    def token(self, request: bytes) -> str:
        """What a request line (as it was logged) probes for, empty if it is ordinary.

        `path:/.env`: one text for all spellings of one path. `injection:sql:1a2b3c4d`, `traversal:1a2b3c4d`: one text
        for each decoded request.
        """
        return self._token(request, shape_of(request))

    def hits(self, events: list[Request], shapes: list[bytes]) -> list[tuple[Request, str]]:
        """The requests among these that are no ordinary ones, each with its token."""
        look, heads, end, both = self._token, self._heads, _HEAD, zip(events, shapes, strict=True)
        if self._within is not None:
            return [(event, token) for event, shape in both if (token := look(event[2], shape))]
        return [
            (event, token)
            for event, shape in both
            if (shape != UNDOTTED or event[2][:end] in heads) and (token := look(event[2], shape))
        ]

    def _token(self, request: bytes, shape: bytes) -> str:
        """The first pass; the second one only for what may be no ordinary request."""
        if self._within is None or self._within(request) is None:
            if request[:_HEAD] in self._heads:
                return self._closer(request)
            if shape[-1:] in ENDS and self._extensions:
                before = self._extensions.get(shape[:_ENDING])
                if before is None or (before and request[: -len(shape) - 1][-_ENDING:].lower() not in before):
                    return ""
            elif shape in _UNDOTTED or ((shape in _DOTTED or shape[-1:] in ENDS) and self._near_dot(request) is None):
                return ""
        return self._closer(request)

    def _closer(self, request: bytes) -> str:
        try:
            return self._known[request]
        except KeyError:
            pass
        target = parse(request)
        token = "" if target is None else self._judge(target)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        if len(request) <= 512:
            self._known[request] = token
        return token

    def _judge(self, target: Target) -> str:
        traversal = "traversal" in self._kinds
        if "path" in self._kinds and not (traversal and target.escapes):
            path = b"/" + b"/".join(target.segments)
            if self._sensitive.search(path):
                return "path:" + _printable(path)
        if "injection" in self._kinds:
            kind = attacks.injection(target)
            if kind:
                return f"injection:{kind}:{_digest(target)}"
        if traversal and attacks.traversal(target):
            return f"traversal:{_digest(target)}"
        return ""


def _digest(target: Target) -> str:
    return f"{zlib.crc32(target.path + b'?' + target.query):08x}"


def _printable(path: bytes) -> str:
    text = path.decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)[:MAX_TOKEN]


def _matcher(names: Iterable[str]) -> re.Pattern[bytes]:
    rooted = [_glob(name[1:]) for name in names if name.startswith("/")]
    anywhere = [_glob(name) for name in names if not name.startswith("/")]
    choices = [rf"^/(?:{'|'.join(rooted)})"] if rooted else []
    choices += [rf"/(?!{_HARMLESS})(?:{'|'.join(anywhere)})"] if anywhere else []
    pattern = rf"(?:{'|'.join(choices)})(?:/|$)" if choices else r"(?!)"
    return re.compile(pattern.encode("utf-8"), re.DOTALL)


def _glob(name: str) -> str:
    return "[^/]*".join(re.escape(part) for part in name.strip("/").split("*"))


# -- the first pass --


def _by_place(names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Names with a dot, those without that begin at the root, those without that count anywhere."""
    undotted = [name for name in names if not _has_dot(name)]
    return (
        [name for name in names if _has_dot(name)],
        [name for name in undotted if _long(name)],
        [name for name in undotted if not _long(name)],
    )


def _has_dot(name: str) -> bool:
    return "/." in f"/{name}" or "." in name.rpartition("/")[2]


def _long(name: str) -> bool:
    return name.startswith("/") and len(name.partition("*")[0]) >= _HEAD - len("GET ")


def _heads(names: Iterable[str]) -> frozenset[bytes]:
    """How request lines begin whose path begins with one of these names, in any case."""
    return frozenset(
        f"{method} ".encode("ascii")[:_HEAD] + spelled
        for name in names
        for method in _METHODS
        for before in ("", "/", "/.")
        for spelled in _spellings(f"{before}{name}"[: max(0, _HEAD - len(method) - 1)])
    )


def _around_dots(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """What stands before a dot of each name (the end of it) and behind (the beginning)."""
    for name in names:
        before, dot, after = f"/{name}".partition("/.")
        if dot:
            before = _DOT_NAME
        else:
            name = name.rpartition("/")[2]
            if name.count(".") > 1:
                name = name.removesuffix(".*")  # the dot before will do
            before, _dot, after = f"/{name}".rpartition(".")
        yield before.rpartition("*")[2][-_BEFORE:], after.partition("*")[0][:_ENDING].partition("/")[0]


def _extensions(names: Iterable[str]) -> dict[bytes, frozenset[bytes]]:
    """What follows the dot of these names, in any case, and what stands before it, three characters each.

    An empty set is anything. No entries at all: three characters do not tell.
    """
    found: dict[bytes, frozenset[bytes]] = {}
    anything: set[bytes] = set()
    for before, ending in _around_dots(names):
        if len(ending) < _ENDING - 1:
            return {}
        tail = before.encode("utf-8")[-_ENDING:]
        fillers = [""] if len(ending) == _ENDING else [chr(number) for number in b" " + PLAIN]
        for spelled in [spelled for filler in fillers for spelled in _spellings(ending + filler)]:
            found[spelled] = found.get(spelled, frozenset()) | {tail}
            if len(tail) < _ENDING:
                anything.add(spelled)
    return {spelled: frozenset() if spelled in anything else tails for spelled, tails in found.items()}


def _near_dot(names: Iterable[str]) -> re.Pattern[bytes]:
    """Finds a dot that may belong to one of these names, or is the second of two."""
    endings: dict[str, set[str]] = {}
    for before, ending in _around_dots(names):
        if before != _DOT_NAME:
            endings.setdefault(ending, set()).add(_folded(before))
    choices = [r"(?<=/\.)", r"\."]
    for first in sorted({ending[:1] for ending in endings}):
        group = []
        for ending in sorted(ending for ending in endings if ending[:1] == first):
            folded = _folded(ending)
            behind = "|".join(rf"(?<={before}\.{folded})" for before in sorted(endings[ending]))
            group.append(f"{_folded(ending[1:])}(?:{behind})")
        choices.append(f"{_folded(first)}(?:{'|'.join(group)})")
    return re.compile(("\\.(?:" + "|".join(choices) + ")").encode("utf-8"))


def _spellings(text: str) -> set[bytes]:
    spellings = {b""}
    for char in text:
        spellings = {start + case.encode("utf-8") for start in spellings for case in (char.lower(), char.upper())}
    return spellings


def _within(words: Iterable[str]) -> re.Pattern[bytes]:
    return re.compile(
        ("/(?:" + "|".join(_folded(word.strip("/").partition("*")[0]) for word in words) + ")").encode("utf-8")
    )


def _folded(text: str) -> str:
    return "".join(f"[{char}{char.upper()}]" if char.isascii() and char.isalpha() else re.escape(char) for char in text)
