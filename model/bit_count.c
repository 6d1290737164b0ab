/* SPDX-License-Identifier: MIT */
#include "model/bit_count.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What FBI-LLM's tables take a scale or shift for. */
enum { PAPER_SCALE = 16 };

const char *sgn_bits_word(sgn_bits_part p) {
    static const char *const word[] = {
#define X(part, text) text,
        SGN_BITS_LIST(X)
#undef X
    };
    return word[p];
}

static int64_t type_bits(sgn_dtype type) { return 8 * (int64_t)(type ? sgn_dtype_bytes(type) : sizeof(sgn_real)); }

static void put(sgn_bits *b, sgn_bits_part part, int64_t numbers, int64_t bits) {
    b->numbers[part] += numbers;
    b->bits[part] += bits;
}

static bool is_signs(sgn_dtype t) { return t == SGN_DTYPE_Q1_0 || t == SGN_DTYPE_TQ1_0 || t == SGN_DTYPE_TQ2_0; }

void sgn_bits_put(sgn_bits *b, sgn_bits_part part, sgn_dtype type, int64_t rows, int64_t cols) {
    const int64_t numbers = rows * cols, bits = 8 * rows * (int64_t)sgn_stored_row_bytes(type, cols);
    if (part != SGN_BITS_FULL || !is_signs(type)) {
        put(b, part, numbers, bits);
        if (part == SGN_BITS_SHIFTS) b->claimed += (double)(PAPER_SCALE * numbers);
        return;
    }
    const int64_t blocks = numbers / sgn_dtype_block(type);
    put(b, SGN_BITS_SIGNS, numbers, bits - 16 * blocks);
    put(b, SGN_BITS_SCALES, blocks, 16 * blocks);
    b->binary_weights += numbers;
    b->ideal += sgn_code_bits(type == SGN_DTYPE_Q1_0 ? SGN_CODE_BINARY : SGN_CODE_TERNARY) * (double)numbers;
    b->claimed += type == SGN_DTYPE_Q1_0 ? (double)(numbers + PAPER_SCALE * blocks) : log2(3) * (double)numbers;
}

void sgn_bits_add(sgn_bits *to, const sgn_bits *b) {
    for (int p = 0; p < SGN_BITS_PARTS; p++) put(to, (sgn_bits_part)p, b->numbers[p], b->bits[p]);
    to->binary_weights += b->binary_weights;
    to->claimed += b->claimed;
    to->ideal += b->ideal;
}

/* --- a linear layer -------------------------------------------------------------------------------- */

static int planes(sgn_stage_kind k) {
    return k == SGN_STAGE_SIGN || k == SGN_STAGE_GROUP_SIGN ? 1
         : k == SGN_STAGE_TERNARY || k == SGN_STAGE_MASKED_SIGN || k == SGN_STAGE_ZONES ? 2 : 0;
}

static bool is_binary(const sgn_lowered *l) {
    for (int c = 0; c < l->count; c++)
        for (int s = 0; s < l->chain[c].count; s++)
            if (planes(l->chain[c].stage[s].kind)) return true;
    return false;
}

/* FBI-LLM counts a bit a sign and 16 a scale; STBLLM the share that is kept, salient ones twice, BitNet b1.58 the choice of three, and no scales. */
static double claim_signs(const sgn_lowered_stage *s) {
    const double n = (double)(s->rows * s->cols);
    if (s->kind == SGN_STAGE_TERNARY) return log2(3) * n;
    if (s->kind != SGN_STAGE_MASKED_SIGN) return n;
    const sgn_code_info *code = sgn_code_get(s->code);
    return code->kept ? n * code->kept / code->of : log2(3) * n;
}

/* Codes of N of M: a bit for the sign of each that is kept, the others say where it is. */
static void put_coded(sgn_bits *b, const sgn_lowered_stage *s) {
    const int64_t codes = s->rows * sgn_coded_groups(s->code, s->cols), kept = sgn_code_get(s->code)->kept, bits = sgn_coded_bits(s->code);
    b->numbers[SGN_BITS_SIGNS] += s->rows * s->cols;
    b->bits[SGN_BITS_SIGNS] += codes * kept;
    b->ideal += sgn_code_bits(s->code) * (double)(s->rows * s->cols);
    b->bits[SGN_BITS_MASKS] += codes * (bits - kept);
    b->bits[SGN_BITS_PADDING] += 8 * s->rows * sgn_coded_stride(s->code, s->cols) - codes * bits;
    b->claimed += claim_signs(s);
}

static double log2_choose(int m, int n) { return (lgamma(m + 1) - lgamma(n + 1) - lgamma(m - n + 1)) / log(2); }

/* Of columns with two signs; in training they are those of zone 4. */
static int64_t salient_columns(const sgn_zoned_bits *z, const sgn_real *zone) {
    int64_t count = 0;
    for (int64_t j = 0; j < z->cols; j++) {
        bool is = z->salient && z->salient[j / 8] >> j % 8 & 1;
        for (int64_t i = 0; !z->salient && !is && i < z->rows; i++) is = zone[i * z->cols + j] >= 4;
        count += is;
    }
    return count;
}

