"""A fake nvidia-smi that keeps MIG instances, after the published tables of the MIG User Guide (H200: profiles, ids and placements)."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.unified.deploy.plugins.module_utils._change.programs import Answer

# Profile id, starts, size, and how many at most.
H200 = {
    "1g.18gb": (19, range(7), 1, 7),
    "1g.35gb": (15, (0, 2, 4, 6), 2, 4),
    "2g.35gb": (14, (0, 2, 4), 2, 3),
    "3g.71gb": (9, (0, 4), 4, 2),
    "4g.71gb": (5, (0,), 4, 1),
    "7g.141gb": (0, (0,), 8, 1),
}
LINE = "+-------------------------------------------------------+"


@dataclass
class FakeNvidiaSmi:
    """In the place of programs.run: answers nvidia-smi, and systemctl with nothing."""

    mode: str = "Enabled"
    # A100 takes the mode only with a reset, Hopper at once.
    at_once: bool = True
    processes: list[int] = field(default_factory=list)
    instances: dict[int, tuple[str, int]] = field(default_factory=dict)
    compute: set[int] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, argv: t.Sequence[str], **_options: t.Any) -> Answer:
        self.calls.append(list(argv))
        words = list(argv[1:])
        if argv[0] != "nvidia-smi":
            return Answer(0, "", "")
        if "--query-gpu=mig.mode.current" in words:
            return Answer(0, f"{self.mode}\n", "")
        if "--query-compute-apps=pid" in words:
            return Answer(0, "".join(f"{pid}\n" for pid in self.processes), "")
        if "-mig" in words:
            self.mode = "Enabled" if self.at_once else self.mode
            return Answer(0, "", "")
        verb = next(word for word in words if word in ("-lgi", "-lgip", "-lgipp", "-cgi", "-dgi", "-dci"))
        return {
            "-lgi": self.list,
            "-lgip": self.profiles,
            "-lgipp": self.places,
            "-cgi": self.create,
            "-dgi": self.destroy,
            "-dci": self.destroy,
        }[verb](words)

    def list(self, _words: t.Any) -> Answer:
        if not self.instances:
            return Answer(6, "No GPU instances found: Not Found\n", "")
        rows = [
            f"|   0  MIG {name:<14}{H200[name][0]:>4}{number:>9}{start:>11}:{H200[name][2]:<6}|"
            for number, (name, start) in sorted(self.instances.items())
        ]
        head = [
            LINE,
            "| GPU instances:                                        |",
            "| GPU   Name             Profile  Instance   Placement  |",
        ]
        return Answer(0, "\n".join([*head, LINE.replace("-", "="), *rows, LINE]) + "\n", "")

    def profiles(self, _words: t.Any) -> Answer:
        rows = [
            f"|   0  MIG {name:<14} {number:>3}     {many}/{many}        16.00      No     16     1     0   |"
            for name, (number, _s, _z, many) in H200.items()
        ]
        return Answer(0, "\n".join(rows) + "\n", "")

    def places(self, _words: t.Any) -> Answer:
        rows = [
            f"GPU  0 Profile ID {number:>2} Placement{'s' if len(starts) > 1 else ''}: {{{','.join(map(str, starts))}}}:{size}"
            for number, starts, size, _many in H200.values()
        ]
        return Answer(0, "\n".join(rows) + "\n", "")

    def create(self, words: t.Sequence[str]) -> Answer:
        for wish in words[words.index("-cgi") + 1].split(","):
            number, start = (int(one) for one in wish.split(":"))
            name = next(name for name, row in H200.items() if row[0] == number)
            size = H200[name][2]
            taken = [(at, H200[other][2]) for other, at in self.instances.values()]
            if start not in H200[name][1] or any(start < at + many and at < start + size for at, many in taken):
                return Answer(19, "", "Unable to create a GPU instance: Insufficient Resources")
            new = max(self.instances, default=0) + 1
            self.instances[new] = (name, start)
            self.compute.add(new)
        return Answer(0, "", "")

    def destroy(self, words: t.Sequence[str]) -> Answer:
        number = int(words[words.index("-gi") + 1])
        if number not in self.instances:
            return Answer(6, "", "Unable to destroy: Not Found")
        if number in self.busy:
            return Answer(19, "", "Unable to destroy: In use by another client")
        if "-dci" in words:
            self.compute.discard(number)
        elif number in self.compute:
            return Answer(19, "", "Unable to destroy GPU instance: In use by another client")
        else:
            del self.instances[number]
        return Answer(0, "", "")

    def layout(self) -> t.List[str]:
        return sorted(f"{name}:{start}" for name, start in self.instances.values())
