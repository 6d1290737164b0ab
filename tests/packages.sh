#!/bin/sh
# Installs the Debian/Ubuntu packages named as arguments that are not there yet.
# SPDX-License-Identifier: MIT
missing=
for p in "$@"; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null; then
    echo "signum: these packages (Debian's names) are missing and there is no apt-get here to install them:$missing" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then as_root=; else as_root=sudo; fi
echo "installing:$missing"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null 2>&1
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/tmp/signum-apt.$$ 2>&1 || {
    tail -n 15 /tmp/signum-apt.$$ >&2
    rm -f /tmp/signum-apt.$$
    echo "signum: installing$missing failed (see above)" >&2
    exit 1
}
rm -f /tmp/signum-apt.$$
