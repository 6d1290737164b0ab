/* Saving and loading: nothing is lost, whatever fails or kills it at whichever call; what is broken is found.
 * write, fsync, rename, mkdir and remove are replaced by ones that can fail or kill at the n-th call.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/train/runs.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "core/digest.h"

/* --- system calls that fail ----------------------------------------------------------------------------- */

typedef enum { NOTHING, KILL, FAIL_ONCE, FAIL_ON, SPOIL } fault_mode;     /* SPOIL: the disk changes what is put in place */
static struct { fault_mode mode; int at, calls, error; } fault;

/* True where this call shall fail; does not return where it shall kill. */
static bool fails_now(void) {
    if (fault.mode == NOTHING || fault.mode == SPOIL) return false;
    const int call = ++fault.calls;
    if (call < fault.at) return false;
    if (fault.mode == KILL) raise(SIGKILL);
    errno = fault.error;
    return fault.mode == FAIL_ON || call == fault.at;
}

ssize_t write(int fd, const void *data, size_t size) {
    const bool last = fault.mode != NOTHING && fault.mode != SPOIL && fault.calls + 1 == fault.at;
    if (last && size > 1) syscall(SYS_write, fd, data, size / 2);          /* half of it arrives */
    return fails_now() ? -1 : syscall(SYS_write, fd, data, size);
}
int fsync(int fd) { return fails_now() ? -1 : (int)syscall(SYS_fsync, fd); }
static void spoil(const char *path, long at, bool cut);
int rename(const char *from, const char *to) {
    if (fails_now() || syscall(SYS_renameat2, -100, from, -100, to, 0) != 0) return -1;
    if (fault.mode != SPOIL || strncmp(strrchr(to, '/'), "/step-", 6) != 0) return 0;
    fault.mode = NOTHING;
    char shard[1100];
    snprintf(shard, sizeof shard, "%s/shard-0000.h5", to);
    spoil(shard, -1, false);
    return 0;
}
int mkdir(const char *path, mode_t mode) { return fails_now() ? -1 : (int)syscall(SYS_mkdirat, -100, path, mode); }
int remove(const char *path) {
    if (fails_now()) return -1;
    return syscall(SYS_unlinkat, -100, path, 0) == 0 || syscall(SYS_unlinkat, -100, path, 0x200) == 0 ? 0 : -1;
}

/* --- a state and its digest ------------------------------------------------------------------------------- */

static sgn_error err;
static sgn_transformer m, n;
static sgn_optimizer o, p;
static void make(sgn_transformer *x, sgn_optimizer *y) {
    sgn_run_config c;
    runs_config(&c, NULL, 0);
    c.model.vocab = RUNS_VOCAB;
    check_ok(sgn_transformer_init(x, &c.model, true, &err), &err);
    check_ok(sgn_transformer_commit(x, &err), &err);
    check_ok(sgn_optimizer_init(y, &c.optim, &x->params, &err), &err);
}

static int set_up(void **state) {
    if (check_begin(state)) return -1;
    sgn_log_to(runs_keep_log, NULL);
    sgn_threads_set(1);                                /* children of fork have no other threads */
    make(&m, &o);
    make(&n, &p);
    return 0;
}

static int tear_down(void **state) {
    sgn_optimizer_free(&o);
    sgn_optimizer_free(&p);
    sgn_transformer_free(&m);
    sgn_transformer_free(&n);
    return check_end(state);
}

/* Numbers that belong to a step; second moments are squares. */
static void fill(int64_t step) {
    sgn_transformer_randomize(&m, (uint64_t)step);
    const sgn_slab *slabs[] = { &m.params.dense, &m.params.latent };
    for (int s = 0; s < 2; s++)
        for (int64_t i = 0; i < slabs[s]->count; i++) {
            const float x = (float)sgn_rng_normal((uint64_t)step, 3, (uint64_t)i);
            (s ? o.latent : o.dense)[0][i] = x;
            (s ? o.latent : o.dense)[1][i] = x * x;
        }
}

