/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "train/trainer_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/gemm.h"
#include "core/kernels/kernels.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/products.h"
#include "data/documents.h"
#include "data/tokenizer.h"
#include "model/model_load.h"

/* --- machine ------------------------------------------------------------------------------------- */

sgn_status sgn_trainer_setup_machine(const sgn_train_config *c, sgn_error *err) {
    const char *kernels = getenv("SIGNUM_KERNELS"), *products = getenv("SIGNUM_PRODUCTS");
    SGN_TRY(sgn_kernels_use(kernels && *kernels ? NULL : c->kernels, err));
    SGN_TRY(sgn_products_use(products && *products ? NULL : c->products, err));
    SGN_TRY(sgn_gemm_init(err));
    sgn_threads_set((int)c->threads);
    return SGN_OK;
}

/* Best of a few products of one thread, times the threads: what the cores can do with dense
 * arithmetic, whoever else keeps them busy just now. */
static sgn_status measure_peak(double *peak, sgn_error *err) {
    enum { N = 768 };
    const double budget = 0.2, start = sgn_clock_wall();
    float *x = calloc((size_t)3 * N * N, sizeof *x);
    if (!x) SGN_FAIL(err, SGN_NOMEM, "no memory to measure the SGEMM peak");
    for (int i = 0; i < 2 * N * N; i++) x[i] = (float)(i % 7) - 3;
    const sgn_gemm_args product = { .trans_b = true, .m = N, .n = N, .k = N, .a = 1, .A = x, .lda = N,
                                    .B = x + N * N, .ldb = N, .C = x + 2 * N * N, .ldc = N };
    double best = 0;
    for (double last = start; last - start < budget;) {
        sgn_gemm_serial(&product);
        const double now = sgn_clock_wall();
        if (1 / (now - last) > best) best = 1 / (now - last);
        last = now;
    }
    free(x);
    *peak = best * 2.0 * N * N * N * sgn_threads();
    return SGN_OK;
}

/* --- data ---------------------------------------------------------------------------------------- */

static sgn_status check_windows(const sgn_shards *s, const char *key, int64_t seq, sgn_error *err) {
    const uint64_t tokens = sgn_shards_info(s)->tokens;
    if (tokens < (uint64_t)seq + 1)
        SGN_FAIL(err, SGN_CONFIG, "%s: %s has %llu tokens, fewer than one window of train.seq + 1 = %lld; lower train.seq or add text",
                 key, sgn_shards_directory(s), (unsigned long long)tokens, (long long)seq + 1);
    return SGN_OK;
}

sgn_status sgn_trainer_setup_data(sgn_trainer *t, sgn_error *err) {
    sgn_run_config *c = &t->config;
    if (!*c->data.train && !*c->data.mix)
        SGN_FAIL(err, SGN_CONFIG, "data.train is empty; name the shards to learn from: data.train=DIR, made by 'signum tokenize'");
    SGN_TRY(sgn_mix_open(&t->mix, c->data.train, c->data.mix, "train", err));
    t->train = t->mix.set[0].shards;
    const sgn_shard_info *info = sgn_shards_info(t->train);
    if (c->model.vocab == 0) c->model.vocab = info->vocab;
    if (c->model.vocab < (int64_t)info->vocab)
        SGN_FAIL(err, SGN_CONFIG, "model.vocab = %lld, but %s holds ids of a vocabulary of %u; set model.vocab=%u, or 0 to take it from there",
                 (long long)c->model.vocab, sgn_shards_directory(t->train), info->vocab, info->vocab);
    if (*c->data.valid) {
        SGN_TRY(sgn_shards_open(&t->valid, c->data.valid, "valid", err));
        SGN_TRY(sgn_shards_fit(t->valid, info->vocab, info->tokenizer_hash, sgn_shards_directory(t->train), err));
        SGN_TRY(check_windows(t->valid, "data.valid", c->train.seq, err));
        const size_t size = (size_t)(3 * c->train.batch * c->train.seq + c->train.seq + 1);
        t->eval_tokens = calloc(size, sizeof *t->eval_tokens);
        if (!t->eval_tokens) SGN_FAIL(err, SGN_NOMEM, "no memory for a validation batch; lower train.batch or train.seq");
    }
    if (c->data.mask_documents)        /* all sets have one tokenizer */
        SGN_TRY(sgn_documents_eot(t->train, c->data.eot, "data.mask_documents", "data.eot", &t->mix.eot, err));
    return sgn_mix_order(&t->mix, &(sgn_sampler){
        .seq = (int)c->train.seq, .batch = (int)c->train.batch, .seed = (uint64_t)c->data.seed,
        .order = strcmp(c->data.order, "sequential") == 0 ? SGN_ORDER_SEQUENTIAL : SGN_ORDER_SHUFFLED }, err);
}

