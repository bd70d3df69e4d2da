"""What AIDE compares of single files."""

from __future__ import annotations

from .scenario import Scenario

RULE, DIRECTORY = "aide_rules/audit_tools", "/etc/aide/aide.conf.d"
TOOL = "/usr/sbin/ausearch"
SCENARIOS = (
    Scenario(RULE, "left_out", f"echo '!{TOOL}$' > {DIRECTORY}/00_site", held="00_site"),
    Scenario(RULE, "left_out_by_a_later_file", f"echo '!{TOOL}$' > {DIRECTORY}/98_site", held="98_site"),
    Scenario(RULE, "attributes_only", f"echo '{TOOL}$ f p+u+g' > {DIRECTORY}/10_site"),
    Scenario(RULE, "weaker_sum", f"echo '/usr/sbin f p+i+n+u+g+s+b+acl+xattrs+sha256' > {DIRECTORY}/10_site"),
    Scenario(
        RULE, "every_attribute", f"echo '{TOOL}$ f sha512+xattrs+acl+b+s+g+u+n+i+p+caps' > {DIRECTORY}/10_site", "pass"
    ),
    Scenario(RULE, "commented", f"echo '# !{TOOL}$' > {DIRECTORY}/10_site", "pass"),
)
WITHOUT: dict[str, str] = {}
OBSERVERS = {
    RULE: """for tool in /usr/sbin/auditctl /usr/sbin/auditd /usr/sbin/augenrules /usr/sbin/aureport /usr/sbin/ausearch; do
  seen=$(aide --config=/etc/aide/aide.conf --path-check="f:$tool" 2>/dev/null | grep -o "rule: '[^']*'" | tr -d "'" | awk '{print $NF}')
  for attribute in p i n u g s b acl xattrs sha512; do
    case "+$seen+" in *"+$attribute+"*) ;; *) exit 1 ;; esac
  done
done
"""
}
