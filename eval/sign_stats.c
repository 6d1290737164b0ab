/* SPDX-License-Identifier: MIT */
#include "eval/sign_stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sgn_histogram_put(sgn_histogram *h, double value) {
    const double at = floor((value - h->low) / h->width);
    h->count[at < 0 ? 0 : at < SGN_HISTOGRAM ? (int)at : SGN_HISTOGRAM - 1]++;
}

void sgn_histogram_add(sgn_histogram *to, const sgn_histogram *h) {
    to->low = h->low, to->width = h->width;
    for (int i = 0; i < SGN_HISTOGRAM; i++) to->count[i] += h->count[i];
}

/* --- copies of signs ---------------------------------------------------------------------------------- */

static size_t plane_words(const sgn_plane *p) { return p->word ? (size_t)(p->rows * p->stride) : 0; }
static size_t words_of(const sgn_param *p) {
    const sgn_signs *s = p->tensor.signs;
    return p->class == SGN_PARAM_LATENT && s ? plane_words(&s->rows) + plane_words(&s->rows_mask) : 0;
}

sgn_status sgn_sign_copy_take(sgn_sign_copy *c, const sgn_transformer *m, sgn_error *err) {
    size_t words = 0;
    for (int i = 0; i < m->params.count; i++) words += words_of(&m->params.at[i]);
    if (c->words != words) {
        sgn_sign_copy_free(c);
        c->word = calloc(words ? words : 1, sizeof *c->word);
        if (!c->word) SGN_FAIL(err, SGN_NOMEM, "no memory for a copy of %zu words of signs", words);
        c->words = words;
    }
    uint64_t *to = c->word;
    for (int i = 0; i < m->params.count; i++) {
        const sgn_signs *s = m->params.at[i].tensor.signs;
        if (!words_of(&m->params.at[i])) continue;
        const sgn_plane *const plane[2] = { &s->rows, &s->rows_mask };
        for (int k = 0; k < 2; to += plane_words(plane[k]), k++)
            if (plane[k]->word) memcpy(to, plane[k]->word, plane_words(plane[k]) * sizeof *to);
    }
    return SGN_OK;
}

void sgn_sign_copy_free(sgn_sign_copy *c) {
    free(c->word);
    *c = (sgn_sign_copy){ 0 };
}

/* --- changes -------------------------------------------------------------------------------------------- */

double sgn_sign_changed(const sgn_sign_change *c) { return c->entries ? (double)c->changed / (double)c->entries : 0; }
double sgn_sign_agreed(const sgn_sign_change *c)  { return c->kept ? (double)c->agree / (double)c->kept : 0; }

void sgn_sign_change_add(sgn_sign_change *to, const sgn_sign_change *c) {
    to->entries += c->entries, to->changed += c->changed, to->kept += c->kept, to->agree += c->agree;
}

/* Padding is 0 in signs and masks alike. */
static void compare(const sgn_signs *s, const uint64_t *sign, const uint64_t *mask, sgn_sign_change *c) {
    for (int64_t i = 0; i < s->rows.rows; i++)
        for (int64_t k = 0; k < s->rows.stride; k++) {
            const int64_t at = i * s->rows.stride + k, left = s->rows.cols - 64 * k;
            const uint64_t all = left < 64 ? (UINT64_C(1) << left) - 1 : ~UINT64_C(0);
            const uint64_t now = s->rows_mask.word ? s->rows_mask.word[at] : all, then = mask ? mask[at] : all;
            const uint64_t differ = s->rows.word[at] ^ sign[at], both = now & then;
            c->changed += __builtin_popcountll((now ^ then) | (differ & both));
            c->kept += __builtin_popcountll(both);
            c->agree += __builtin_popcountll(both & ~differ);
        }
    c->entries += s->rows.rows * s->rows.cols;
}

static const sgn_linear *linear_at(const sgn_transformer *m, int row, int64_t *block, int *which) {
    for (int64_t i = 0; i < m->config.layers * SGN_LINEARS; i++) {
        const sgn_linear *l = &m->blocks[i / SGN_LINEARS].linear[i % SGN_LINEARS];
        bool latent = false;
        for (size_t k = 0; l->kind && k < sizeof l->p / sizeof *l->p; k++)
            latent |= l->p[k] >= 0 && l->params->at[l->p[k]].class == SGN_PARAM_LATENT;
        if (!latent || row-- > 0) continue;
        *block = i / SGN_LINEARS, *which = (int)(i % SGN_LINEARS);
        return l;
    }
    return NULL;
}

int sgn_layer_signs_count(const sgn_transformer *m) {
    int64_t block;
    int which, n = 0;
    while (linear_at(m, n, &block, &which)) n++;
    return n;
}

