"""What root's login shell gets."""

from __future__ import annotations

from .scenario import Scenario

PATH, UMASK = "root_shell/path", "root_shell/umask"
_CURE = "The cure depends on"


def _path(part: str, before: str = "") -> str:
    return f"{before}printf 'PATH=$PATH:%s\\n' '{part}' > /etc/profile.d/zzz-path.sh"


SCENARIOS = (
    Scenario(PATH, "empty_part", _path(""), held=_CURE),
    Scenario(PATH, "current_directory", _path("."), held=_CURE),
    Scenario(PATH, "open_directory", _path("/opt/open", "mkdir -m 0777 /opt/open; chmod 1777 /opt/open; "), held=_CURE),
    Scenario(PATH, "directory_of_a_user", _path("/opt/bin", "install -d -o ansible /opt/bin; "), held=_CURE),
    Scenario(
        PATH,
        "below_a_directory_of_a_user",
        _path("/opt/a/bin", "install -d -o ansible /opt/a; install -d /opt/a/bin; "),
        held=_CURE,
    ),
    Scenario(
        PATH, "where_a_session_begins", "echo 'PATH=/home/ansible/bin:/usr/bin:/bin' > /etc/environment", held=_CURE
    ),
    Scenario(PATH, "of_su_and_login", "sed -i 's#^ENV_SUPATH.*#&:/home/ansible/bin#' /etc/login.defs", held=_CURE),
    Scenario(
        PATH,
        "of_sudo",
        "echo 'Defaults secure_path=\"/home/ansible/bin:/usr/sbin:/usr/bin:/sbin:/bin\"' > /etc/sudoers.d/zzz; chmod 0440 /etc/sudoers.d/zzz",
        held=_CURE,
    ),
    Scenario(PATH, "in_a_home", _path("/home/ansible/bin"), held=_CURE),
    Scenario(PATH, "missing_directory_of_root", _path("/opt/nothing"), "pass"),
    Scenario(
        UMASK,
        "value_replaced",
        "sed -i 's/^umask.*/umask 022/' /etc/profile.d/zz-unified.sh; sed -i '/^umask/d' /root/.profile /root/.bashrc",
        alone=True,
    ),
    Scenario(
        UMASK,
        "roots_own_file",
        "echo 'umask 022' >> /root/.profile",
        held="root's own /root/.profile sets it",
        alone=True,
    ),
    Scenario(
        UMASK,
        "where_somebody_types_only",
        "printf 'case $- in *i*) umask 022;; esac\\n' > /etc/profile.d/zzz-site.sh",
        held="overrides",
        alone=True,
    ),
    Scenario(
        PATH,
        "where_somebody_types_only",
        "echo 'case $- in *i*) PATH=.:$PATH;; esac' > /etc/profile.d/zzz-path.sh",
        held=_CURE,
    ),
    Scenario(UMASK, "later_script", "echo 'umask 022' > /etc/profile.d/zzz-site.sh", held="overrides", alone=True),
    Scenario(UMASK, "stricter", "echo 'umask 077' > /etc/profile.d/zzz-site.sh", "pass", alone=True),
)
WITHOUT: dict[str, str] = {}
OBSERVERS = {
    UMASK: "for how in -lc -lic; do u=$(env -i HOME=/root bash $how umask 2>/dev/null | tail -1); [ $(( 0$u & 027 )) = $(( 027 )) ]; done",
    PATH: r"""case $(env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -lic 'printf ":%s" "$PATH"' 2>/dev/null) in *:.:*) exit 1;; esac
p=$(env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -lc 'printf "%s" "$PATH"')
for more in "$(sed -n 's/^PATH=//p' /etc/environment | tr -d '"')" "$(sed -nE 's/^ENV_SUPATH\s+PATH=//p' /etc/login.defs)" \
  "$(sudo -V | sed -n "s/^Value to override user's .PATH with: //p")"; do
  [ -z "$more" ] || p=$p:$more
done
case ":$p:" in *::*|*:.*) exit 1;; esac
IFS=:
for d in $p; do
  d=$(readlink -m "$d")
  while [ ! -e "$d" ]; do d=${d%/*}; d=${d:-/}; done
  while :; do
    [ "$(stat -c %u "$d")" = 0 ] || exit 1
    m=$(stat -c %a "$d"); [ $(( 0$m & 022 )) = 0 ] || exit 1
    [ "$d" = / ] && break
    d=${d%/*}; d=${d:-/}
  done
done""",
}
