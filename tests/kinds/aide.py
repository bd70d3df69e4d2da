"""Scenarios of kind `aide`."""

from __future__ import annotations

from .scenario import Scenario

DATABASE = "/var/lib/aide/aide.db"
RULE = "aide/database"

SCENARIOS = (
    Scenario(RULE, "removed", f"rm {DATABASE}"),
    Scenario(RULE, "emptied", f": > {DATABASE}"),
    Scenario(RULE, "no_entries", f"printf '@@begin_db\\n@@db_spec name perm\\n@@end_db\\n' > {DATABASE}"),
    Scenario(RULE, "something_else", f"echo nothing > {DATABASE}"),
    Scenario(
        RULE,
        "configuration_names_another",
        "sed -i 's#^database_in=.*#database_in=file:/var/lib/aide/none.db#' /etc/aide/aide.conf",
        held="names /var/lib/aide/none.db",
    ),
    Scenario(RULE, "only_the_new_one_is_there", f"mv {DATABASE} {DATABASE}.new"),
)
WITHOUT: dict[str, str] = {}
# Compares nothing: it only has to find and read its database.
OBSERVERS = {
    RULE: "grep -E '^database_in=file:(@@[{]DBDIR[}]|/var/lib/aide)/aide.db$' /etc/aide/aide.conf && "
    f"zcat -f {DATABASE} | grep -a '@@db_spec' && zcat -f {DATABASE} | grep -ac '^/etc'"
}