static sgn_digest digest(const sgn_transformer *x, const sgn_optimizer *y) {
    char all[4096] = "";
    for (int i = 0; i < x->params.count; i++) {
        const sgn_param *q = &x->params.at[i];
        const size_t bytes = (size_t)sgn_numel(q->tensor.shape) * sizeof(float), at = strlen(all);
        float *const *states = q->class == SGN_PARAM_LATENT ? y->latent : y->dense;
        snprintf(all + at, sizeof all - at, "%.8s%.8s%.8s", sgn_digest_bytes(q->tensor.data, bytes).hex,
                 sgn_digest_bytes(states[0] + q->offset, bytes).hex, sgn_digest_bytes(states[1] + q->offset, bytes).hex);
    }
    return sgn_digest_bytes(all, strlen(all));
}

static sgn_position position(int64_t step) {
    return (sgn_position){ .step = step, .tokens = 128 * step, .metrics_bytes = 1000, .data = "d", .kernels = "k" };
}

static sgn_status save(const char *run, int64_t step, int64_t keep, sgn_error *e) {
    const sgn_position at = position(step);
    fill(step);
    return sgn_checkpoint_save(run, &at, &m, &o, NULL, keep, e);
}

/* The newest checkpoint loads, is of one of these steps, and holds exactly its numbers; returns the step. */
static int64_t check_newest(const char *run, int64_t a, int64_t b) {
    sgn_path at;
    sgn_position got;
    check_ok(sgn_checkpoint_newest(run, &at, &err), &err);
    check_ok(sgn_checkpoint_load(at.s, &got, &n, &p, &err), &err);
    assert_true(got.step == a || got.step == b);
    assert_int_equal(got.tokens, 128 * got.step);
    fill(got.step);
    assert_string_equal(digest(&m, &o).hex, digest(&n, &p).hex);
    return got.step;
}

static const char *run_path(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s", check_path(name));
    return path;
}

/* --- it works ----------------------------------------------------------------------------------------------- */

static void round_trip(void **state) {
    (void)state;
    const char *run = run_path("plain");
    check_fails(sgn_checkpoint_newest(run, &(sgn_path){ "" }, &err), SGN_IO, &err, "no checkpoint");
    assert_false(sgn_checkpoint_any(run));
    for (int64_t step = 1; step <= 5; step++) check_ok(save(run, step, 3, &err), &err);
    assert_int_equal(check_newest(run, 5, 5), 5);
    for (int64_t step = 1; step <= 5; step++) {
        char path[600];
        snprintf(path, sizeof path, "%s/checkpoints/step-%08lld", run, (long long)step);
        assert_int_equal(sgn_is_directory(path), step >= 3);           /* the newest three */
    }
    sgn_position at;
    sgn_path newest;
    check_ok(sgn_checkpoint_newest(run, &newest, &err), &err);
    check_ok(sgn_checkpoint_load(newest.s, &at, &n, &p, &err), &err);
    assert_int_equal(at.metrics_bytes, 1000);
    assert_string_equal(at.data, "d");
    assert_string_equal(at.teacher, "");
    assert_string_equal(at.kernels, "k");
}

/* Signs are refreshed from the latents that were read. */
static void planes_follow_the_latents(void **state) {
    (void)state;
    check_newest(run_path("plain"), 5, 5);
    for (int i = 0; i < n.params.count; i++) {
        const sgn_tensor *w = &n.params.at[i].tensor;
        for (int64_t k = 0; w->signs && k < sgn_numel(w->shape); k++)
            assert_int_equal(sgn_plane_bit(&w->signs->rows, k / w->shape.dim[1], k % w->shape.dim[1]), w->data[k] >= 0);
    }
}

static void an_equal_step_stays(void **state) {
    (void)state;
    const char *run = run_path("equal");
    check_ok(save(run, 7, 3, &err), &err);
    const sgn_position at = position(7);
    fill(8);                                           /* other numbers under the same step */
    check_ok(sgn_checkpoint_save(run, &at, &m, &o, NULL, 3, &err), &err);
    check_newest(run, 7, 7);
}

/* --- killed at every call -------------------------------------------------------------------------------------- */

