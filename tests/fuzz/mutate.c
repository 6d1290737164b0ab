/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/mutate.h"

#include <stdbool.h>
#include <string.h>
#include "core/rng.h"

typedef struct {
    uint8_t *data;
    size_t   size, room;
    uint64_t seed, draws;
} buffer;

static uint64_t draw(buffer *b, uint64_t below) { return below ? sgn_rng_bits(b->seed, 0xF022, b->draws++) % below : 0; }

/* An offset: headers and footers as often as all between. */
static size_t place(buffer *b) {
    const uint64_t end = b->size < 64 ? b->size : 64, where = draw(b, 3);
    return where == 0 ? draw(b, end) : where == 1 ? b->size - (size_t)end + draw(b, end) : draw(b, b->size);
}

/* Bytes [at, at + old) become `text`, as far as there is room. */
static void replace(buffer *b, size_t at, size_t old, const void *text, size_t n) {
    if (b->size - old + n > b->room) return;
    memmove(b->data + at + n, b->data + at + old, b->size - at - old);
    memcpy(b->data + at, text, n);
    b->size += n - old;
}

/* --- fields of binary formats -------------------------------------------------------------------- */

static void set_integer(buffer *b) {
    const size_t width = (size_t)1 << draw(b, 4), at = place(b);
    if (at + width > b->size) return;
    uint64_t was = 0;
    memcpy(&was, b->data + at, width);              /* little-endian, as formats and machines here are */
    const uint64_t most = UINT64_MAX >> (64 - 8 * width), left = b->size - at - width;
    const uint64_t values[] = { 0, 1, most, most - 1, most / 2, most / 2 + 1, was + 1, was - 1, 2 * was, ~was, left, left + 1, b->size,
                                UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 61, most / 4 + 1, most / 8, 1 << 16, was << 32 };
    const uint64_t v = values[draw(b, sizeof values / sizeof *values)];
    memcpy(b->data + at, &v, width);
}

static void flip(buffer *b) {
    if (b->size) b->data[place(b)] ^= (uint8_t)(1 << draw(b, 8));
}

/* --- fields of texts ----------------------------------------------------------------------------- */

#define DEEP "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"

static bool in_number(uint8_t c) { return (c >= '0' && c <= '9') || c == '-' || c == '.'; }

/* Where the first byte that satisfies `is` stands, from `at` on and around; size: nowhere. */
static size_t seek(const buffer *b, size_t at, bool (*is)(uint8_t)) {
    for (size_t i = 0; i < b->size; i++)
        if (is(b->data[(at + i) % b->size])) return (at + i) % b->size;
    return b->size;
}

static void set_number(buffer *b) {
    static const char *const values[] = { "0", "1", "-1", "2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807",
        "9223372036854775808", "18446744073709551615", "18446744073709551616", "4611686018427387904", "1e3", "1.0", "0.5", "1e999", "-0", "01",
        "null", "true", "\"1\"", "[]", "{}", "", "1,1", "NaN", DEEP };
    size_t at = seek(b, draw(b, b->size), in_number), end = at;
    while (at && in_number(b->data[at - 1])) at--;
    while (end < b->size && in_number(b->data[end])) end++;
    const char *v = values[draw(b, sizeof values / sizeof *values)];
    if (end > at) replace(b, at, end - at, v, strlen(v));
}

static bool is_quote(uint8_t c) { return c == '"'; }

static void set_text(buffer *b) {
    static const char *const values[] = { "", "..", "../x", "/", "a", "\\u0000", "\\ud800", "\\ud800\\udc00", "\xC3\x28", "\xED\xA0\x80", "\xEF\xBB\xBF",
        "<0x-1>", "<0x00>", "<unk>", "\xE2\x96\x81", " ", "\\n", "a\\/b", "\"", "\\", "%s%n", "F32", "U8", "I64", "0", "__metadata__" };
    size_t at = seek(b, draw(b, b->size), is_quote) + 1;
    if (at > b->size) return;
    size_t end = at;
    while (end < b->size && !is_quote(b->data[end])) end++;
    const size_t which = (size_t)draw(b, sizeof values / sizeof *values + 1);
    char longest[1100];
    memset(longest, 'n', sizeof longest);
    if (which < sizeof values / sizeof *values) replace(b, at, end - at, values[which], strlen(values[which]));
    else replace(b, at, end - at, longest, which % 2 ? sizeof longest : 300);
}

static void set_mark(buffer *b) {
    static const char marks[] = "{}[],:\"\\ \n\t\xFF&*!|#-~";
    if (b->size) b->data[draw(b, b->size)] = (uint8_t)marks[draw(b, sizeof marks)];
}

/* --- ranges --------------------------------------------------------------------------------------- */

static size_t range(buffer *b, size_t *at) {
    *at = draw(b, b->size + 1);
    const size_t most = (size_t)1 << draw(b, 9), n = draw(b, most) + 1;
    return n < b->size - *at ? n : b->size - *at;
}

static void leave_out(buffer *b) {
    size_t at;
    const size_t n = range(b, &at);
    replace(b, at, n, "", 0);
}

static void twice(buffer *b) {
    uint8_t copy[512];
    size_t at;
    const size_t n = range(b, &at);
    memcpy(copy, b->data + at, n);
    for (uint64_t times = draw(b, 2) ? 1 : 1 + draw(b, 8); times; times--) replace(b, at, 0, copy, n);
}

static void move(buffer *b) {
    uint8_t copy[512];
    size_t at, to;
    const size_t n = range(b, &at);
    memcpy(copy, b->data + at, n);
    to = draw(b, b->size - n + 1);
    if (n) memcpy(b->data + to, copy, n);
}

/* --- cases ---------------------------------------------------------------------------------------- */

size_t fuzz_change(uint8_t *data, size_t n, size_t room, uint64_t seed, const char **how) {
    static const struct { const char *name; void (*change)(buffer *); } changes[] = {
        { "an integer is set", set_integer }, { "an integer is set", set_integer }, { "an integer is set", set_integer },
        { "a number is set", set_number }, { "a number is set", set_number }, { "a text is set", set_text }, { "a text is set", set_text },
        { "a bit is flipped", flip }, { "a mark is set", set_mark }, { "a range is left out", leave_out },
        { "a range stands twice", twice }, { "a range is copied", move } };
    buffer b = { data, n, room, seed, 0 };
    for (uint64_t times = draw(&b, 3) ? 1 : 1 + draw(&b, 4); times; times--) {
        const size_t c = draw(&b, sizeof changes / sizeof *changes);
        *how = changes[c].name;
        changes[c].change(&b);
    }
    return b.size;
}

size_t fuzz_damage(const uint8_t *in, size_t n, uint64_t k, uint8_t *out, const char **how) {
    if (n) memcpy(out, in, n);
    if (k < n) return *how = "cut short", (size_t)k;
    if (k < 2 * n) {
        *how = "a byte is flipped";
        out[k - n] ^= (uint8_t)(k % 9 == 8 ? 0xFF : 1 << k % 9);
        return n;
    }
    return fuzz_change(out, n, n + FUZZ_GROWTH, k, how);
}