/* --- model --------------------------------------------------------------------------------------- */

/* Weights of another vocabulary would load and mean nothing. A tokenizer we cannot read says nothing. */
static sgn_status check_tokenizer(const sgn_trainer *t, const char *directory, sgn_error *err) {
    sgn_path path;
    sgn_tokenizer *k;
    const char *want = sgn_shards_info(t->train)->tokenizer_hash;
    SGN_TRY(sgn_path_set(&path, err, "%s/tokenizer.json", directory));
    if (!*want || !sgn_file_exists(path.s) || sgn_tokenizer_open(&k, path.s, NULL) != SGN_OK) return SGN_OK;
    const bool same = strcmp(sgn_tokenizer_hash(k), want) == 0;
    sgn_tokenizer_close(k);
    if (!same)
        SGN_FAIL(err, SGN_CONFIG, "init = %s: its tokenizer is not the one of the shards in %s; tokenize the text with %s",
                 t->config.start.init, sgn_shards_directory(t->train), path.s);
    return SGN_OK;
}

/* What shapes cannot tell: the settings decide, but not in silence. */
static sgn_status check_init_config(const sgn_model_config *mine, const char *directory, sgn_error *err) {
    sgn_model_config c;
    if (!sgn_model_has_config(directory)) return SGN_OK;
    sgn_error unread = { 0 };
    const sgn_status s = sgn_model_load_config(directory, mine, &c, &unread);
    if (s == SGN_UNSUPPORTED) SGN_FAIL(err, s, "init: %s", unread.text);
    if (s != SGN_OK) {
        sgn_warn("init: the settings of this run decide the shape, for %s", unread.text);
        return SGN_OK;
    }
    const struct { const char *name; double mine, its; } pair[] = {
        { "heads", (double)mine->heads, (double)c.heads }, { "kv_heads", (double)mine->kv_heads, (double)c.kv_heads },
        { "rms_eps", mine->rms_eps, c.rms_eps }, { "rope_theta", mine->rope_theta, c.rope_theta },
        { "rope_scaling", mine->rope_scaling, c.rope_scaling }, { "rope_low", mine->rope_low, c.rope_low },
        { "rope_high", mine->rope_high, c.rope_high }, { "rope_original", (double)mine->rope_original, (double)c.rope_original },
        { "rope_magnitude", mine->rope_magnitude, c.rope_magnitude } };
    if (strcmp(mine->rope_type, c.rope_type) != 0)
        sgn_warn("init: %s was made with model.rope_type = %s, this run has %s; set it to go on as it was", directory, c.rope_type,
                 mine->rope_type);
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        if (fabs(pair[i].mine - pair[i].its) > 1e-9 * fabs(pair[i].its))
            sgn_warn("init: %s was made with model.%s = %g, this run has %g; set it to go on as it was", directory, pair[i].name,
                     pair[i].its, pair[i].mine);
    return SGN_OK;
}

static sgn_status load_init(sgn_trainer *t, sgn_error *err) {
    const char *init = t->config.start.init;
    sgn_path directory;
    SGN_TRY(sgn_model_resolve(init, "init", &directory, err));
    SGN_TRY(check_tokenizer(t, directory.s, err));
    SGN_TRY(check_init_config(&t->model.config, directory.s, err));
    return sgn_model_load_weights(&t->model, directory.s, err);
}

sgn_status sgn_trainer_setup_model(sgn_trainer *t, sgn_error *err) {
    SGN_TRY(sgn_transformer_init(&t->model, &t->config.model, true, err));
    t->config.model = t->model.config;
    SGN_TRY(sgn_transformer_commit(&t->model, err));
    SGN_TRY(sgn_optimizer_init(&t->optimizer, &t->config.optim, &t->model.params, err));
    if (sgn_trainer_continues(t)) return SGN_OK;
    if (*t->config.start.init) return load_init(t, err);
    sgn_transformer_randomize(&t->model, (uint64_t)t->config.train.seed);
    return SGN_OK;
}

