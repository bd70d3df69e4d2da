"""Accounts and groups."""

from __future__ import annotations

from .scenario import Scenario

OPERATOR = "Only the operator knows"
_HASH = "'$6$x$yyyyyyyyyyyyyyyyyyyyy'"
SCENARIOS = (
    Scenario("account/empty_password", "empty_field", "useradd -M -s /bin/bash nopass; sed -i 's/^nopass:[^:]*:/nopass::/' /etc/shadow", alone=True),
    Scenario("account/empty_password", "empty_field_of_passwd", "useradd -M -s /bin/bash nopass; sed -i 's/^nopass:x:/nopass::/' /etc/passwd",
             held="in passwd(5) itself", alone=True),
    Scenario("account/gid_zero_accounts", "first_group", "useradd -M -g 0 -N -s /usr/sbin/nologin zerogroup", held="changes who may read"),
    Scenario("account/gid_zero_groups", "second_group", "groupadd -o -g 0 zero", held="Renumbering", alone=True),
    Scenario("account/groups_exist", "group_is_gone",
             "groupadd keep; useradd -M -g keep -s /usr/sbin/nologin lost; sed -i '/^keep:/d' /etc/group", held=OPERATOR, alone=True),
    Scenario("account/inactive_days", "never", "chage -I -1 ansible"),
    Scenario("account/inactive_days", "too_late", "chage -I 46 ansible"),
    Scenario("account/inactive_days", "stricter", "chage -I 30 ansible", "pass"),
    Scenario("account/invalid_shell_locked", "password_without_a_shell",
             f"useradd -M -s /usr/sbin/nologin noshell; usermod -p {_HASH} noshell", alone=True),
    Scenario("account/invalid_shell_locked", "shell_that_is_not_listed", f"useradd -M -s /opt/shell noshell; usermod -p {_HASH} noshell", alone=True),
    Scenario("account/invalid_shell_locked", "locked",
             f"useradd -M -s /usr/sbin/nologin noshell; usermod -p {_HASH} noshell; usermod -L noshell", "pass"),
    Scenario("account/password_change_past", "in_the_future", "chage -d 2050-01-01 ansible", held="wrong clock"),
    Scenario("account/password_max_days", "for_ever", "chage -M 99999 ansible"),
    Scenario("account/password_max_days", "not_set", "chage -M -1 ansible"),
    Scenario("account/password_max_days", "no_day_of_the_last_change", "chage -d -1 ansible", held="no day of the last change", alone=True),
    Scenario("account/password_max_days", "stricter", "chage -M 90 ansible", "pass"),
    Scenario("account/password_min_days", "none", "chage -m 0 ansible"),
    Scenario("account/password_warn_days", "none", "chage -W 0 ansible"),
    Scenario("account/password_warn_days", "longer", "chage -W 14 ansible", "pass"),
    Scenario("account/root_access", "empty_password", "sed -i 's/^root:[^:]*:/root::/' /etc/shadow", alone=True),
    Scenario("account/root_locked", "password", "echo root:Correct-Horse-7 | chpasswd -c SHA512", held="last way in"),
    Scenario("account/shadow_group_empty", "member", "usermod -aG shadow games", held="on purpose"),
    Scenario("account/shadow_group_empty", "first_group", "useradd -M -N -g shadow -s /usr/sbin/nologin reader", held="on purpose"),
    Scenario("account/shadowed", "hash_in_passwd", "sed -i 's/^games:x:/games:abc:/' /etc/passwd", held="pwconv"),
    Scenario("account/system_shells", "bash", "usermod -s /bin/bash games"),
    Scenario("account/system_shells", "empty", "usermod -s '' games"),
    Scenario("account/system_shells", "shell_that_is_not_listed", "cp /bin/sh /opt/shell; usermod -s /opt/shell games"),
    Scenario("account/system_shells", "named_like_nologin", "cp /bin/sh /opt/nologin; usermod -s /opt/nologin games"),
    Scenario("account/system_shells", "false", "usermod -s /bin/false games", "pass"),
    Scenario("account/uid_zero", "second_root", "useradd -o -u 0 -M -s /usr/sbin/nologin toor", held="second root", alone=True),
    Scenario("account/uid_zero", "with_leading_blanks", "printf '  toor:x:0:0::/:/usr/sbin/nologin\\n' >> /etc/passwd", held="second root", alone=True),
    Scenario("account/uid_zero", "brought_in_by_nis", "echo '+::::::' >> /etc/passwd", "error", alone=True),
    Scenario("account/unique_gid", "twin", "groupadd -o -g 1000 twin", held="Renumbering"),
    Scenario("account/unique_group_name", "line_twice",
             "line=$(grep '^games:' /etc/group); echo \"$line\" >> /etc/group", held=OPERATOR, alone=True),
    Scenario("account/unique_uid", "twin", "useradd -o -u 1 -M -s /usr/sbin/nologin twinuser", held="Renumbering"),
    Scenario("account/unique_user_name", "line_twice",
             "line=$(grep '^games:' /etc/passwd); echo \"$line\" >> /etc/passwd", held=OPERATOR, alone=True),
)  # fmt: skip
WITHOUT: dict[str, str] = {}
_WITH_PASSWORD = "awk -F: '$2 ~ /^[^!*]/ {print $1}' /etc/shadow"
_NOLOGIN = "^(/usr)?/s?bin/(nologin|false|sync|shutdown|halt)$"


