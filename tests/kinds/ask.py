"""Shell for third observers: each ends with 0 where the setting has the value, asked of the program or read once more.

``test`` is shell that tests ``$v``.
"""

from __future__ import annotations


def systemd(file: str, section: str, key: str, test: str, *, unit: str = "", every: bool = False) -> str:
    """A key of a systemd configuration file with all its drop-ins; UNIT must have started since the last of them changed.

    Args:
        every: the key is a list, to which each line adds; else its last line counts. An empty line takes back those before it.
    """
    asked = f"""v=$(systemd-analyze cat-config systemd/{file} | awk -F= '
  /^# \\// {{ here = "" }}
  /^\\[/ {{ here = $0 }}
  here == "[{section}]" && $1 == "{key}" {{ n = $2 == "" ? 0 : n + 1; values[n] = $2 }}
  END {{ for (i = {1 if every else "n"}; i > 0 && i <= n; i++) print values[i] }}')
{test}
"""
    if unit:
        asked += f"""started=$(date -d "$(systemctl show -P ExecMainStartTimestamp {unit})" +%s)
changed=$(stat -c %Z /etc/systemd/{file}.d/*.conf /etc/systemd/{file}.d | sort -n | tail -1)
[ "$(systemctl show -P MainPID {unit})" = 0 ] || [ "$started" -ge "$changed" ]
"""
    return asked


def pam(key: str, module: str, path: str, test: str = "true") -> str:
    """A setting of a PAM module: its arguments win over its file (pam.conf(5)); the last line of the file counts."""
    return f"""values=$(cat /etc/pam.d/common-* | tr -d '[]' | sed -nE 's/^[^#]*{module}.*[[:blank:]]{key}(=([^[:blank:]]*))?([[:blank:]].*)?$/=\\2/p')
[ -n "$values" ] || values=$(sed -nE 's/^[[:blank:]]*{key}([[:blank:]]*=[[:blank:]]*|[[:blank:]]+|$)([^#[:blank:]]*).*/=\\2/p' {path} | tail -1)
[ -n "$values" ]
if grep -qE '^[^#]*{module}.*conf=' /etc/pam.d/common-*; then exit 1; fi
for v in $values; do v=${{v#=}}; {test}; done
"""


def login_defs(key: str, test: str) -> str:
    return f'v=$(awk \'$1=="{key}"{{v=$2}} END{{gsub(/"/, "", v); print v}}\' /etc/login.defs); {test}'


def auditd(key: str, pattern: str) -> str:
    """A line of auditd.conf, whose last one counts, and an auditd that has started since."""
    return f"""sed 's/#.*//' /etc/audit/auditd.conf | grep -iE '^ *{key} *=' | tail -1 | grep -iE '= *({pattern}) *$'
pid=$(systemctl show -P MainPID auditd.service)
[ "$pid" = 0 ] || [ "$(stat -c %Y /proc/$pid)" -ge "$(stat -c %Z /etc/audit/auditd.conf)" ]
"""


def files(pattern: str, mode: str, owners: str = "root", groups: str = "root") -> str:
    """What a pattern matches: no bits but those of MODE, and one of those owners and groups."""
    return f"""for f in {pattern}; do
  [ -f "$f" ] || [ -d "$f" ] || continue
  [ $(( 0$(stat -L -c %a "$f") & ~0{mode} )) = 0 ]
  stat -L -c %U "$f" | grep -qxE '{owners}'
  stat -L -c %G "$f" | grep -qxE '{groups}'
done
"""


def interfaces(family: str, key: str, values: str, all_values: str) -> str:
    """A parameter on every interface, now and as the next boot sets it: systemd-sysctl is run, and undone."""
    return f"""cd /proc/sys/net/{family}/conf
holds() {{
  grep -qxE '{all_values}' all/{key}
  for f in */{key}; do case $f in default/*|all/*) ;; *) grep -qxE '{values}' "$f";; esac; done
}}
holds
before=$(grep -H . */{key})
trap 'echo "$before" | while IFS=: read -r f v; do echo "$v" > "$f"; done' EXIT
/usr/lib/systemd/systemd-sysctl --prefix=/net/{family}/conf
holds
"""