sgn_sign_change sgn_layer_change(const sgn_transformer *m, int row, const sgn_sign_copy *before) {
    sgn_sign_change c = { 0 };
    int64_t block;
    int which;
    const sgn_linear *l = linear_at(m, row, &block, &which);
    const uint64_t *at = before->word;
    for (int i = 0; i < m->params.count; at += words_of(&m->params.at[i++])) {
        bool mine = false;
        for (size_t k = 0; k < sizeof l->p / sizeof *l->p; k++) mine |= l->p[k] == i;
        if (!mine || !words_of(&m->params.at[i])) continue;
        const sgn_signs *s = m->params.at[i].tensor.signs;
        compare(s, at, s->rows_mask.word ? at + plane_words(&s->rows) : NULL, &c);
    }
    return c;
}

/* --- latents ---------------------------------------------------------------------------------------------- */

static double size_at(const sgn_param *p, int64_t i) { return fabs((double)p->tensor.data[i] - (double)p->tensor.signs->center); }

static void look_at_latents(const sgn_linear *l, double near, sgn_layer_signs *out) {
    double sum = 0, least = INFINITY, greatest = 0;
    int64_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < sizeof l->p / sizeof *l->p; k++) {
            const sgn_param *p = l->p[k] >= 0 ? &l->params->at[l->p[k]] : NULL;
            if (!p || p->class != SGN_PARAM_LATENT || !p->tensor.signs) continue;
            const int64_t count = sgn_numel(p->tensor.shape);
            for (int64_t i = 0; i < count; i++) {
                const double size = size_at(p, i);
                if (pass == 0) {
                    sum += size;
                    least = fmin(least, size), greatest = fmax(greatest, size);
                    continue;
                }
                out->near += size < near * out->mean_size;
                sgn_histogram_put(&out->size, out->mean_size > 0 ? size / out->mean_size : 0);
            }
            n += pass == 0 ? count : 0;
        }
        out->mean_size = n ? sum / (double)n : 0;
    }
    out->weights = n;
    out->latent = greatest > least;
}

/* --- scales ------------------------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b) {
    const double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Shifts are called X.wbias; the gain of a kind's norm is no scale. */
static bool is_scale(const sgn_param *p, bool shift) {
    return (p->class == SGN_PARAM_SCALE || p->class == SGN_PARAM_DERIVED) && !ends_with(p->name, ".norm.weight")
        && ends_with(p->name, ".wbias") == shift;
}

/* Fills `value` with the scales, or shifts, of a layer where it is not NULL; how many. */
static int64_t gather(const sgn_linear *l, bool shift, double *value) {
    int64_t n = 0;
    for (size_t k = 0; k < sizeof l->p / sizeof *l->p; k++) {
        const sgn_param *p = l->p[k] >= 0 ? &l->params->at[l->p[k]] : NULL;
        if (!p || !is_scale(p, shift)) continue;
        const int64_t count = sgn_numel(p->tensor.shape);
        for (int64_t i = 0; value && i < count; i++) value[n + i] = (double)p->tensor.data[i];
        n += count;
    }
    return n;
}

static double median_of(const double *sorted, int64_t n) { return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2; }

/* unit: what the histogram measures in; 0: the median size, which it becomes. */
static sgn_status look_at_scales(const sgn_linear *l, bool shift, double *unit, sgn_scale_stats *out, sgn_histogram *h, sgn_error *err) {
    const int64_t n = gather(l, shift, NULL);
    if (!n) return SGN_OK;
    double *value = malloc(2 * (size_t)n * sizeof *value), *size = value + n;
    if (!value) SGN_FAIL(err, SGN_NOMEM, "no memory for %lld scales", (long long)n);
    gather(l, shift, value);
    for (int64_t i = 0; i < n; i++) out->mean_size += (size[i] = fabs(value[i])) / (double)n;
    qsort(value, (size_t)n, sizeof *value, by_value);
    qsort(size, (size_t)n, sizeof *size, by_value);
    const double middle = median_of(size, n);
    if (*unit <= 0) *unit = middle;
    out->count = n, out->least = value[0], out->median = median_of(value, n), out->greatest = value[n - 1];
    for (int64_t i = 0; i < n; i++) {
        out->negative += value[i] < 0;
        out->near_zero += size[i] < 0.1 * middle;
        sgn_histogram_put(h, *unit > 0 ? value[i] / *unit : 0);
    }
    free(value);
    return SGN_OK;
}

sgn_status sgn_layer_signs_look(const sgn_transformer *m, int i, double near, sgn_layer_signs *out, sgn_error *err) {
    int64_t block;
    int which;
    const sgn_linear *l = linear_at(m, i, &block, &which);
    *out = (sgn_layer_signs){ .size = { .width = 0.075 }, .alphas = { .low = -2, .width = 0.1 }, .betas = { .low = -3, .width = 0.1 } };
    snprintf(out->name, sizeof out->name, "%s", m->blocks[block].path[which]);
    out->module = sgn_linear_module((sgn_block_linear)which);
    look_at_latents(l, near, out);
    double unit = 0;
    SGN_TRY(look_at_scales(l, false, &unit, &out->alpha, &out->alphas, err));
    return look_at_scales(l, true, &unit, &out->beta, &out->betas, err);
}
