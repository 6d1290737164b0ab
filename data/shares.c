/* SPDX-License-Identifier: MIT */
#include "data/shares.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 9 };           /* of a weight */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* weight = value / 10^decimals */
static sgn_status parse(const char *text, uint64_t *value, int *decimals, sgn_error *err) {
    const char *c = text;
    int digits = 0;
    *value = 0;
    *decimals = 0;
    for (bool point = false; is_digit(*c) || (*c == '.' && !point); c++) {
        if (*c == '.') {
            point = true;
            continue;
        }
        *value = 10 * *value + (uint64_t)(*c - '0');
        digits += *value > 0;
        *decimals += point;
        if (digits > DIGITS || *decimals > DIGITS) break;
    }
    if (*c || *value == 0)
        SGN_FAIL(err, SGN_CONFIG, "data.mix: \"%.60s\" is no weight; a number above 0 of at most %d digits is expected, such as 0.7 or 3", text, DIGITS);
    return SGN_OK;
}

static uint64_t common(uint64_t a, uint64_t b) { return b ? common(b, a % b) : a; }

/* To whole numbers without a common divisor. */
static sgn_status scale(sgn_shares *s, const char *const *weights, sgn_error *err) {
    uint64_t value[SGN_SHARES_MAX], divisor = 0, sum = 0;
    int decimals[SGN_SHARES_MAX], most = 0;
    for (int i = 0; i < s->count; i++) {
        SGN_TRY(parse(weights[i], &value[i], &decimals[i], err));
        if (decimals[i] > most) most = decimals[i];
    }
    for (int i = 0; i < s->count; i++) {           /* at most 10^9 10^9 */
        for (int k = decimals[i]; k < most; k++) value[i] *= 10;
        divisor = common(divisor, value[i]);
    }
    for (int i = 0; i < s->count && sum <= SGN_SHARES_PERIOD; i++) sum += value[i] / divisor;
    if (sum > SGN_SHARES_PERIOD)
        SGN_FAIL(err, SGN_CONFIG, "data.mix: the weights are in a ratio of more than %d parts; give them fewer digits", SGN_SHARES_PERIOD);
    for (int i = 0; i < s->count; i++) s->weight[i] = (uint32_t)(value[i] / divisor);
    s->period = (uint32_t)sum;
    return SGN_OK;
}

static void order(sgn_shares *s) {
    uint64_t had[SGN_SHARES_MAX] = { 0 }, begin[SGN_SHARES_MAX] = { 0 }, end[SGN_SHARES_MAX];
    const uint64_t p = s->period;
    for (int i = 0; i < s->count; i++) end[i] = (p + s->weight[i] - 1) / s->weight[i];
    for (uint64_t at = 0; at < p; at++) {
        int next = -1;
        for (int i = 0; i < s->count; i++)
            if (begin[i] <= at && had[i] < s->weight[i] && (next < 0 || end[i] < end[next])) next = i;
        s->turn[at] = (sgn_turn){ (uint32_t)had[next]++, next };
        begin[next] = had[next] * p / s->weight[next];
        end[next] = ((had[next] + 1) * p + s->weight[next] - 1) / s->weight[next];
    }
}

sgn_status sgn_shares_init(sgn_shares *s, const char *const *weights, int count, sgn_error *err) {
    *s = (sgn_shares){ .count = count };
    if (count < 1 || count > SGN_SHARES_MAX)
        SGN_FAIL(err, SGN_CONFIG, "data.mix: %d weights: 1 to %d are possible", count, SGN_SHARES_MAX);
    SGN_TRY(scale(s, weights, err));
    s->turn = malloc(s->period * sizeof *s->turn);
    if (!s->turn) SGN_FAIL(err, SGN_NOMEM, "no memory for an order of %" PRIu32 " turns", s->period);
    order(s);
    return SGN_OK;
}

void sgn_shares_free(sgn_shares *s) {
    free(s->turn);
    *s = (sgn_shares){ 0 };
}

int sgn_shares_turn(const sgn_shares *s, uint64_t sample, uint64_t *number) {
    const sgn_turn t = s->turn[sample % s->period];
    *number = sample / s->period * s->weight[t.set] + t.number;
    return t.set;
}

void sgn_shares_count(const sgn_shares *s, uint64_t samples, uint64_t *counts) {
    for (int i = 0; i < s->count; i++) counts[i] = samples / s->period * s->weight[i];
    for (uint64_t at = 0; at < samples % s->period; at++) counts[s->turn[at].set]++;
}