/* Signs of what is kept; sets, ids and salient columns are masks. STBLLM and BiLLM claim a sign for what is kept, two where it is salient. */
static void put_zones(sgn_bits *b, const sgn_lowered_stage *s) {
    sgn_zoned_bits z = s->zones;
    if (!z.byte && sgn_zoned_bits_form(&z, s->zone, s->rows, s->cols, "", NULL) != SGN_OK) return;
    const int64_t all = 8 * (s->rows * sgn_zoned_bits_stride(&z) + (s->cols + 7) / 8);
    const int64_t kept = z.of ? s->rows * (s->cols / z.of) * z.kept : s->rows * s->cols;
    const int64_t used = s->rows * (z.of ? s->cols / z.of * sgn_zoned_bits_mask_bits(&z) : 0) + kept * (1 + z.id) + s->cols;
    const double zones = z.of || !z.pruned ? z.id == 1 ? 2 : 3 : 3.5;          /* 3.5: a sign and one of three, or pruned */
    b->numbers[SGN_BITS_SIGNS] += s->rows * s->cols;
    b->bits[SGN_BITS_SIGNS] += kept;
    b->bits[SGN_BITS_MASKS] += used - kept;
    b->bits[SGN_BITS_PADDING] += all - used;
    b->claimed += (double)kept * (1 + (double)salient_columns(&z, s->zone) / (double)s->cols);
    b->ideal += (z.of ? (double)(s->rows * (s->cols / z.of)) * log2_choose(z.of, z.kept) : 0) + (double)kept * log2(2 * zones) + (double)s->cols;
}

static void put_stage(sgn_bits *b, const sgn_lowered_stage *s, bool binary) {
    const int64_t numbers = s->rows * s->cols;
    if (s->kind == SGN_STAGE_ZONES) put_zones(b, s);
    else if (s->kind == SGN_STAGE_MASKED_SIGN && sgn_coded_bits(s->code)) put_coded(b, s);
    else if (planes(s->kind)) {
        put(b, SGN_BITS_SIGNS, numbers, numbers);
        put(b, SGN_BITS_PADDING, 0, planes(s->kind) * s->rows * (64 * s->plane[0].stride - s->cols));
        if (planes(s->kind) > 1) put(b, SGN_BITS_MASKS, 0, numbers);
        b->claimed += claim_signs(s);
        b->ideal += (double)numbers * sgn_code_bits(s->kind == SGN_STAGE_TERNARY ? SGN_CODE_TERNARY
                                                  : s->kind == SGN_STAGE_MASKED_SIGN ? s->code : SGN_CODE_BINARY);
    }
    if (s->w.data) sgn_bits_put(b, SGN_BITS_FULL, s->w.dtype, s->rows, s->cols);
    const sgn_bits_part part = s->kind == SGN_STAGE_NORM ? SGN_BITS_NORMS : !binary ? SGN_BITS_FULL
                             : s->kind == SGN_STAGE_RANK1 ? SGN_BITS_SHIFTS : SGN_BITS_SCALES;
    if (s->v) put(b, part, s->v_size, s->v_size * type_bits(s->v_type));
    if (s->u) put(b, part, s->u_size, s->u_size * type_bits(s->u_type));
}

sgn_bits sgn_bits_of_linear(const sgn_lowered *l, int64_t out, int64_t in) {
    sgn_bits b = { 0 };
    const bool binary = is_binary(l);
    bool scales = true;
    for (int c = 0; c < l->count; c++)
        for (int i = 0; i < l->chain[c].count; i++) {
            const sgn_lowered_stage *s = &l->chain[c].stage[i];
            put_stage(&b, s, binary);
            scales &= planes(s->kind) < 2;
        }
    if (binary) b.binary_weights += out * in;
    if (binary && scales) b.claimed += (double)(PAPER_SCALE * (b.numbers[SGN_BITS_SCALES] + b.numbers[SGN_BITS_SHIFTS]));
    if (l->bias) put(&b, SGN_BITS_BIASES, out, out * type_bits(0));
    return b;
}

/* --- rows of a model ----------------------------------------------------------------------------------- */

enum { PLAIN_ROWS = 4, NORM_ROWS = 1, BLOCK_ROWS = NORM_ROWS + SGN_LINEARS };

static sgn_bits of_plain(const sgn_lowered_model *lm, int i) {
    const sgn_model_config *c = &lm->config;
    sgn_bits b = { 0 };
    if (i == 0) sgn_bits_put(&b, SGN_BITS_EMBEDDING, lm->embedding.dtype, c->vocab, c->dim);
    if (i == 1 && lm->positions) put(&b, SGN_BITS_POSITIONS, c->context * c->dim, c->context * c->dim * type_bits(0));
    if (i == 2) put(&b, SGN_BITS_NORMS, c->dim * (lm->final_bias ? 2 : 1), c->dim * (lm->final_bias ? 2 : 1) * type_bits(0));
    if (i == 3 && lm->head.data != lm->embedding.data) sgn_bits_put(&b, SGN_BITS_HEAD, lm->head.dtype, c->vocab, c->dim);
    return b;
}

