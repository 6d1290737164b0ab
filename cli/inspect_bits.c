/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "cli/inspect.h"
#include "cli/output.h"
#include "export/model_bits.h"

/* --- as JSON ---------------------------------------------------------------------------------------- */

static double each(double bits, int64_t weights) { return weights ? bits / (double)weights : 0; }

static void put_bits(sgn_json *j, const sgn_bits *b) {
    sgn_json_set(j, "weights", sgn_json_new_int(sgn_bits_weights(b)));
    for (int p = 0; p < SGN_BITS_PARTS; p++)
        if (b->bits[p]) sgn_json_set(j, sgn_bits_word((sgn_bits_part)p), sgn_json_new_int(b->bits[p]));
    sgn_json_set(j, "bits", sgn_json_new_int(sgn_bits_all(b)));
    if (sgn_bits_weights(b)) sgn_json_set(j, "bits_per_weight", sgn_json_new_real(each((double)sgn_bits_all(b), sgn_bits_weights(b))));
}

sgn_status sgn_inspect_bits(const char *path, sgn_verify verify, sgn_json *j, sgn_error *err) {
    sgn_model_bits b;
    SGN_TRY(sgn_model_bits_open(&b, path, verify, err));
    sgn_json *out = sgn_json_new_object(), *rows = sgn_json_new_array(), *all = sgn_json_new_object();
    sgn_json_set(j, "bits", out);
    sgn_json_set(out, "counted", sgn_json_new_string(b.what));
    sgn_json_set(out, "layers", rows);
    for (int i = 0; i < b.count; i++) {
        sgn_json *row = sgn_json_new_object();
        sgn_json_set(row, "name", sgn_json_new_string(b.row[i].name));
        put_bits(row, &b.row[i].bits);
        sgn_json_append(rows, row);
    }
    sgn_json_set(out, "all", all);
    put_bits(all, &b.all);
    const int64_t array_bytes = sgn_bits_all(&b.all) / 8;
    sgn_json_set(out, "array_bytes", sgn_json_new_int(array_bytes));
    sgn_json_set(out, "file_bytes", sgn_json_new_int((int64_t)b.file_bytes));
    sgn_json_set(out, "overhead_bytes", b.stored ? sgn_json_new_int((int64_t)b.file_bytes - array_bytes) : sgn_json_new_null());
    sgn_json_set(out, "beside_bytes", sgn_json_new_int((int64_t)b.beside_bytes));
    const int64_t binary = b.all.binary_weights;
    sgn_json_set(out, "binarized_weights", sgn_json_new_int(binary));
    sgn_json_set(out, "binarized_bits_per_weight", binary ? sgn_json_new_real(each((double)sgn_bits_binary(&b.all), binary)) : sgn_json_new_null());
    sgn_json_set(out, "paper_bits_per_weight", binary ? sgn_json_new_real(each(b.all.claimed, binary)) : sgn_json_new_null());
    sgn_json_set(out, "paper", binary ? sgn_json_new_string(sgn_bits_claim(&b.all)) : sgn_json_new_null());
    sgn_model_bits_close(&b);
    return SGN_OK;
}

/* --- for people ----------------------------------------------------------------------------------------- */

enum { NAME = 22 };

static int64_t number(const sgn_json *row, const char *key) { return sgn_json_int(sgn_json_get(row, key), 0); }

static void print_sums(const char *name, size_t length, const int64_t *bits, int64_t weights, const sgn_json *all) {
    int64_t sum = 0;
    printf("  %-*.*s %12lld", NAME, (int)length, name, (long long)weights);
    for (int p = 0; p < SGN_BITS_PARTS; p++) {
        sum += bits[p];
        if (number(all, sgn_bits_word((sgn_bits_part)p))) printf(" %12.0f", (double)bits[p] / 8);
    }
    if (weights) printf(" %12.4f", each((double)sum, weights));
    putchar('\n');
}

static void add_row(const sgn_json *row, int64_t *bits, int64_t *weights) {
    for (int p = 0; p < SGN_BITS_PARTS; p++) bits[p] += number(row, sgn_bits_word((sgn_bits_part)p));
    *weights += number(row, "weights");
}

/* Blocks by their sums; --json has each linear layer. */
static void print_rows(const sgn_json *rows, const sgn_json *all) {
    const size_t count = sgn_json_size(rows);
    for (size_t i = 0; i < count;) {
        const char *name = sgn_json_string(sgn_json_get(sgn_json_at(rows, i), "name"), "");
        const size_t length = sgn_bits_layer(name);
        int64_t bits[SGN_BITS_PARTS] = { 0 }, weights = 0;
        for (; i < count; i++) {
            const char *other = sgn_json_string(sgn_json_get(sgn_json_at(rows, i), "name"), "");
            if (sgn_bits_layer(other) != length || strncmp(name, other, length) != 0) break;
            add_row(sgn_json_at(rows, i), bits, &weights);
        }
        print_sums(name, length, bits, weights, all);
    }
}

void sgn_inspect_print_bits(const sgn_json *b) {
    const sgn_json *all = sgn_json_get(b, "all");
    int64_t bits[SGN_BITS_PARTS] = { 0 }, weights = 0;
    printf("bytes of %s:\n  %-*s %12s", sgn_json_string(sgn_json_get(b, "counted"), ""), NAME, "", "weights");
    for (int p = 0; p < SGN_BITS_PARTS; p++)
        if (number(all, sgn_bits_word((sgn_bits_part)p))) printf(" %12s", sgn_bits_word((sgn_bits_part)p));
    printf(" %12s\n", "bits/weight");
    print_rows(sgn_json_get(b, "layers"), all);
    add_row(all, bits, &weights);
    print_sums("all", 3, bits, weights, all);
    if (number(b, "binarized_weights")) {
        printf("  binarized matrices: %lld weights, %.4f bits each\n", (long long)number(b, "binarized_weights"),
               sgn_json_real(sgn_json_get(b, "binarized_bits_per_weight"), 0));
        printf("  %.4f bits %s\n", sgn_json_real(sgn_json_get(b, "paper_bits_per_weight"), 0), sgn_json_string(sgn_json_get(b, "paper"), ""));
    }
    printf("  files: %lld bytes", (long long)number(b, "file_bytes"));
    if (sgn_json_typeof(sgn_json_get(b, "overhead_bytes")) == SGN_JSON_INT) printf(", %lld of them headers and whatever is no part of the model", (long long)number(b, "overhead_bytes"));
    printf("; beside them %lld\n", (long long)number(b, "beside_bytes"));
}
