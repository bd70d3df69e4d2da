# SPDX-License-Identifier: GPL-3.0-or-later
"""Mode, owner and group of files that are there, and names that are to go: homes, logs, whatever others can write to.

Nothing is changed but the very file that was looked at; what is not as expected is left and named.
"""

from __future__ import annotations

import base64
import grp
import os
import pwd
import stat
import typing as t

from .errors import ChangeError, refused
from .files import absent, create, flush, read
from .journal import Fields
from .obstacles import attribute_obstacle
from .paths import O_PATH, Place, locate, trust


class Wish(t.NamedTuple):
    """What a file is to be.

    Attributes:
        mode: octal, ``o-w`` to take writing from others, ``go-w`` from the group too, ``+t`` to set the sticky bit; empty to leave it.
        state: ``present``, or ``absent`` to remove the name (a link itself, never its target).
        device, inode: of the file that was looked at; 0 where nobody noted them. They count where others than root can
            exchange it: root's own files get new ones whenever they are written.
    """

    path: str
    mode: str = ""
    owner: str = ""
    group: str = ""
    state: str = "present"
    device: int = 0
    inode: int = 0


def wanted_mode(text: str, now: int, path: str) -> int:
    if not text:
        return now
    if text == "o-w":
        return now & ~0o002
    if text == "go-w":
        return now & ~0o022
    if text == "+t":
        return now | stat.S_ISVTX
    try:
        return int(text, 8)
    except ValueError as exc:
        raise ChangeError(f"{path}: mode '{text}' is not octal, 'o-w', 'go-w' or '+t'") from exc


def look(wish: Wish) -> Fields | None:
    """What is to be changed, with all that is needed to change it back; None where the file is as wished.

    Raises:
        FileNotFoundError: there is no such file.
        ChangeError: it cannot be changed safely; the message says why.
    """
    if wish.state == "absent":
        return _look_at_name(wish)
    with locate(wish.path, trust()) as place:
        descriptor = _opened(place, wish.device, wish.inode)
        try:
            facts = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        now = stat.S_IMODE(facts.st_mode)
        try:
            uid = pwd.getpwnam(wish.owner).pw_uid if wish.owner else facts.st_uid
            gid = grp.getgrnam(wish.group).gr_gid if wish.group else facts.st_gid
        except KeyError as exc:
            raise ChangeError(f"{wish.path}: {str(exc).strip(chr(34))}") from exc
        before = [now, facts.st_uid, facts.st_gid]
        after = [wanted_mode(wish.mode, now, wish.path), uid, gid]
        if before == after:
            return None
        if place.shared and facts.st_uid == 0 and uid:
            # It may be a name of a file that root has replaced since: with the owner its old content would be given away.
            raise refused(
                place.path, "belongs to root in a directory of somebody else: look at it, and chown or remove it"
            )
        reason = attribute_obstacle(place)
        if reason:
            raise ChangeError(f"{wish.path} cannot be changed: {reason}")
        identity = {"device": facts.st_dev, "inode": facts.st_ino}
        return {"path": place.path, "state": "present", "before": before, "after": after, **identity}


def _opened(place: Place, device: int, inode: int) -> int:
    """A descriptor (O_PATH) of the file itself: a pipe is not waited for, a device not woken."""
    try:
        descriptor = place.open(O_PATH)
    except FileNotFoundError as exc:
        exc.filename = place.path
        raise
    facts = os.fstat(descriptor)
    reason = ""
    if stat.S_ISLNK(facts.st_mode):
        reason = "is a symbolic link: not followed"
    elif inode and place.shared and (facts.st_dev, facts.st_ino) != (device, inode):
        reason = "is no longer the file that was looked at"
    elif place.shared and not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
        reason = "is neither a file nor a directory"
    elif place.shared and stat.S_ISREG(facts.st_mode) and facts.st_nlink != 1:
        reason = "has another name (hard link), and its directory is not root's alone"
    if reason:
        os.close(descriptor)
        raise refused(place.path, reason)
    return descriptor


def change(entry: t.Mapping[str, t.Any], *, back: bool = False) -> None:
    """Make one change that look() found, or with BACK undo it.

    Raises:
        ChangeError, OSError: it cannot be made safely any more.
    """
    if entry["state"] == "absent":
        return _restore_name(entry) if back else _remove_name(entry)
    mode, uid, gid = entry["before" if back else "after"]
    with locate(entry["path"], trust(), follow=False) as place:
        descriptor = _opened(place, entry["device"], entry["inode"])
    try:
        # By descriptor, so that the file cannot be exchanged in between; chown(2) takes the set-id bits, so it comes first.
        handle = f"/proc/self/fd/{descriptor}"
        facts = os.fstat(descriptor)
        if (facts.st_uid, facts.st_gid) != (uid, gid):
            os.chown(handle, uid, gid)
        os.chmod(handle, mode)
    finally:
        os.close(descriptor)


def _look_at_name(wish: Wish) -> Fields | None:
    try:
        place = locate(wish.path, trust(), follow=False)
    except FileNotFoundError:
        return None
    with place:
        facts = place.facts()
        if facts is None:
            return None
        if wish.inode and (facts.st_dev, facts.st_ino) != (wish.device, wish.inode):
            raise refused(place.path, "is no longer the file that was looked at")
        entry: Fields = {
            "path": place.path,
            "state": "absent",
            "device": facts.st_dev,
            "inode": facts.st_ino,
            "before": [stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid],
            "after": [],
        }
        if stat.S_ISLNK(facts.st_mode):
            return {**entry, "target": os.readlink(place.name, dir_fd=place.directory)}
        if not stat.S_ISREG(facts.st_mode):
            raise refused(place.path, "is neither a file nor a link: not removed")
        original = read(place)
        return {**entry, "content": base64.b64encode(original.content if original else b"").decode()}


def _remove_name(entry: t.Mapping[str, t.Any]) -> None:
    try:
        place = locate(entry["path"], trust(), follow=False)
    except FileNotFoundError:
        return
    with place:
        facts = place.facts()
        if facts is None:
            return
        if (facts.st_dev, facts.st_ino) != (entry["device"], entry["inode"]):
            raise refused(place.path, "is no longer the file that was looked at")
        absent(place)


def _restore_name(entry: t.Mapping[str, t.Any]) -> None:
    mode, uid, gid = entry["before"]
    with locate(entry["path"], trust(), follow=False) as place:
        if place.facts() is not None:
            raise refused(place.path, "is there again")
        if "target" in entry:
            os.symlink(entry["target"], place.name, dir_fd=place.directory)
            os.chown(place.name, uid, gid, dir_fd=place.directory, follow_symlinks=False)
        else:
            content = base64.b64decode(entry["content"])
            create(place.directory, place.name, content, mode=mode, owner=uid, group=gid)
        flush(place.directory)


def described(entry: t.Mapping[str, t.Any], which: str) -> str:
    """One line of a diff."""
    if not entry[which]:
        return ""
    mode, uid, gid = entry[which]
    return f"{entry['path']} {mode:04o} {uid}:{gid}\n"