static sgn_bits of_norms(const sgn_model_config *c, const sgn_lowered_block *block) {
    sgn_bits b = { 0 };
    const int64_t n = (2 + !!block->attention_bias + !!block->mlp_bias) * c->dim + (!!block->q_norm + !!block->k_norm) * c->head_dim;
    put(&b, SGN_BITS_NORMS, n, n * type_bits(0));
    return b;
}

bool sgn_bits_row_at(const sgn_lowered_model *lm, int64_t i, sgn_bits_row *row) {
    static const char *const plain[PLAIN_ROWS] = { "model.embed_tokens", "model.embed_positions", "model.norm", "lm_head" };
    static const char *const part[] = { "self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down" };
    const sgn_model_config *c = &lm->config;
    if (i < PLAIN_ROWS) {
        *row = (sgn_bits_row){ .bits = of_plain(lm, (int)i) };
        snprintf(row->name, sizeof row->name, "%s", plain[i]);
        return true;
    }
    const int64_t n = (i - PLAIN_ROWS) / BLOCK_ROWS, which = (i - PLAIN_ROWS) % BLOCK_ROWS - NORM_ROWS;
    if (n >= c->layers) return false;
    if (which < 0) {
        *row = (sgn_bits_row){ .bits = of_norms(c, &lm->blocks[n]) };
        snprintf(row->name, sizeof row->name, "model.layers.%lld.norms", (long long)n);
        return true;
    }
    const int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    const int64_t out[SGN_LINEARS] = { q, kv, kv, c->dim, c->ffn, c->ffn, c->dim }, in[SGN_LINEARS] = { [SGN_O] = q, [SGN_DOWN] = c->ffn };
    *row = (sgn_bits_row){ .bits = sgn_bits_of_linear(&lm->blocks[n].linear[which], out[which], in[which] ? in[which] : c->dim) };
    snprintf(row->name, sizeof row->name, "model.layers.%lld.%s_proj", (long long)n, part[which]);
    return true;
}

size_t sgn_bits_layer(const char *name) {
    static const char block[] = "model.layers.";
    if (strncmp(name, block, sizeof block - 1) != 0) return strlen(name);
    const char *dot = strchr(name + sizeof block - 1, '.');
    return dot ? (size_t)(dot - name) : strlen(name);
}

sgn_bits sgn_bits_of_model(const sgn_lowered_model *lm) {
    sgn_bits all = { 0 };
    sgn_bits_row row;
    for (int64_t i = 0; sgn_bits_row_at(lm, i, &row); i++) sgn_bits_add(&all, &row.bits);
    return all;
}

/* --- sums ------------------------------------------------------------------------------------------------- */

static bool is_of_binary(int part) { return part <= SGN_BITS_SHIFTS; }

int64_t sgn_bits_all(const sgn_bits *b) {
    int64_t sum = 0;
    for (int p = 0; p < SGN_BITS_PARTS; p++) sum += b->bits[p];
    return sum;
}

int64_t sgn_bits_binary(const sgn_bits *b) {
    int64_t sum = 0;
    for (int p = 0; p < SGN_BITS_PARTS; p++) sum += is_of_binary(p) ? b->bits[p] : 0;
    return sum;
}

int64_t sgn_bits_weights(const sgn_bits *b) {
    int64_t sum = b->binary_weights;
    for (int p = 0; p < SGN_BITS_PARTS; p++) sum += is_of_binary(p) ? 0 : b->numbers[p];
    return sum;
}

const char *sgn_bits_claim(const sgn_bits *b) {
    if (!b->binary_weights) return NULL;
    if (b->bits[SGN_BITS_MASKS] || b->bits[SGN_BITS_SIGNS] > b->binary_weights)
        return "as STBLLM and BitNet b1.58 count: the share of signs that is kept, salient ones twice, or log2 3; no masks, scales, embedding, head";
    return "as FBI-LLM counts: binarized matrices only, 1 bit a sign and 16 a scale or shift; no padding, embedding, head";
}

sgn_bit_count sgn_lowered_model_count(const sgn_lowered_model *lm) {
    const sgn_bits b = sgn_bits_of_model(lm);
    return (sgn_bit_count){ .binary_weights = b.binary_weights, .binary_bytes = sgn_bits_binary(&b) / 8,
                            .parameters = sgn_bits_weights(&b) - b.binary_weights,
                            .dense_bytes = (sgn_bits_all(&b) - sgn_bits_binary(&b)) / 8,
                            .scales = b.numbers[SGN_BITS_SCALES] + b.numbers[SGN_BITS_SHIFTS] };
}