def _field(column: int, least: int, most: int = 99998) -> str:
    """Every account with a password has this field of shadow(5) within these bounds."""
    outside = f'$3 == "" || ${column} == "" || ${column} < {least} || ${column} > {most}'
    return f"awk -F: '$2 ~ /^[^!*]/ && ({outside}) {{bad = 1}} END {{exit bad}}' /etc/shadow"


OBSERVERS = {
    "account/empty_password": "! grep -q '^[^:]*::' /etc/shadow /etc/passwd",
    "account/gid_zero_accounts": "! getent passwd | awk -F: '$4 == 0 {print $1}' | grep -Evx 'root|sync|shutdown|halt'",
    "account/gid_zero_groups": "[ \"$(getent group | awk -F: '$3 == 0 {print $1}')\" = root ]",
    "account/groups_exist": "getent passwd | cut -d: -f4 | sort -u | while read g; do getent group $g || exit 1; done",
    "account/inactive_days": _field(7, 1, 45),
    "account/invalid_shell_locked": f"for u in $({_WITH_PASSWORD}); do s=$(getent passwd $u | cut -d: -f7); [ $u = root ] || "
    f"{{ grep -qx \"${{s:-/bin/sh}}\" /etc/shells && [[ ! $s =~ {_NOLOGIN} ]]; }} || exit 1; done",
    "account/password_change_past": f"for u in $({_WITH_PASSWORD}); do d=$(getent shadow $u | cut -d: -f3); "
    "[ \"${d:-0}\" -le $(( $(date +%s) / 86400 )) ] || exit 1; done",
    "account/password_max_days": _field(5, 1, 365),
    "account/password_min_days": _field(4, 1),
    "account/password_warn_days": _field(6, 7),
    "account/root_locked": "[ \"$(passwd -S root | cut -d' ' -f2)\" = L ]",
    "account/root_access": "[[ $(passwd -S root | cut -d' ' -f2) =~ ^(P|L)$ ]]",
    "account/shadow_group_empty": "[ -z \"$(getent group shadow | cut -d: -f4)\" ] || exit 1; "
    "g=$(getent group shadow | cut -d: -f3); ! getent passwd | cut -d: -f4 | grep -qx $g",
    "account/shadowed": "! cut -d: -f2 /etc/passwd | grep -qvx x",
    "account/system_shells": f"getent passwd | while IFS=: read n x u g c h s; do [ $u = 0 ] || "
    f"{{ [ $u -ge 1000 ] && [ $u != 65534 ]; }} || [[ ${{s:-/bin/sh}} =~ {_NOLOGIN} ]] || exit 1; done",
    "account/uid_zero": "! grep -q '^[+-]' /etc/passwd && [ \"$(getent passwd | awk -F: '$3 == 0 {print $1}')\" = root ]",
    "account/unique_gid": "[ -z \"$(getent group | cut -d: -f3 | sort | uniq -d)\" ]",
    "account/unique_group_name": "[ -z \"$(cut -d: -f1 /etc/group | sort | uniq -d)\" ]",
    "account/unique_uid": "[ -z \"$(getent passwd | cut -d: -f3 | sort | uniq -d)\" ]",
    "account/unique_user_name": "[ -z \"$(cut -d: -f1 /etc/passwd | sort | uniq -d)\" ]",
}  # fmt: skip
