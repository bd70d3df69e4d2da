# SPDX-License-Identifier: GPL-3.0-or-later
"""All sections of the evidence, read while the slow programs run beside."""

from __future__ import annotations

import functools
import gc
import resource
import time
import typing as t

from .aide_rules import AideRules
from .child import Child, ChildError, ChildTimeoutError
from .section import SCHEMA, Reader, Section

# AIDE takes longest, and is started before the other readers are even imported: Python compiles them anew on every host, in a tenth of a second.
LONGEST: dict[str, type[Reader]] = {"aide_rules": AideRules}
# Their programs take longest: started first, they run while this process reads files.
STARTED_FIRST = ("scan", "sshd", "service", "gpu")
# Each question of theirs follows from the answer before it: they are read in a process of their own, while this one reads the others.
APART = ("service",)
# What can hang on somebody's file system comes when all else is safe; the walk and AIDE, which can take most of the time that there is, run beside
# until then.
LAST = ("service", "text", "file", "root_shell", "home", "scan", "aide_rules", "gpu")
SECONDS = 120
MEMORY = 512 << 20


def collect(request: dict[str, t.Any], *, limit: float = SECONDS) -> dict[str, t.Any]:
    """Read the state that REQUEST asks about, in a child process that is left behind when it takes too long.

    Args:
        request: what to look at, by section. A section that is not named is not read.
        limit: seconds for all of it.

    Returns:
        The evidence: ``schema``, ``collected`` (UTC), ``seconds`` by section, ``sections`` (see `Section.as_dict`)
        and ``complete``.
    """
    started = time.monotonic()
    collected = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    seconds: dict[str, float] = {}
    sections: dict[str, t.Any] = {}
    child = Child(lambda: _short_lived(request))
    reason = f"not read: the collector took longer than {limit:.0f} s"
    try:
        while len(sections) < len(request):
            name, section, took = child.next(started + limit - time.monotonic())
            sections[name], seconds[name] = section, took
    except ChildTimeoutError:
        pass
    except EOFError:
        reason = "not read: the collector ended early"
    except ChildError as exc:
        reason = f"not read: the collector ended with {exc}"
    finally:
        child.close()
    for name in request:
        sections.setdefault(name, Section.unreadable(reason).as_dict())
    seconds["total"] = round(time.monotonic() - started, 4)
    return {
        "schema": SCHEMA,
        "collected": collected,
        "seconds": seconds,
        "sections": sections,
        "complete": True,
    }


def _short_lived(request: dict[str, t.Any]) -> t.Iterator[tuple[str, dict[str, t.Any], float]]:
    """The sections, in a process that is there for nothing else."""
    # What lives for a second ends before collecting garbage pays.
    gc.disable()
    _soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    return _sections(request)


def _sections(request: dict[str, t.Any]) -> t.Iterator[tuple[str, dict[str, t.Any], float]]:
    """Each section with the seconds it took, the slow ones last. One that nothing reads is unreadable."""
    readers = {name: _guarded(reader, request[name]) for name, reader in LONGEST.items() if name in request}
    from .readers import READERS

    unknown = Section.unreadable(f"nothing reads such a section; there are {', '.join(READERS)}")
    for name in sorted(request.keys() - readers.keys(), key=lambda name: (name not in STARTED_FIRST, name)):
        if name not in READERS:
            readers[name] = lambda: unknown
        else:
            made = functools.partial(_Apart, READERS[name]) if name in APART else READERS[name]
            readers[name] = _guarded(made, request[name])
    for name in sorted(readers, key=lambda name: LAST.index(name) if name in LAST else -1):
        begun = time.monotonic()
        section = readers[name]()
        yield name, section.as_dict(), round(time.monotonic() - begun, 4)


def _guarded(made: t.Callable[[t.Any], Reader], request: t.Any) -> t.Callable[[], Section]:
    """Start a reader; its `read`, which never raises: one unreadable section must not hide the others."""
    try:
        reader = made(request)
    except Exception as exc:
        failed = Section.unreadable(f"{type(exc).__name__}: {exc}")
        return lambda: failed

    def read() -> Section:
        try:
            return reader.read()
        except Exception as exc:
            return Section.unreadable(f"{type(exc).__name__}: {exc}")

    return read


class _Apart(Reader):
    """A reader that starts and reads in a child process."""

    def __init__(self, made: type[Reader], request: t.Any) -> None:
        super().__init__(request)
        self.child = Child(lambda: [_guarded(made, request)().as_dict()])

    def read(self) -> Section:
        try:
            answer = self.child.next(SECONDS)
        except EOFError:
            return Section.unreadable("its reader ended early")
        finally:
            self.child.close()
        return Section(answer["items"], answer["left_out"])
