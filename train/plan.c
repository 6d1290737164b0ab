/* SPDX-License-Identifier: MIT */
#include "train/plan.h"

#include "core/parallel.h"
#include "data/mix.h"
#include "distill/cache.h"
#include "model/model_load.h"
#include "train/checkpoint.h"

/* --- pieces ---------------------------------------------------------------------------------------- */

static sgn_status dry_pass(sgn_tape *t, const sgn_transformer *m, int64_t batch, int64_t seq,
                           const sgn_head_loss_args *loss, sgn_tape_mode mode, sgn_error *err) {
    sgn_tape_begin(t, mode);
    sgn_tensor *out = sgn_transformer_hidden(m, t, NULL, batch, seq);
    if (loss) out = sgn_head_loss(t, out, sgn_transformer_head(m), loss);
    SGN_TRY(sgn_tape_end(t, err));
    return loss && mode != SGN_TAPE_NOGRAD ? sgn_tape_backward(t, out, err) : SGN_OK;
}

static sgn_status measure_tape(const sgn_transformer *m, int64_t batch, int64_t seq, const sgn_head_loss_args *loss,
                               sgn_tape_mode mode, sgn_tape_size *out, sgn_error *err) {
    sgn_tape t;
    out->nodes = sgn_transformer_nodes(m);
    SGN_TRY(sgn_tape_init_dry(&t, out->nodes, err));
    const sgn_status s = dry_pass(&t, m, batch, seq, loss, mode, err);
    out->data = t.data.peak;
    out->book = t.book.size;
    sgn_tape_free(&t);
    return s;
}

sgn_status sgn_tape_size_of(sgn_transformer *m, int64_t batch, int64_t seq, const sgn_head_loss_args *loss,
                            sgn_tape_mode mode, sgn_tape_size *out, sgn_error *err) {
    const bool warm = m->params.warm;
    sgn_tape_size full = { 0 };
    m->params.warm = true;
    sgn_status s = m->config.binary_from_step ? measure_tape(m, batch, seq, loss, mode, &full, err) : SGN_OK;
    m->params.warm = false;
    if (s == SGN_OK) s = measure_tape(m, batch, seq, loss, mode, out, err);
    m->params.warm = warm;
    if (full.data > out->data) out->data = full.data;
    return s;
}

/* Scores and their weighted sum: 2 seq/2 width multiply-adds per token and layer. */
double sgn_flops_per_token(const sgn_transformer *m, int64_t seq, bool train) {
    int64_t binary, full;
    sgn_transformer_macs(m, &binary, &full);
    const sgn_model_config *c = &m->config;
    const double attention = (double)c->layers * (double)seq * (double)(c->heads * c->head_dim);
    return (train ? 6 : 2) * ((double)binary + (double)full + attention);
}

/* --- the plan ---------------------------------------------------------------------------------------- */

static const size_t MIB = 1u << 20;
/* Measured, resident: the program with its libraries and OpenBLAS's buffer; what each thread adds;
 * shard caches, decoder and the loader's own. */
static const size_t fixed_bytes = 24u << 20, thread_bytes = 3u << 18, loader_bytes = 2u << 20;

static sgn_status find_vocab(sgn_run_config *c, sgn_error *err) {
    if (c->model.vocab) return SGN_OK;
    if (!*c->data.train && !*c->data.mix)
        SGN_FAIL(err, SGN_CONFIG, "model.vocab is 0 and no data.train says it; set model.vocab or data.train");
    sgn_mix m;
    const sgn_status s = sgn_mix_open(&m, c->data.train, c->data.mix, "train", err);
    if (s == SGN_OK) c->model.vocab = sgn_shards_info(m.set[0].shards)->vocab;
    sgn_mix_close(&m);
    return s;
}

static sgn_status plan_cache(const sgn_run_config *c, sgn_plan *p, sgn_head_loss_args *loss, sgn_error *err) {
    sgn_cache_info info;
    SGN_TRY(sgn_cache_info_load(&info, c->distill.teacher, err));
    const sgn_cache_job *j = &info.job;
    p->teacher = sgn_cache_memory(j, c->train.batch);
    loss->soft = (sgn_soft){ .kind = j->samples ? SGN_SOFT_SAMPLES : SGN_SOFT_TOP, .top = j->count };
    loss->lambda = j->vocab == c->model.vocab ? sgn_distill_lambda_most(&c->distill) : 0;     /* where they differ, opening the teacher will say so */
    sgn_cache_info_free(&info);
    return SGN_OK;
}

