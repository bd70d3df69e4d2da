"""Scenarios of kind `apt`."""

from __future__ import annotations

from .scenario import Scenario

SIGNED = "apt/APT::Get::AllowUnauthenticated"
RECOMMENDS = "apt/APT::Install-Recommends"
SUGGESTS = "apt/APT::Install-Suggests"
UNUSED = "apt/Unattended-Upgrade::Remove-Unused-Dependencies"
KERNELS = "apt/Unattended-Upgrade::Remove-Unused-Kernel-Packages"
OURS = "/etc/apt/apt.conf.d/zz-unified"
PARTS = "/etc/apt/apt.conf.d"

SCENARIOS = (
    Scenario(SIGNED, "other_word_for_yes", f"sed -i '/AllowUnauthenticated/s/\".*\"/\"TRUE\"/' {OURS}"),
    Scenario(SIGNED, "line_commented_out", f"sed -i '/AllowUnauthenticated/s,^,// ,' {OURS}"),
    Scenario(SIGNED, "in_braces_in_an_earlier_file", f"echo 'APT {{ Get {{ AllowUnauthenticated \"1\"; }}; }};' >{PARTS}/99own", "pass"),
    Scenario(SIGNED, "in_braces_in_a_later_file", f"echo 'APT {{ Get {{ AllowUnauthenticated \"1\"; }}; }};' >{PARTS}/zzz", held=f"{PARTS}/zzz"),
    Scenario(SIGNED, "main_file_wins", "echo 'APT::Get::AllowUnauthenticated \"yes\";' >/etc/apt/apt.conf", held="/etc/apt/apt.conf"),
    Scenario(SIGNED, "name_in_other_case", f"sed -i '/AllowUnauthenticated/d' {OURS}; echo 'apt::get::allowunauthenticated \"off\";' >>{OURS}", "pass"),
    Scenario(SIGNED, "file_that_apt_leaves_out", f"echo 'APT::Get::AllowUnauthenticated \"1\";' >{PARTS}/zzz.disabled", "pass"),
    Scenario(SIGNED, "source_that_is_trusted", "echo 'deb [ trusted=yes ] http://127.0.0.1:9/x ./' >/etc/apt/sources.list.d/site.list", held="site.list"),
    Scenario(SIGNED, "source_that_is_trusted_on_the_next_line",
             "printf 'Types: deb\nURIs: http://127.0.0.1:9/\nSuites: x\nComponents: main\nTrusted:\n yes\n' >/etc/apt/sources.list.d/site.sources",
             held="site.sources"),
    Scenario(SIGNED, "for_one_program_only", f"echo 'Binary::apt-get::APT::Get::AllowUnauthenticated \"1\";' >{PARTS}/99own",
             held="overrides it for one program"),
    Scenario(RECOMMENDS, "default_is_no_choice", f"sed -i '/Install-Recommends/d' {OURS}"),
    Scenario(RECOMMENDS, "wrong_after_right", f"echo 'APT::Install-Recommends \"1\";' >>{OURS}"),
    Scenario(SUGGESTS, "wrong_before_right", f"printf '%s;\\n' 'APT::Install-Suggests \"1\"' 'APT::Install-Suggests \"0\"' >>{OURS}", "pass"),
    Scenario(SUGGESTS, "wrong", f"echo 'APT::Install-Suggests \"1\";' >>{OURS}"),
    Scenario(UNUSED, "removed", f"sed -i '/Remove-Unused-Dependencies/d' {OURS}"),
    Scenario(KERNELS, "off", f"sed -i '/Remove-Unused-Kernel-Packages/s/\".*\"/\"off\"/' {OURS}"),
)  # fmt: skip
WITHOUT: dict[str, str] = {}


def _answers(option: str, words: str) -> str:
    return f'eval "$(apt-config shell value {option})"; echo "$value" | grep -qixE "{words}"'


NO, YES = "0|no|false|without|off|disable", "1|yes|true|with|on|enable"
OBSERVERS = {
    SIGNED: _answers("APT::Get::AllowUnauthenticated", NO)
    # What apt-get indextargets calls trusted is what was signed, too.
    + "; if grep -rhivE '^ *#' /etc/apt/sources.list /etc/apt/sources.list.d"
    " | sed -z 's/:\\n */: /g' | grep -iE '(trusted|allow-insecure) *[:=] *(yes|true|1|on|with|enable)'; then exit 1; fi"
    "; if apt-config dump | grep -iE '^Binary::.*AllowUnauthenticated \"(yes|true|1|on|with|enable)'; then exit 1; fi",
    RECOMMENDS: _answers("APT::Install-Recommends", NO),
    SUGGESTS: _answers("APT::Install-Suggests", NO),
    UNUSED: _answers("Unattended-Upgrade::Remove-Unused-Dependencies", YES),
    KERNELS: _answers("Unattended-Upgrade::Remove-Unused-Kernel-Packages", YES),
}
