"""Scenarios of kind `shell`."""

from __future__ import annotations

from .scenario import Scenario

OURS = "/etc/profile.d/zz-unified.sh"
TMOUT, UMASK = "shell/TMOUT", "shell/umask"

SCENARIOS = (
    Scenario(TMOUT, "line_removed", f"sed -i '/TMOUT/d' {OURS}"),
    Scenario(TMOUT, "line_commented", f"sed -i 's/.*TMOUT/#&/' {OURS}"),
    Scenario(TMOUT, "not_read_only", f"sed -i 's/readonly TMOUT/TMOUT/' {OURS}"),
    Scenario(TMOUT, "declared_otherwise", f"sed -i 's/.*TMOUT.*/declare -xr TMOUT=600/' {OURS}", "pass"),
    Scenario(TMOUT, "quoted", f"sed -i 's/TMOUT=900/TMOUT=\"900\"/' {OURS}", "pass"),
    Scenario(
        TMOUT,
        "later_script_unsets_it",
        "umask 022; echo 'unset TMOUT' > /etc/profile.d/zzz-tmout.sh",
        held="/etc/profile.d/zzz-tmout.sh",
    ),
    Scenario(
        TMOUT,
        "set_behind_a_condition",
        "umask 022; echo '[ -n \"$BASH\" ] && TMOUT=0' > /etc/profile.d/aa-tmout.sh",
        held="/etc/profile.d/aa-tmout.sh",
    ),
    Scenario(
        TMOUT,
        "right_value_behind_a_condition",
        f"sed -i '/TMOUT/d' {OURS}; printf 'if false; then\\nreadonly TMOUT=600; export TMOUT\\nfi\\n' > /etc/profile.d/aa-tmout.sh",
    ),
    Scenario(TMOUT, "named_in_a_comment", "echo '# TMOUT=0 would switch it off' > /etc/profile.d/aa-tmout.sh", "pass"),
    Scenario(UMASK, "line_removed", f"sed -i '/^umask/d' {OURS}"),
    Scenario(UMASK, "value_replaced", f"sed -i 's/^umask.*/umask 022/' {OURS}"),
    Scenario(UMASK, "four_digits", f"sed -i 's/^umask.*/umask 0077/' {OURS}", "pass"),
    Scenario(UMASK, "symbolic", f"sed -i 's/^umask.*/umask u=rwx,g=rx,o=/' {OURS}", "pass"),
    Scenario(UMASK, "symbolic_and_open", f"sed -i 's/^umask.*/umask u=rwx,go=rx/' {OURS}"),
    Scenario(
        UMASK, "later_script_wins", "umask 022; echo 'umask 022' > /etc/profile.d/zzz.sh", held="/etc/profile.d/zzz.sh"
    ),
    Scenario(
        UMASK,
        "set_behind_a_condition",
        "umask 022; echo 'if true; then umask 002; fi' > /etc/profile.d/aa.sh",
        held="/etc/profile.d/aa.sh",
    ),
    Scenario(
        UMASK,
        "value_of_a_variable",
        "umask 022; printf 'M=022\\numask $M\\n' > /etc/profile.d/zzz.sh",
        held="/etc/profile.d/zzz.sh",
    ),
    Scenario(
        UMASK,
        "read_in_for_people_only",
        "umask 022; echo umask 022 > /etc/site-umask; echo '[ \"$(id -u)\" -lt 1000 ] || . /etc/site-umask' > /etc/profile.d/zzz.sh",
        held="what a script reads in",
    ),
    Scenario(
        UMASK,
        "as_a_shell_alone_reads_it",
        "umask 022; echo 'case $- in *) eval \"umask 022\";; esac' > /etc/profile.d/zzz.sh",
        held="what a script reads in",
    ),
    Scenario(
        TMOUT,
        "for_root_only",
        f"sed -i 's/^readonly TMOUT.*/if [ \"$(id -u)\" = 0 ]; then\\n&\\nfi/' {OURS}",
        held="a condition that does not hold for everybody",
    ),
    Scenario(UMASK, "script_of_another_suffix_is_not_read", "echo 'umask 022' > /etc/profile.d/zzz.txt", "pass"),
)
WITHOUT: dict[str, str] = {}
# As the benchmarks' own audits do: what a login gets, and that a script says so and none otherwise, whichever comes last.
_SCRIPTS = "cat /etc/profile /etc/bash.bashrc /etc/profile.d/*.sh | sed 's/#.*//'"
OBSERVERS = {
    TMOUT: "[ \"$(su - -s /bin/bash nobody -c 'echo $TMOUT' | tail -1)\" -le 900 ] && su - -s /bin/bash nobody -c 'readonly -p' | grep TMOUT"
    f" && ! {_SCRIPTS} | grep -E 'unset +TMOUT|TMOUT=\"?(0|9[0-9][1-9]|[0-9]{{4,}})\\b'",
    UMASK: "case $(su - -s /bin/bash nobody -c umask | tail -1) in 0027|0077) ;; *) false;; esac"
    f" && {_SCRIPTS} | grep -E '^ *umask ' && ! {_SCRIPTS} | grep -oE 'umask +[0-7]+' | grep -vE '0(27|77)$'",
}
