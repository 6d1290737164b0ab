# npm.sh - to be sourced: $clients is a directory with the npm packages of package.json, installed when first needed, and
# our .mjs files beside them. Skips the caller, loudly, where npm is not.
# SPDX-License-Identifier: MIT
skip() { echo "SKIPPED: $0: $*" >&2; exit 0; }
command -v npm >/dev/null && command -v node >/dev/null || skip "no npm; the programs of others that read our files come with it"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || skip "node $(node --version) is older than 20, which these packages need"
clients=build/clients
mkdir -p $clients
(
    flock 9
    if ! cmp -s tests/clients/package.json $clients/installed; then
        cp tests/clients/package.json $clients/package.json
        echo "installing the packages of tests/clients/package.json into $clients (once)"
        (cd $clients && timeout 600 npm install --ignore-scripts --omit=optional --no-audit --no-fund --no-package-lock) >$clients/npm.log 2>&1 ||
            { tail -n 15 $clients/npm.log >&2; echo "FAIL: npm install in $clients" >&2; exit 1; }
        cp tests/clients/package.json $clients/installed
    fi
    cp tests/clients/*.mjs $clients
) 9>$clients/lock
