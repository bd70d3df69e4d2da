"""Homes and the dot files in them."""

from __future__ import annotations

from .scenario import Scenario

DIRECTORY, DOTS = "home/directory", "home/dot_files"
_BOB = "useradd -m -s /bin/bash bob; chmod 0700 /home/bob; "
# Another account: both rules are broken side by side.
_ANN = _BOB.replace("bob", "ann")

_GRANT = """python3 - <<'EOF'
import os, struct
entries = [(1, 7, 2**32 - 1), (2, 5, 65534), (4, 5, 2**32 - 1), (16, 5, 2**32 - 1), (32, 0, 2**32 - 1)]
value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
os.setxattr("/home/bob", "system.posix_acl_access", value)
EOF"""


def _bob(home: str) -> str:
    return f"useradd -M -d {home} -s /bin/bash bob; "


SCENARIOS = (
    Scenario(DIRECTORY, "open_to_all", _BOB + "chmod 0777 /home/bob"),
    Scenario(DIRECTORY, "stricter", _BOB, "pass"),
    Scenario(DIRECTORY, "root_directory", _bob("/"), held="belongs to root", alone=True),
    Scenario(DIRECTORY, "null_device", _bob("/dev/null"), held="/dev/null is none"),
    Scenario(DIRECTORY, "missing", _bob("/home/bob"), held="is missing"),
    Scenario(DIRECTORY, "of_a_web_server", _bob("/var/www") + "install -d -o www-data -g www-data /var/www", held="belongs to www-data"),
    Scenario(DIRECTORY, "elsewhere", _bob("/srv/bob") + "install -d -o bob -m 0777 /srv/bob", held="does not lie below /home"),
    Scenario(DIRECTORY, "shared", _BOB + "chmod 0777 /home/bob; useradd -M -d /home/bob -s /bin/bash eve", held="also the home of"),
    Scenario(DIRECTORY, "link_of_a_user",
             _bob("/home/open/bob") + "mkdir -m 0777 /home/open; ln -s /root /home/open/bob; chown -h bob /home/open/bob", held="is a link"),
    Scenario(DIRECTORY, "link_of_root", _bob("/home/bob") + "install -d -o bob -m 0700 /srv/bob; ln -s /srv/bob /home/bob", "pass"),
    Scenario(DIRECTORY, "account_without_a_login", "useradd -M -d / -s /usr/sbin/nologin bob", "pass"),
    Scenario(DIRECTORY, "empty_shell", _BOB + "usermod -s '' bob; chmod 0777 /home/bob"),
    Scenario(DIRECTORY, "access_list", _BOB + _GRANT, held="setfacl -b"),
    Scenario(DOTS, "open_file", _ANN + "chmod 0664 /home/ann/.bashrc"),
    Scenario(DOTS, "netrc_that_all_can_read", _ANN + "install -o ann -m 0644 /dev/null /home/ann/.netrc"),
    Scenario(DOTS, "rhosts", _ANN + "install -o ann -m 0600 /dev/null /home/ann/.rhosts", held=".rhosts must not exist"),
    Scenario(DOTS, "directory_rhosts", _ANN + "install -d -o ann -m 0700 /home/ann/.rhosts", held=".rhosts must not exist"),
    Scenario(DOTS, "linked_forward", _ANN + "ln -s /etc/passwd /home/ann/.forward", held=".forward must not exist"),
    Scenario(DOTS, "file_of_root", _ANN + "touch /home/ann/.site; chmod 0644 /home/ann/.site", held="belongs to root"),
    Scenario(DOTS, "hard_link",
             _ANN + "touch /home/ann/.a; chown ann /home/ann/.a; chmod 0664 /home/ann/.a; ln /home/ann/.a /home/ann/b", held="hard link"),
    Scenario(DOTS, "name_that_is_no_text",
             _ANN + "touch /home/ann/.$'\\xff'; chown ann /home/ann/.*; chmod 0664 /home/ann/.$'\\xff'", held="cannot be printed"),
    Scenario(DOTS, "link_and_pipe", _ANN + "ln -s /etc/shadow /home/ann/.link; mkfifo -m 0664 /home/ann/.pipe; chown -h ann /home/ann/.link", "pass"),
)  # fmt: skip
WITHOUT: dict[str, str] = {}
_EACH = """while IFS=: read -r name _ uid _ _ home shell; do
  [ "$uid" -ge 1000 ] && [ "$uid" -ne 65534 ] || [ "$uid" = 0 ] || continue
  case ${{shell:-/bin/sh}} in */nologin|*/false|*/sync) continue;; esac
  {look}
done < /etc/passwd
"""
# A link is followed only where root alone could have made it.
_HOME = """
  [ ! -L "$home" ] || [ "$(stat -c %u "$home")" = 0 ]
  [ "$(stat -Lc %F:%U "$home")" = "directory:$name" ]
  [ $(( 0$(stat -Lc %a "$home") & ~0750 )) = 0 ]
  if python3 -c 'import os, sys; sys.exit("system.posix_acl_access" not in os.listxattr(sys.argv[1]))' "$home"; then exit 1; fi"""
_DOT_FILES = """
  [ -d "$home" ] || continue
  for f in .forward .rhosts; do if [ -e "$home/$f" ] || [ -L "$home/$f" ]; then exit 1; fi; done
  for f in "$home"/.*; do
    [ -f "$f" ] && [ ! -L "$f" ] || continue
    [ "$(stat -c %U "$f")" = "$name" ]
    case ${f##*/} in .netrc|.bash_history) most=0700;; *) most=0744;; esac
    [ $(( 0$(stat -c %a "$f") & ~$most )) = 0 ]
  done"""
OBSERVERS = {DIRECTORY: _EACH.format(look=_HOME), DOTS: _EACH.format(look=_DOT_FILES)}
