"""What a walk must meet wherever it lies."""

from __future__ import annotations

from .scenario import Scenario

WRITABLE, OPEN, UNOWNED = "scan/world_writable_files", "scan/world_writable_directories", "scan/unowned"
SCENARIOS = (
    Scenario(WRITABLE, "file", "touch /opt/written; chmod 0666 /opt/written"),
    Scenario(
        WRITABLE,
        "file_systems_named_like_systems_own",
        "for d in /snapshots /systemdata /procurement; do mkdir -p $d; mount -t tmpfs tmpfs $d; touch $d/x; chmod 0666 $d/x; done",
    ),
    Scenario(
        WRITABLE,
        "storage_of_containers_that_others_may_enter",
        "mkdir -p -m 0755 /var/lib/docker/overlay2; chmod 0755 /var/lib/docker /var/lib/docker/overlay2\n"
        "touch /var/lib/docker/x /var/lib/docker/overlay2/x; chmod 0666 /var/lib/docker/x /var/lib/docker/overlay2/x",
    ),
    Scenario(
        WRITABLE,
        "storage_of_containers_that_is_closed",
        "install -d -m 0710 /var/lib/docker /var/lib/docker/overlay2; touch /var/lib/docker/overlay2/x; chmod 0666 /var/lib/docker/overlay2/x",
        "pass",
        alone=True,
    ),
    Scenario(
        WRITABLE, "name_that_is_no_text", "touch /opt/$'caf\\xe9'; chmod 0666 /opt/caf*", held="cannot be printed"
    ),
    Scenario(WRITABLE, "name_with_quotes_and_braces", 'touch "/opt/{{ x }} \'"; chmod 0666 /opt/*x*'),
    Scenario(WRITABLE, "link", "ln -s /nowhere /opt/link; ln -s /dev/null /opt/null", "pass", alone=True),
    Scenario(
        WRITABLE,
        "connection_with_a_tmp_of_its_own",
        "touch /tmp/written; chmod 0666 /tmp/written; d=/run/systemd/system/ssh.service.d; mkdir -p $d; "
        "printf '[Service]\\nPrivateTmp=yes\\n' > $d/x.conf; systemctl daemon-reload; systemctl restart ssh.service",
        "error",
        alone=True,
    ),
    Scenario(OPEN, "directory", "mkdir -m 0777 /opt/open"),
    Scenario(OPEN, "sticky_directory", "mkdir /opt/sticky; chmod 1777 /opt/sticky", "pass"),
    Scenario(OPEN, "below_a_mount", "mkdir -p /data; mount -t tmpfs tmpfs /data; mkdir -m 0777 /data/open"),
    Scenario(UNOWNED, "owner", "touch /opt/nobodys; chown 4242 /opt/nobodys", held="Only the operator knows"),
    Scenario(UNOWNED, "group", "touch /opt/nobodys; chgrp 4242 /opt/nobodys", held="Only the operator knows"),
    Scenario(
        UNOWNED,
        "directory_and_pipe",
        "mkdir /opt/d; mkfifo /opt/p; chown 4242 /opt/d /opt/p",
        held="Only the operator knows",
    ),
)
_LIBRARY, _COMMAND = "/usr/lib/unified-test.so", "/usr/local/bin/unified-test"
SCENARIOS += (
    Scenario("scan/library_writable", "by_a_group", f"touch {_LIBRARY}; chmod 0664 {_LIBRARY}"),
    Scenario("scan/library_writable", "link_to_elsewhere", f"ln -s /tmp/none {_LIBRARY}", "pass"),
    Scenario("scan/library_owner", "of_a_user", f"touch {_LIBRARY}2; chown ansible {_LIBRARY}2"),
    Scenario("scan/library_owner", "of_a_system_account", f"touch {_LIBRARY}2; chown daemon {_LIBRARY}2"),
    Scenario("scan/library_group", "of_people", f"touch {_LIBRARY}3; chgrp ansible {_LIBRARY}3"),
    Scenario("scan/library_group", "of_a_system_account", f"touch {_LIBRARY}3; chgrp daemon {_LIBRARY}3", "pass"),
    Scenario("scan/library_directory_owner", "below", "mkdir -p /usr/lib/unified/a; chown daemon /usr/lib/unified/a"),
    Scenario("scan/library_directory_owner", "beside", "mkdir /usr/libunified; chown daemon /usr/libunified", "pass"),
    Scenario("scan/library_directory_group", "below", "mkdir -p /usr/lib/unified/b; chgrp daemon /usr/lib/unified/b"),
    Scenario("scan/command_writable", "by_a_group", f"touch {_COMMAND}; chmod 0775 {_COMMAND}"),
    Scenario("scan/command_owner", "of_a_user", f"touch {_COMMAND}2; chown ansible {_COMMAND}2"),
    Scenario("scan/command_owner", "of_a_system_account", f"touch {_COMMAND}2; chown daemon {_COMMAND}2", "pass"),
    Scenario("scan/command_group", "of_people", f"touch {_COMMAND}3; chgrp ansible {_COMMAND}3"),
)
WITHOUT: dict[str, str] = {}
_LIBRARIES, _COMMANDS = (
    "/lib /lib64 /usr/lib /usr/lib64",
    "/bin /sbin /usr/bin /usr/sbin /usr/local/bin /usr/local/sbin",
)


def _none(directories: str, test: str) -> str:
    return f'[ -z "$(find -H {directories} -xdev {test} -print -quit 2>/dev/null)" ]'


_TREES = "$(findmnt -nro TARGET -t ext4,tmpfs,overlay | grep -Ev '^/(proc|sys)(/|$)')"
_CLOSED = (
    "$([ $(stat -c %a /var/lib/docker 2>/dev/null || echo 755) = 710 ] && echo /var/lib/docker/overlay2 || echo -)"
)
OBSERVERS = {
    # As the system sees it, whatever the login sees.
    WRITABLE: f"""nsenter -t 1 -m bash -eu <<'EOF'
for t in {_TREES}; do [ -z "$(find $t -xdev -path {_CLOSED} -prune -o -type f -perm -0002 -print -quit)" ] || exit 1; done
EOF
""",
    OPEN: f'for t in {_TREES}; do [ -z "$(find $t -xdev -type d -perm -0002 ! -perm -1000 -print -quit)" ] || exit 1; done',
    UNOWNED: f'for t in {_TREES}; do [ -z "$(find $t -xdev \\( -nouser -o -nogroup \\) -print -quit)" ] || exit 1; done',
    "scan/library_writable": _none(_LIBRARIES, "-type f -perm /0022"),
    "scan/library_owner": _none(_LIBRARIES, "-type f ! -uid 0"),
    "scan/library_group": _none(_LIBRARIES, "-type f -gid +999"),
    "scan/library_directory_owner": _none(_LIBRARIES, "-type d ! -uid 0"),
    "scan/library_directory_group": _none(_LIBRARIES, "-type d ! -gid 0"),
    "scan/command_writable": _none(_COMMANDS, "-type f -perm /0022"),
    "scan/command_owner": _none(_COMMANDS, "-type f -uid +999"),
    "scan/command_group": _none(_COMMANDS, "-type f -gid +999"),
}
