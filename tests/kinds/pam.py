"""Scenarios of kind `pam`."""

from __future__ import annotations

from .scenario import Scenario

PAM = "/etc/pam.d"
SSHD_FIRST = f"sed -i '/@include common-auth/i auth sufficient pam_unix.so %s' {PAM}/sshd"
BY_HAND = "was edited by hand"
OWN = "is the site's own: mend it there"


def profile(change: str) -> str:
    return f"DEBIAN_FRONTEND=noninteractive pam-auth-update {change}"


def edit(stack: str, expression: str) -> str:
    """Change a line of a common stack, which must be there."""
    return f'before=$(md5sum {PAM}/{stack}); sed -i -E \'{expression}\' {PAM}/{stack}; [ "$before" != "$(md5sum {PAM}/{stack})" ]'


SITE = "/etc/pam.d/site"
PERMIT_BEFORE = "0,/^auth/s//auth sufficient pam_permit.so\\nauth/"
JUMP_BEFORE = "0,/^password/s//password [success=1 default=ignore] pam_permit.so\\npassword/"
# As lightdm brings it: who is in the group types no password.
DESKTOP = (
    "printf 'auth sufficient pam_succeed_if.so user ingroup nopasswdlogin\n@include common-auth\n' > /etc/pam.d/lightdm"
)
SCENARIOS = (
    Scenario("pam/pam_faillock", "profile_off", profile("--disable unified_faillock")),
    Scenario("pam/pam_faillock", "optional", edit("common-auth", "/preauth/s/requisite/optional/"), held=BY_HAND, alone=True),
    Scenario("pam/pam_faillock", "counts_elsewhere", edit("common-auth", "s/authfail/& dir=\\/run\\/other/"), held=BY_HAND, alone=True),
    Scenario("pam/pam_faillock", "password_accepted_before_it", SSHD_FIRST % "", held=OWN, alone=True),
    Scenario("pam/pam_faillock", "service_without_the_common_stack", f"echo 'auth required pam_unix.so' > {SITE}", held=SITE, alone=True),
    Scenario("pam/pam_faillock", "service_that_knows_no_passwords", f"echo 'auth required pam_rootok.so' > {SITE}", "pass", alone=True),
    Scenario("pam/pam_pwhistory", "profile_off", profile("--disable unified_pwhistory")),
    Scenario("pam/pam_pwhistory", "passed_by", edit("common-password", "/pam_pwhistory/s/requisite/optional/"), held=BY_HAND, alone=True),
    Scenario("pam/pam_pwhistory.use_authtok", "option_gone", edit("common-password", "/pam_pwhistory/s/ use_authtok//"), held=BY_HAND, alone=True),
    Scenario("pam/pam_pwquality", "profile_off", profile("--disable pwquality"), alone=True),
    Scenario("pam/pam_pwquality", "jump_over_it", edit("common-password", JUMP_BEFORE), held=BY_HAND, alone=True),
    Scenario("pam/pam_unix", "open_to_all", edit("common-auth", PERMIT_BEFORE), held=BY_HAND, alone=True),
    Scenario("pam/pam_unix", "service_that_asks_nothing", f"echo 'auth required pam_permit.so' > {PAM}/other", held=OWN, alone=True),
    Scenario("pam/pam_unix", "sufficient_condition", f"sed -i '1i auth sufficient pam_succeed_if.so uid >= 1000' {PAM}/sshd", held=OWN, alone=True),
    Scenario("pam/pam_unix", "required_condition", f"sed -i '1i auth required pam_succeed_if.so uid >= 1000' {PAM}/sshd", "pass"),
    Scenario("pam/pam_unix", "condition_that_nobody_meets", DESKTOP, "pass"),
    Scenario("pam/pam_unix", "condition_that_somebody_meets", f"{DESKTOP}; groupadd -f nopasswdlogin; gpasswd -a games nopasswdlogin",
             held=OWN, alone=True),
    Scenario("pam/pam_unix", "another_service_of_sshd",
             f"echo 'auth required pam_permit.so' > {SITE}; echo 'PAMServiceName site' >> /etc/ssh/sshd_config; systemctl reload ssh",
             held=SITE, alone=True, also=("sshd",)),
    Scenario("pam/pam_unix", "another_service_of_sudo",
             f"printf 'auth required pam_exec.so /bin/true\n' > {SITE}; echo 'Defaults:games pam_service=site' > /etc/sudoers.d/site",
             held=SITE, alone=True),
    Scenario("pam/pam_wheel", "login_shells_leave_it_out",
             f"printf 'auth sufficient pam_rootok.so\\n@include common-auth\\n' > {PAM}/su-l", held=OWN, alone=True),
    Scenario("pam/pam_unix.hashing", "weak_hash", edit("common-password", "/pam_unix/s/yescrypt/md5/"), held=BY_HAND, alone=True),
    Scenario("pam/pam_unix.nullok", "profile_of_the_distribution", profile("--disable unified_unix --enable unix"), alone=True),
    Scenario("pam/pam_unix.nullok", "before_the_common_stack", SSHD_FIRST % "nullok", held=OWN, alone=True),
    Scenario("pam/pam_unix.nullok", "in_brackets", edit("common-auth", "s/pam_unix.so.*/pam_unix.so [nullok]/"), held=BY_HAND, alone=True),
    Scenario("pam/pam_unix.nullok", "commented_line", f"echo '# auth required pam_unix.so nullok' >> {PAM}/sshd", "pass"),
    Scenario("pam/pam_unix.remember", "option", edit("common-password", "/pam_unix/s/$/ remember=5/"), held=BY_HAND, alone=True),
    Scenario("pam/pam_unix.use_authtok", "option_gone", edit("common-password", "/pam_unix/s/ use_authtok//"), held=BY_HAND, alone=True),
    Scenario("pam/pam_umask", "profile_off", profile("--disable unified_umask")),
    Scenario("pam/pam_umask", "bits_of_the_own_group", edit("common-session", "s/ nousergroups//"), held=BY_HAND, alone=True),
    Scenario("pam/pam_umask", "jump_over_it", edit("common-session", "/pam_umask.*nousergroups/i session [success=1 default=ignore] pam_permit.so"),
             held=BY_HAND, alone=True),
    Scenario("pam/pam_umask", "service_of_its_own", f"echo 'session optional pam_umask.so umask=022' >> {PAM}/cron", held=OWN),
    Scenario("pam/pam_umask", "comment_field_of_an_account", "usermod -c 'Games,,,,umask=0000' games", held="/etc/passwd"),
    Scenario("pam/pam_umask", "stricter_service", f"echo 'session optional pam_umask.so umask=077 nousergroups' >> {PAM}/cron", "pass"),
    Scenario("pam/pam_wheel", "missing", "sed -i '/pam_wheel.so.*group=/d' /etc/pam.d/su"),
    Scenario("pam/pam_wheel", "members_are_trusted", "sed -i '1i auth sufficient pam_wheel.so trust use_uid group=sudo' /etc/pam.d/su", held=OWN),
    Scenario("pam/pam_wheel", "only_where_root_is_the_target", "sed -i '/pam_wheel.so.*group=/s/use_uid/& root_only/' /etc/pam.d/su", held=OWN),
    Scenario("pam/pam_wheel", "group_has_members", "usermod -aG unified-su games", held="/etc/group"),
    Scenario("pam/pam_wheel", "first_group_of_an_account", "usermod -g unified-su games", held="/etc/group"),
    Scenario("pam/pam_wheel", "optional", "sed -i '/pam_wheel.so.*group=/s/required/optional/' /etc/pam.d/su", held=OWN),
)  # fmt: skip
WITHOUT: dict[str, str] = {}
_PASSWORD = f"grep -E '^password\\s' {PAM}/common-password"