static void killed_anywhere(void **state) {
    (void)state;
    int survived = 0, killed = 0;
    for (int k = 1; !survived; k++) {
        const char *run = run_path("killed");
        check_ok(save(run, 1, 1, &err), &err);
        const pid_t child = fork();
        if (child == 0) {
            fault.mode = KILL;
            fault.at = k;
            fault.calls = 0;
            _exit(save(run, 2, 1, NULL) == SGN_OK ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        survived = WIFEXITED(status);
        if (survived) assert_int_equal(WEXITSTATUS(status), 0);
        else killed++;
        check_newest(run, survived ? 2 : 1, 2);
        sgn_checkpoint_sweep(run);
        char **names;
        int count;
        check_ok(sgn_directory_list(check_path("killed/checkpoints"), ".", "", &names, &count, &err), &err);
        assert_int_equal(count, 0);                    /* the left-overs are gone */
        sgn_names_free(names, count);
        check_ok(sgn_remove_tree(run, &err), &err);
    }
    assert_true(killed > 20);
}

/* --- a disk that fails at every call ----------------------------------------------------------------------------- */

static void failing_anywhere(void **state) {
    (void)state;
    static const struct { fault_mode mode; int error; } kinds[] = { { FAIL_ONCE, ENOSPC }, { FAIL_ON, ENOSPC }, { FAIL_ONCE, EIO } };
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        bool reached = true;
        for (int k = 1; reached; k++) {
            const char *run = run_path("failing");
            check_ok(save(run, 1, 1, &err), &err);
            fault.error = kinds[kind].error;
            fault.at = k;
            fault.calls = 0;
            fault.mode = kinds[kind].mode;
            sgn_error why = { 0 };
            const sgn_status s = save(run, 2, 1, &why);
            fault.mode = NOTHING;
            reached = fault.calls >= k;
            if (s != SGN_OK) assert_true(s == SGN_IO && strlen(why.text) > 0);
            check_newest(run, s == SGN_OK ? 2 : 1, 2);
            check_ok(save(run, 3, 1, &err), &err);     /* and the next save works again */
            check_newest(run, 3, 3);
            check_ok(sgn_remove_tree(run, &err), &err);
        }
        assert_true(fault.calls > 10);
    }
}

/* --- damage ---------------------------------------------------------------------------------------------------- */

static void spoil(const char *path, long at, bool cut) {
    char *text;
    size_t size;
    check_ok(sgn_file_read(path, 1 << 24, &text, &size, &err), &err);
    if (at < 0) at = (long)size / 2;
    text[at] = (char)(text[at] ^ 1);
    check_ok(sgn_file_write(path, text, cut ? (size_t)at : size, &err), &err);
    free(text);
}

static void damaged_files_go_to_quarantine(void **state) {
    (void)state;
    static const char *const files[] = { "shard-0000.h5", "config.json", "MANIFEST" };
    for (int i = 0; i < 8; i++) {
        const char *run = run_path("damaged");
        char path[600];
        runs_log[0] = '\0';
        check_ok(save(run, 1, 0, &err), &err);
        check_ok(save(run, 2, 0, &err), &err);
        snprintf(path, sizeof path, "%s/checkpoints/step-00000002/%s", run, files[i % 3]);
        if (i < 6) spoil(path, -1, i >= 3);
        else check_ok(sgn_remove_tree(path, &err), &err);              /* shard, config.json */
        if (i == 7) {                                                 /* a directory of that name without anything */
            snprintf(path, sizeof path, "%s/checkpoints/step-00000002", run);
            check_ok(sgn_remove_tree(path, &err), &err);
            check_ok(sgn_make_directories(path, &err), &err);
        }
        check_newest(run, 1, 1);
        assert_non_null(strstr(runs_log, i == 6 ? "step-00000002" : "quarantine/step-00000002.0"));
        check_ok(sgn_remove_tree(run, &err), &err);
    }
}

/* A save is not believed before it was read back; until then nothing older goes. */
static void a_disk_that_changes_bytes_is_noticed(void **state) {
    (void)state;
    const char *run = run_path("spoilt");
    check_ok(save(run, 1, 1, &err), &err);
    fault.mode = SPOIL;
    check_fails(save(run, 2, 1, &err), SGN_FORMAT, &err, "shard-0000.h5");
    assert_int_equal(fault.mode, NOTHING);
    check_newest(run, 1, 1);
}

/* What MANIFEST cannot know: numbers that no run would save. */
static void impossible_numbers(void **state) {
    (void)state;
    const char *run = run_path("impossible");
    sgn_path at;
    sgn_position got;
    const sgn_position one = position(1), two = position(2), three = position(3);
    fill(1);
    m.params.at[0].tensor.data[5] = (float)NAN;
    check_ok(sgn_checkpoint_save(run, &one, &m, &o, NULL, 0, &err), &err);
    check_ok(sgn_checkpoint_newest(run, &at, &err), &err);
    check_fails(sgn_checkpoint_load(at.s, &got, &n, &p, &err), SGN_FORMAT, &err, "embed_tokens.weight[5] = nan");
    fill(2);
    o.dense[1][3] = -1;
    check_ok(sgn_checkpoint_save(run, &two, &m, &o, NULL, 0, &err), &err);
    check_ok(sgn_checkpoint_newest(run, &at, &err), &err);
    check_fails(sgn_checkpoint_load(at.s, &got, &n, &p, &err), SGN_FORMAT, &err, "adam_v/");
    fill(3);
    o.dense[0][3] = (float)INFINITY;
    check_ok(sgn_checkpoint_save(run, &three, &m, &o, NULL, 0, &err), &err);
    check_ok(sgn_checkpoint_newest(run, &at, &err), &err);
    check_fails(sgn_checkpoint_load(at.s, &got, &n, &p, &err), SGN_FORMAT, &err, "adam_m/");
}

/* --- shards that do not belong ------------------------------------------------------------------------------------ */

/* A directory with one shard: an array of this name and shape, and these notes. */
static sgn_status load_odd(const char *name, int rank, int64_t rows, const char *const *notes) {
    const int64_t dim[] = { rows, 32 };
    const sgn_array a = sgn_array_make(name, SGN_DTYPE_F32, rank, dim);
    void *zeros = calloc(1, a.bytes);
    const void *data = zeros;
    sgn_position got;
    check_ok(sgn_make_directories(check_path("odd"), &err), &err);
    check_ok(sgn_archive_write("h5", check_path("odd/shard-0000.h5"), &a, &data, 1, notes, &err), &err);
    free(zeros);
    err = (sgn_error){ 0 };
    return sgn_checkpoint_load(check_path("odd"), &got, &n, &p, &err);
}

#define NOTES(version, step) (const char *[]){ "format", "signum-checkpoint", "version", version, "step", step, "tokens", "1", \
    "metrics_bytes", "1", "data", "", "teacher", "", "kernels", "ref", NULL }