sgn_status sgn_trainer_setup_teacher(sgn_trainer *t, sgn_error *err) {
    const sgn_run_config *c = &t->config;
    char data[33] = "";
    if (t->train) SGN_TRY(sgn_trainer_data_digest(t, data, err));
    const sgn_teacher_need need = {
        .student = &c->model, .tokenizer_hash = t->train ? sgn_shards_info(t->train)->tokenizer_hash : NULL,
        .batch = c->train.batch, .seq = c->train.seq, .shards_hash = t->train ? data : NULL, .eot = t->train ? t->mix.eot : -1,
        .temperature = c->distill.temperature,
    };
    return sgn_teacher_open(&t->teacher, c->distill.teacher, &need, err);
}

static sgn_status read_ahead(void *ctx, const sgn_batch *b, sgn_error *err) {
    sgn_teacher *t = ctx;
    return t->kind->ahead(t, b, err);
}

sgn_status sgn_trainer_setup_loader(sgn_trainer *t, sgn_error *err) {
    const sgn_loader_also also = { t->teacher.kind && t->teacher.kind->ahead ? read_ahead : NULL, &t->teacher };
    return sgn_loader_open_also(&t->loader, &t->mix, (uint64_t)(t->at.step * t->config.train.accumulate), also, err);
}

sgn_status sgn_trainer_setup_tape(sgn_trainer *t, sgn_error *err) {
    const sgn_run_config *c = &t->config;
    const sgn_soft soft = sgn_teacher_expect(&t->teacher);
    const sgn_head_loss_args loss = {
        .soft = soft, .lambda = soft.kind == SGN_SOFT_NONE ? 0 : sgn_distill_lambda_most(&c->distill), .temperature = c->distill.temperature, .scale = 1,
    };
    sgn_tape_size train, eval;
    SGN_TRY(sgn_tape_size_of(&t->model, c->train.batch, c->train.seq, &loss, sgn_train_mode(&c->train), &train, err));
    SGN_TRY(sgn_tape_size_of(&t->model, c->train.batch, c->train.seq,
                             &(sgn_head_loss_args){ .temperature = 1, .scale = 1 }, SGN_TAPE_NOGRAD, &eval, err));
    return sgn_tape_init(&t->tape, train.nodes, train.data > eval.data ? train.data : eval.data, err);
}

/* --- all of it -------------------------------------------------------------------------------------- */

/* Said once nothing can be refused any more. */
static void announce(const sgn_trainer *t) {
    const sgn_plan *p = &t->plan;
    const sgn_run_config *c = &t->config;
    const double tokens = (double)sgn_mix_tokens(&t->mix);
    const int sets = t->mix.shares.count;
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    char peak[64] = "";
    if (t->peak > 0) snprintf(peak, sizeof peak, ", SGEMM peak %.0f GFLOP/s (%d x one thread)", 1e-9 * t->peak, sgn_threads());
    sgn_info("%s kernels, %s, %d of %ld CPUs%s", sgn_kernels_get()->name, sgn_gemm_library(), sgn_threads(), cpus, peak);
    if (getenv("OPENBLAS_CORETYPE"))
        sgn_info("OpenBLAS runs its %s kernels because OPENBLAS_CORETYPE says so, whatever the CPU could do", getenv("OPENBLAS_CORETYPE"));
    if (sgn_products_any(SGN_PRODUCT_SGEMM)) sgn_info("products with signs go to SGEMM where that is faster here, or forced (products.json)");
    sgn_info("%.2f M parameters, %.2f M of them one bit in use; about %.0f MiB of memory ('signum plan' shows the parts)",
             (double)p->parameters / 1e6, (double)p->binary_weights / 1e6, (double)p->total / 1048576);
    sgn_info("%lld steps of %lld tokens: %.2f times the %.4g tokens of %s%s", (long long)c->train.steps, (long long)p->tokens_per_step,
             (double)p->tokens / tokens, tokens, sgn_shards_directory(t->train), sets > 1 ? " and the other sets of data.mix" : "");
    sgn_trainer_tell_mix(t, c->train.steps, "to be realised");
    if (*c->distill.teacher) sgn_info("teacher: %s", c->distill.teacher);
    if (sgn_trainer_continues(t)) sgn_info("continuing %s from step %lld", t->options->out, (long long)t->at.step);
    else if (t->options->resume) sgn_info("%s has no checkpoint yet: starting from the beginning", t->options->out);
    if (!sgn_trainer_continues(t) && *c->start.init) sgn_info("weights from %s", c->start.init);
    if (c->optim.warmup >= c->train.steps)
        sgn_info("note: optim.warmup = %lld leaves nothing of train.steps = %lld: the learning rate never reaches optim.lr",
                 (long long)c->optim.warmup, (long long)c->train.steps);
    if (sgn_threads() == 1 && cpus > 1 && c->train.threads != 1)
        sgn_warn("ONE thread on a machine with %ld CPUs: the process may use no more (taskset, cgroup or job limits)", cpus);
}