static sgn_status plan_teacher(const sgn_run_config *c, sgn_plan *p, sgn_head_loss_args *loss, sgn_error *err) {
    if (!*c->distill.teacher) return SGN_OK;
    sgn_path directory;
    sgn_model_config shape;
    sgn_transformer m;
    sgn_tape_size tape;
    if (sgn_is_cache(c->distill.teacher)) return plan_cache(c, p, loss, err);
    SGN_TRY(sgn_model_resolve(c->distill.teacher, "distill.teacher", &directory, err));
    SGN_TRY(sgn_model_load_config(directory.s, &c->model, &shape, err));
    SGN_TRY(sgn_transformer_init(&m, &shape, false, err));
    (void)sgn_model_map(&m, directory.s, false, NULL);      /* where it fails, opening the teacher will say why */
    const sgn_status s = sgn_tape_size_of(&m, c->train.batch, c->train.seq, NULL, SGN_TAPE_NOGRAD, &tape, err);
    p->teacher = sgn_params_bytes(&m.params) + tape.data + tape.book;
    /* `stored` says what scratch its head takes; nobody reads it. */
    p->mapped = sgn_params_stored_bytes(&m.params);
    p->flops_per_token += sgn_flops_per_token(&m, c->train.seq, false);
    loss->soft = (sgn_soft){ .kind = SGN_SOFT_HIDDEN, .width = shape.dim, .stored = sgn_transformer_head(&m)->stored };
    loss->lambda = sgn_distill_lambda_most(&c->distill);
    sgn_transformer_free(&m);
    return s;
}

static sgn_status plan_student(const sgn_run_config *c, sgn_transformer *m, const sgn_head_loss_args *loss,
                               sgn_plan *p, sgn_error *err) {
    const sgn_params *q = &m->params;
    sgn_tape_size train, eval;
    SGN_TRY(sgn_tape_size_of(m, c->train.batch, c->train.seq, loss, sgn_train_mode(&c->train), &train, err));
    SGN_TRY(sgn_tape_size_of(m, c->train.batch, c->train.seq, &(sgn_head_loss_args){ .temperature = 1, .scale = 1 },
                             SGN_TAPE_NOGRAD, &eval, err));
    p->activations = (train.data > eval.data ? train.data : eval.data) + train.book;
    p->parameters = sgn_params_numel(q);
    for (int i = 0; i < q->count; i++)
        if (q->at[i].class == SGN_PARAM_LATENT) p->binary_weights += sgn_numel(q->at[i].tensor.shape);
    p->weights = p->gradients = (size_t)(q->dense.count + q->latent.count) * sizeof(sgn_real);
    p->planes = sgn_params_bytes(q) - p->weights - p->gradients;
    p->optimizer = sgn_optimizer_bytes(&c->optim, q);
    p->flops_per_token += sgn_flops_per_token(m, c->train.seq, true);
    const sgn_optimizer_kind *kind = sgn_optimizer_kind_find(c->optim.kind);
    p->checkpoint_bytes = sgn_checkpoint_bytes(q, kind ? kind->states : 0);
    return SGN_OK;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

sgn_status sgn_plan_make(const sgn_run_config *given, sgn_plan *p, sgn_error *err) {
    *p = (sgn_plan){ 0 };
    sgn_run_config c = *given;
    sgn_transformer m;
    SGN_TRY(sgn_run_config_check(&c, err));
    SGN_TRY(find_vocab(&c, err));
    sgn_threads_set((int)c.train.threads);
    sgn_head_loss_args loss = { .temperature = c.distill.temperature, .scale = 1 };
    SGN_TRY(plan_teacher(&c, p, &loss, err));
    SGN_TRY(sgn_transformer_init(&m, &c.model, true, err));
    const sgn_status s = plan_student(&c, &m, &loss, p, err);
    sgn_transformer_free(&m);
    SGN_TRY(s);
    p->scratch = sgn_scratch_bytes();
    p->data = loader_bytes + (size_t)(c.train.batch * c.train.seq) * (c.data.mask_documents ? 12 : 8) * sizeof(int32_t);
    p->saving = least((size_t)p->checkpoint_bytes, 256 * MIB);
    p->fixed = fixed_bytes + thread_bytes * (size_t)sgn_threads();
    p->total = p->weights + p->gradients + p->planes + p->optimizer + p->activations + p->teacher + p->mapped + p->scratch +
               p->data + p->saving + p->fixed;
    p->tokens_per_step = c.train.batch * c.train.seq * c.train.accumulate;
    p->tokens = p->tokens_per_step * c.train.steps;
    return SGN_OK;
}
