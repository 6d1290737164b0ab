# nonsense.awk - text without an author: awk -v seed=1 -v words=5000 -f nonsense.awk
# Words of two or three syllables; each word's first syllable depends on the one before, so there is something to learn.
# SPDX-License-Identifier: MIT
function next_random(n) { seed = (seed * 1103515245 + 12345) % 2147483648; return int(seed / 65536) % n }
BEGIN {
    count = split("ba ko ri mu te la sho ven dil gra pno xi fa lu wem oth", syllable, " ")
    previous = 1
    for (i = 1; i <= words; i++) {
        first = (previous * 3 + next_random(4)) % count + 1
        word = syllable[first] syllable[(first + next_random(3)) % count + 1]
        if (next_random(3) == 0) word = word syllable[next_random(count) + 1]
        previous = first
        end = next_random(9)
        line = line (line == "" ? "" : " ") word (end == 0 ? "." : end == 1 ? "," : "")
        if (length(line) > 70) { print line; line = "" }
        if (i % 400 == 0) { print line "\n"; line = "" }
    }
    print line
}