static void odd_shards(void **state) {
    (void)state;
    const char *embedding = "weights/model.embed_tokens.weight";
    check_fails(load_odd(embedding, 2, 97, NULL), SGN_FORMAT, &err, "note 'format'");
    check_fails(load_odd(embedding, 2, 97, NOTES("2", "1")), SGN_FORMAT, &err, "version 2");
    check_fails(load_odd(embedding, 2, 97, NOTES("1", "-1")), SGN_FORMAT, &err, "'step'");
    check_fails(load_odd(embedding, 2, 97, NOTES("1", "1")), SGN_FORMAT, &err, "0 of 32 numbers");   /* the next parameter */
    check_fails(load_odd(embedding, 2, 98, NOTES("1", "1")), SGN_FORMAT, &err, "expected F32 (97, 32)");
    check_fails(load_odd(embedding, 1, 97, NOTES("1", "1")), SGN_FORMAT, &err, "rank 1");
    check_fails(load_odd("weights/model.embed_tokens.weight@90", 2, 8, NOTES("1", "1")), SGN_FORMAT, &err, "expected F32 (97, 32)");
    check_fails(load_odd("weights/model.embed_tokens.weight@90", 2, 7, NOTES("1", "1")), SGN_FORMAT, &err, "224 of 3104 numbers");
    check_fails(load_odd("weights/stranger", 2, 97, NOTES("1", "1")), SGN_FORMAT, &err, "no parameter");
    check_fails(load_odd("stranger", 2, 97, NOTES("1", "1")), SGN_FORMAT, &err, "no parameter");
    check_ok(sgn_remove_tree(check_path("odd/shard-0000.h5"), &err), &err);
    check_fails(sgn_checkpoint_load(check_path("odd"), &(sgn_position){ 0 }, &n, &p, &err), SGN_FORMAT, &err, "no shard");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(planes_follow_the_latents), cmocka_unit_test(an_equal_step_stays),
        cmocka_unit_test(killed_anywhere), cmocka_unit_test(failing_anywhere), cmocka_unit_test(damaged_files_go_to_quarantine),
        cmocka_unit_test(a_disk_that_changes_bytes_is_noticed),
        cmocka_unit_test(impossible_numbers), cmocka_unit_test(odd_shards),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