static sgn_status check_disk(const sgn_trainer *t, sgn_error *err) {
    const sgn_train_config *c = &t->config.train;
    const uint64_t one = t->plan.checkpoint_bytes, have = sgn_free_space(t->options->out);
    const int64_t left = c->steps - t->at.step, saves = c->save_every ? (left + c->save_every - 1) / c->save_every : 1;
    const int64_t at_once = c->keep > 0 && c->keep + 1 < saves ? c->keep + 1 : saves;
    if (left > 0 && have / (uint64_t)(saves > 1 ? 2 : 1) < one)
        SGN_FAIL(err, SGN_IO, "%s: a checkpoint takes %.1f MiB and only %.1f MiB are free; choose another --out or free some space",
                 t->options->out, (double)one / 1048576, (double)have / 1048576);
    if (left > 0 && have / (uint64_t)at_once < one)
        sgn_warn("%s: %lld checkpoints of %.1f MiB will not fit into the %.1f MiB that are free; lower train.keep or raise train.save_every",
                 t->options->out, (long long)at_once, (double)one / 1048576, (double)have / 1048576);
    return SGN_OK;
}

static sgn_status setup_loop(sgn_trainer *t, sgn_error *err) {
    const sgn_train_config *c = &t->config.train;
    t->window = calloc((size_t)(c->batch * c->accumulate), sizeof *t->window);
    if (!t->window) SGN_FAIL(err, SGN_NOMEM, "no memory for the list of a step's windows; lower train.batch or train.accumulate");
    SGN_TRY(sgn_metrics_open(&t->metrics, t->options->out, t->at.metrics_bytes, err));
    if (t->at.step >= c->steps) return SGN_OK;
    SGN_TRY(sgn_gemm_reserve(err));
    if (t->options->measure_peak) SGN_TRY(measure_peak(&t->peak, err));
    return sgn_trainer_setup_loader(t, err);
}

sgn_status sgn_trainer_setup(sgn_trainer *t, const sgn_run_config *c, const sgn_train_options *o, sgn_error *err) {
    *t = (sgn_trainer){ .config = *c, .options = o, .lock = -1, .saved_step = -1 };
    SGN_TRY(sgn_run_config_check(&t->config, err));
    SGN_TRY(sgn_trainer_setup_machine(&t->config.train, err));
    SGN_TRY(sgn_trainer_setup_data(t, err));
    SGN_TRY(sgn_plan_make(&t->config, &t->plan, err));
    SGN_TRY(sgn_trainer_run_begin(t, err));
    SGN_TRY(sgn_trainer_setup_model(t, err));
    SGN_TRY(sgn_trainer_setup_teacher(t, err));
    SGN_TRY(sgn_trainer_setup_tape(t, err));
    SGN_TRY(sgn_trainer_run_restore(t, err));
    SGN_TRY(sgn_trainer_run_create(t, err));
    SGN_TRY(check_disk(t, err));
    SGN_TRY(sgn_trainer_run_files(t, err));
    SGN_TRY(setup_loop(t, err));
    announce(t);
    return SGN_OK;
}

void sgn_trainer_free(sgn_trainer *t) {
    sgn_loader_close(t->loader);
    sgn_metrics_close(&t->metrics);
    sgn_tape_free(&t->tape);
    sgn_teacher_close(&t->teacher);
    sgn_optimizer_free(&t->optimizer);
    sgn_transformer_free(&t->model);
    sgn_shards_close(t->valid);
    sgn_mix_close(&t->mix);
    free(t->window);
    free(t->eval_tokens);
    if (t->lock >= 0) close(t->lock);
}
