#!/bin/sh
# One direction of includes: each floor sees only what is listed for it.
# SPDX-License-Identifier: MIT
allowed() {
    case $1 in
        core) echo core ;;
        model|optim|data) echo "$1 core" ;;
        distill|binarize) echo "$1 core data model" ;;
        export) echo "$1 core model" ;;
        train) echo "$1 core data model optim distill" ;;
        eval|serve) echo "$1 core data model export" ;;
        cli) echo "cli core data model optim distill binarize export train eval serve" ;;
    esac
}
# DIR, where fixtures of this lint's own test live, replaces the tree.
cd "${1:-.}" || exit 2
bad=0
for floor in core model optim data distill binarize export train eval serve cli; do
    [ -d "$floor" ] || continue
    may=" $(allowed $floor) "
    for hit in $(grep -rhoE '^#include "[a-z]+/' "$floor" --include='*.[ch]' | sed 's/.*"//; s,/,,' | sort -u); do
        case $may in
            *" $hit "*) ;;
            *) echo "lint: $floor must not include $hit/:"; grep -rnE "^#include \"$hit/" "$floor" | head -5; bad=1 ;;
        esac
    done
done
exit $bad
