#!/usr/bin/python
# Copyright: (c) 2026, the unified.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install a program that comes as one file; the work is done by the action of this name and by program_install."""

from __future__ import annotations

DOCUMENTATION = r"""
module: program
short_description: Install a program that comes as one file
version_added: 0.2.0
description:
  - Installs a program from a file of the controller or from an address, chosen by the host's architecture and checked by its SHA-256.
  - A file that ends in C(.tar.gz), C(.tgz) or C(.zip) is an archive that holds the program.
  - A program that runs keeps running as it is; the new one is there for the next start.
author:
  - The unified.deploy authors (@unified-deploy)
options:
  path:
    description: Where the program is installed.
    type: path
    required: true
  builds:
    description:
      - What to install, by architecture as C(uname -m) names it, for example V(x86_64), V(aarch64) or V(riscv64).
      - Each has C(sha256) and either C(src), a path on the controller, or C(url), which the host downloads. An archive has C(member) where
        the program's name in it is another than that of O(path).
    type: dict
    required: true
  account:
    description:
      - Name of the system account that is to run the program, with a group of its name. Where there is none it is made, without a home and
        without a way to log in; one that is there stays as it is.
      - For anything else of an account use M(ansible.builtin.user).
    type: str
seealso:
  - module: unified.deploy.program_install
attributes:
  check_mode:
    description: Can run in check mode. What would be downloaded or copied is not looked at then.
    support: full
  diff_mode:
    description: Returns the SHA-256 before and after.
    support: full
  idempotent:
    description: A program that was installed from the wanted file and is unchanged is left alone, and so is an account.
    support: full
"""

EXAMPLES = r"""
- name: Install OpenBao
  unified.deploy.program:
    path: /usr/local/bin/bao
    account: openbao
    builds:
      x86_64:
        url: https://github.com/openbao/openbao/releases/download/v2.4.1/bao_2.4.1_Linux_x86_64.tar.gz
        sha256: "{{ openbao_sha256.x86_64 }}"
      aarch64:
        src: files/bao-arm64
        sha256: "{{ openbao_sha256.aarch64 }}"
"""

RETURN = r"""
architecture:
  description: The host's architecture.
  type: str
  returned: success
sha256:
  description: SHA-256 of the installed program, empty where there is none.
  type: str
  returned: success
"""