def _nowhere(pattern: str) -> str:
    return f"if grep -rhE '^[^#]*{pattern}' {PAM}; then exit 1; fi"


# The first line that asks for a password must be the module's: none before it may pass or jump over it.
OBSERVERS = {
    "pam/pam_faillock": f"""cd {PAM}
grep -E '^auth\\s' common-auth | head -1 | grep -E '\\s(requisite|required)\\s+pam_faillock.so.* ?preauth'
grep -E '^auth\\s+(\\[default=die\\]|requisite|required)\\s+pam_faillock.so.*authfail' common-auth
grep -E '^account\\s+(requisite|required)\\s+pam_faillock.so' common-account
if [ "$(grep pam_faillock common-auth | grep -oE '(dir|conf)=\\S+' | sort | uniq -c | awk '$1 < 2')" ]; then exit 1; fi
if grep -lE '^-?auth\\s.*pam_unix.so' * | grep -vx common-auth; then exit 1; fi
""",
    "pam/pam_pwhistory": f"{_PASSWORD} | grep -m1 -E 'pam_(pwhistory|unix).so' | grep -E '\\s(requisite|required)\\s+pam_pwhistory.so'",
    "pam/pam_pwhistory.use_authtok": f"{_PASSWORD} | grep -E 'pam_pwhistory.so.*\\buse_authtok\\b'",
    "pam/pam_pwquality": f"{_PASSWORD} | head -1 | grep -E '\\s(requisite|required)\\s+pam_pwquality.so'",
    "pam/pam_umask": f"""cd {PAM}
for how in 'su -s /bin/sh games -c umask' 'sudo -u games sh -c umask'; do eval "$how" 2>/dev/null | tail -1 | grep -xE '0?0[27]7'; done
if grep -hE '^session.*pam_umask.so.*umask=' $(ls | grep -v common-) | grep -vE 'umask=0?0[27]7 nousergroups'; then exit 1; fi
""",
    "pam/pam_unix": f"""cd {PAM}
for kind in auth account password session; do grep -E "^$kind\\s.*pam_unix.so" common-$kind; done
grep -E '^auth\\s' common-auth | grep -m1 -E 'pam_(unix|permit).so' | grep pam_unix.so
doors="sshd sudo $(sshd -T | sed -n 's/^pamservicename //p') $(cvtsudoers -f sudoers /etc/sudoers | sed -nE 's/.*pam_service=(\\S+).*/\\1/p')"
for door in $doors other; do
  if grep -E '^auth\\s+sufficient\\s+pam_(succeed_if|exec|permit).so' $door; then exit 1; fi
  grep -E '^(auth\\s.*pam_(unix|deny).so|@include common-auth)' $door
done
if grep -s 'ingroup nopasswdlogin' lightdm && getent group nopasswdlogin | grep ':[^:]\\+$'; then exit 1; fi
""",
    "pam/pam_unix.hashing": f"{_PASSWORD} | grep pam_unix.so | grep -E '\\b(yescrypt|sha512)\\b'; "
    + _nowhere("pam_unix.so.*\\b(bigcrypt|blowfish|md5|sha256)\\b"),
    "pam/pam_unix.nullok": _nowhere("pam_unix.so.*\\bnullok"),
    "pam/pam_unix.remember": _nowhere("pam_unix.so.*\\bremember="),
    "pam/pam_unix.use_authtok": f"{_PASSWORD} | grep -E 'pam_unix.so.*\\buse_authtok\\b'",
    "pam/pam_wheel": f"""lines=$(grep -E '^auth\\s.*pam_wheel.so' {PAM}/su)
[ ! -e {PAM}/su-l ] || grep -E '^auth\\s+((include|substack)\\s+su$|.*pam_wheel.so)' {PAM}/su-l
[ "$(echo "$lines" | wc -l)" = 1 ]
if echo "$lines" | grep -E ' (trust|deny|root_only)( |$)'; then exit 1; fi
group=$(echo "$lines" | sed -nE 's/^auth\\s+(required|requisite)\\s+pam_wheel.so.*\\buse_uid\\b.*group=(\\S+).*/\\2/p')
[ -n "$group" ]
[ -z "$(getent group "$group" | cut -d: -f4)" ]
if cut -d: -f4 /etc/passwd | grep -x "$(getent group "$group" | cut -d: -f3)"; then exit 1; fi
""",
}
