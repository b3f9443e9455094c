# Copyright (c) 2026, stockade.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's files on the host: versions side by side, one link that says which one runs.

Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import typing as t
import zlib

from ansible_collections.stockade.fleet.plugins.module_utils._errors import StockadeError
from ansible_collections.stockade.fleet.plugins.module_utils._files import replace

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Run = t.Callable[[t.List[str]], t.Tuple[int, str, str]]

BASE = "/usr/local/lib/stockade"
CURRENT = BASE + "/current"
COMMAND = "/usr/local/bin/stockade"
COMPLETION = "/usr/local/share/bash-completion/completions/stockade"
PYTHON = "/usr/bin/python3"
MANIFEST = "manifest.json"


def runner(module: AnsibleModule) -> Run:
    """The module's ``run_command``, where a program that is missing has failed, and does not end the module midway."""

    def run(command: list[str]) -> tuple[int, str, str]:
        try:
            return t.cast("tuple[int, str, str]", module.run_command(command, handle_exceptions=False))
        except OSError as error:
            return 127, "", "%s: %s" % (command[0], error.strerror)

    return run


def version_directory(name: str) -> str:
    """Where the version ``name`` lives."""
    return os.path.join(BASE, name)


def is_intact(name: str) -> bool:
    """True if every file of the version is there as it was unpacked."""
    return not damaged(name)


def damaged(name: str) -> list[str]:
    """The files of the version that are not as they were unpacked, or gone; its manifest if that cannot be read."""
    directory = version_directory(name)
    path = os.path.join(directory, MANIFEST)
    try:
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
    except (OSError, ValueError):
        return [path]
    if not isinstance(manifest, dict) or not manifest:
        return [path]
    files = {os.path.join(directory, path): digest for path, digest in manifest.items()}
    return sorted(path for path, digest in files.items() if not _holds(path, digest))


def _holds(path: str, digest: str) -> bool:
    try:
        return _digest(path) == digest
    except OSError:
        return False


def decoded(package: str) -> bytes:
    """The archive of a package as the controller sends it."""
    return zlib.decompress(base64.b64decode(package))


def unpack(name: str, content: bytes, run: Run) -> None:
    """Put the version beside the others, byte-compiled, complete before it gets its name.

    Raises StockadeError if the archive holds anything but plain files below itself.
    """
    os.makedirs(BASE, mode=0o755, exist_ok=True)
    fresh = tempfile.mkdtemp(prefix=".new-", dir=BASE)
    try:
        manifest = _write_members(content, fresh)
        rc, _out, err = run([PYTHON, "-I", "-m", "compileall", "-q", "-s", fresh, "-p", version_directory(name), fresh])
        if rc != 0:
            raise StockadeError("cannot compile the agent with %s: %s" % (PYTHON, err.strip()[:300]))
        with open(os.path.join(fresh, MANIFEST), "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1, sort_keys=True)
        os.chmod(os.path.join(fresh, MANIFEST), 0o644)
        os.chmod(fresh, 0o755)
        shutil.rmtree(version_directory(name), ignore_errors=True)
        os.rename(fresh, version_directory(name))
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _write_members(content: bytes, target: str) -> dict[str, str]:
    manifest = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for member in archive:
            parts = member.name.split("/")
            source = archive.extractfile(member) if member.isreg() else None
            if source is None or member.name.startswith("/") or ".." in parts:
                raise StockadeError("the agent's package holds %r, which is no plain file below it" % member.name)
            path = os.path.join(target, *parts)
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            with open(path, "wb") as file:
                file.write(source.read())
            os.chmod(path, 0o755 if parts[0] == "bin" else 0o644)
            manifest[member.name] = _digest(path)
    return manifest


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def current() -> str | None:
    """The name of the version that runs, None if there is none."""
    try:
        return os.path.basename(os.readlink(CURRENT))
    except OSError:
        return None


def switch(name: str | None) -> None:
    """Make ``name`` the version that runs, in one rename; None takes the link away."""
    if name is None:
        remove(CURRENT)
    else:
        link(name, CURRENT)


def link(target: str, path: str) -> None:
    """Make ``path`` a symbolic link to ``target``, replacing what is there."""
    fresh = path + ".new"
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    remove(fresh)
    os.symlink(target, fresh)
    os.replace(fresh, path)


def prune(keep: t.Container[str | None]) -> None:
    """Remove every version that is not in ``keep``."""
    for name in os.listdir(BASE):
        path = os.path.join(BASE, name)
        if os.path.isdir(path) and not os.path.islink(path) and name not in keep:
            shutil.rmtree(path)


def remove(path: str) -> bool:
    """Remove a file or link; False if it was not there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def read(path: str) -> bytes | None:
    """The bytes of a file, None without one."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path: str, content: bytes | None, *, secret: bool = False) -> None:
    """Make the file hold ``content`` in one rename, readable for everybody or, a secret, for root; None removes it."""
    if content is None:
        if remove(path):
            remove_empty(os.path.dirname(path))
        return
    os.makedirs(os.path.dirname(path), mode=0o700 if secret else 0o755, exist_ok=True)
    replace(path, content, mode=0o600 if secret else 0o644)


def remove_empty(directory: str) -> None:
    """Remove a directory unless something is in it."""
    with contextlib.suppress(OSError):
        os.rmdir(directory)
