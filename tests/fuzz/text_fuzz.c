/* Documents from files that may be gzip or zstd: plain text, or JSON lines where the first byte is odd.
 *
 * SPDX-License-Identifier: MIT */
#include <string.h>
#include "data/frame.h"
#include "data/text.h"
#include "tests/fuzz/fuzz.h"

enum { PLAIN, LINES, ENOUGH = 1 << 24 };   /* a small file may hold gigabytes */

static const char lines[] = "{\"text\": \"a b\"}\n{\"text\": \"c\\n\\u00e9\", \"n\": [1, {}]}\n{\"token_ids\": [1, 2, 300]}\n";
/* gzip of much the same. */
static const uint8_t gzip[] = { 0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xAB, 0x56, 0x2A, 0x49, 0xAD, 0x28, 0x51, 0xB2, 0x52, 0x50, 0x4A, 
    0x54, 0x48, 0x52, 0xAA, 0xE5, 0xAA, 0x86, 0xF3, 0x93, 0x63, 0xF2, 0x94, 0x74, 0x14, 0x94, 0xF2, 0x80, 0xEC, 0x68, 0xC3, 0x58, 
    0xB0, 0x4C, 0x7E, 0x76, 0x6A, 0x5E, 0x7C, 0x66, 0x4A, 0x31, 0x58, 0x48, 0x47, 0xC1, 0x08, 0x28, 0x0A, 0x00, 0x30, 0x40, 0xBD, 
    0x6C, 0x40, 0x00, 0x00, 0x00 };

static void seed(fuzz_take *take, uint8_t sort, const void *data, size_t size) {
    uint8_t in[1024];
    in[0] = sort;
    memcpy(in + 1, data, size);
    take(in, 1 + size);
}

void fuzz_seeds(fuzz_take *take) {
    sgn_error err = { 0 };
    sgn_frame_encoder *e;
    uint8_t frame[512];
    size_t n;
    fuzz_ok(sgn_frame_encoder_open(&e, 3, &err), &err);
    fuzz_ok(sgn_frame_encode(e, lines, sizeof lines - 1, frame, sizeof frame, &n, &err), &err);
    sgn_frame_encoder_close(e);
    seed(take, LINES, lines, sizeof lines - 1);
    seed(take, LINES, gzip, sizeof gzip);
    seed(take, LINES, frame, n);
    seed(take, PLAIN, frame, n);
    seed(take, PLAIN, "one\n\ntwo \xC3\xA9\n\n\nthree", 20);
}

/* Bytes and ids of all parts; the same every time. */
static uint64_t read_all(const char *path, uint8_t sort) {
    const sgn_text_options o = { .format = sort % 2 ? SGN_TEXT_JSONL : SGN_TEXT_PLAIN, .separator = sort & 2 ? "blank-line" : NULL };
    sgn_error err = { 0 };
    sgn_text *t;
    sgn_text_part p;
    bool more = true, open = false;
    uint64_t sum = 0;
    if (fuzz_refused(sgn_text_open(&t, &path, 1, &o, &err), &err, path)) return 1;
    while (sum < ENOUGH) {
        if (fuzz_refused(sgn_text_next(t, &p, &more, &err), &err, path) || !more) break;
        fuzz_check(p.first == !open && (p.size == 0 || p.text) && (p.count == 0 || p.ids));
        open = !p.last;
        for (size_t i = 0; i < p.size; i++) sum += 1 + ((uint8_t)p.text[i] & 1);
        for (size_t i = 0; i < p.count; i++) sum += 1 + ((uint32_t)p.ids[i] & 1);
    }
    fuzz_check(more || !open);
    sgn_text_close(t);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const char *path = fuzz_put("x.txt", data + 1, size - 1);
    fuzz_check(read_all(path, data[0]) == read_all(path, data[0]));
    return 0;
}
