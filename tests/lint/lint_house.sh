#!/bin/sh
# House rules that grep can see: one foreign library in one file, no printing or exiting in
# the library, unique file names, an SPDX line, sizes of files and functions.
# SPDX-License-Identifier: MIT
LIBRARY="core data model optim distill train export eval serve"
[ -d binarize ] && [ -n "$(ls binarize 2>/dev/null)" ] && LIBRARY="$LIBRARY binarize"
bad=0
say() { echo "lint: $*"; bad=1; }

only() {   # header pattern, files that may include it
    for f in $(grep -rlE "^#include <($1)" core data model optim distill binarize train export eval serve cli 2>/dev/null); do
        case " $2 " in *" $f "*) ;; *) say "$f includes <$1>, which belongs to $2" ;; esac
    done
}
only 'hdf5' core/archives/archive_h5.c
only 'zstd' data/zstd.c
only 'zlib' data/gzip.c
only 'cblas|openblas' core/gemm.c
only 'omp.h' core/parallel.c
only 'jansson' core/json.c
only 'yaml' core/config_yaml.c
only 'pcre2' data/pretokenize.c
only 'utf8proc' data/unicode.c
only 'microhttpd' serve/http.c
only 'xxhash' core/digest.c
for f in $(grep -rlE '#include <(immintrin|arm_neon)' $LIBRARY cli); do
    case $f in core/kernels/*) ;; *) say "$f uses intrinsics outside core/kernels" ;; esac
done

hits=$(grep -rnE '(^|[^a-z_])(printf|puts|putchar|exit|abort) *\(' $LIBRARY --include='*.c' | grep -vE 'format\(printf|/\*.*(printf|exit).*\*/|^\S+:\s*\*')
[ -z "$hits" ] || say "the library must not print or exit:
$hits"

names=$(find $LIBRARY cli -name '*.[ch]' | sed 's,.*/,,' | sort | uniq -d)
[ -z "$names" ] || say "file names that occur twice: $names"

for f in $(find $LIBRARY cli tests -name '*.[ch]'); do
    head -n 30 "$f" | grep -q 'SPDX-License-Identifier: MIT' || say "$f has no SPDX line"
    case $f in core/kernels/*|tests/*) continue ;; esac
    n=$(wc -l < "$f")
    [ "$n" -le 400 ] || say "$f has $n lines (400 at most)"
    awk -v f="$f" '/^[a-zA-Z].*\)[[:space:]]*\{[[:space:]]*$/ { s = NR }
                   /^\}/ { if (s && NR - s > 80) print "lint: " f ":" s ": a function of " NR - s " lines (80 at most)"; s = 0 }' "$f" | grep . && bad=1
done
hits=$(grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' $LIBRARY cli tests configs docs Makefile --include='*' | grep -v 'lint_house.sh')
[ -z "$hits" ] || say "unfinished:
$hits"
exit $bad
