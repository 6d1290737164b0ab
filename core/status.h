/* status.h - how anything in this project says "that did not work".
 *
 * A function that can fail returns sgn_status and takes a sgn_error* last.
 * The status is for the program, the error is for the person: one sentence
 * that says what is wrong, where (file, field, offset, key) and what to do.
 * The first message wins: an error that is already set is left as it is.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CORE_STATUS_H
#define SGN_CORE_STATUS_H

/* name, what it means, exit code of the program */
#define SGN_STATUS_LIST(X)                                              \
    X(OK,          "success",                                       0)  \
    X(NOMEM,       "out of memory",                                 3)  \
    X(IO,          "the operating system refused a read or write",  4)  \
    X(FORMAT,      "a file is not what its header claims",          5)  \
    X(CONFIG,      "a setting is unknown, mistyped or out of range", 2) \
    X(SHAPE,       "tensor shapes do not fit together",             6)  \
    X(NUMERIC,     "a loss or gradient is not finite",              7)  \
    X(COMM,        "another rank failed or is gone",                8)  \
    X(UNSUPPORTED, "built without this feature",                    9)  \
    X(INTERRUPTED, "stopped by a signal, state saved",              85)

typedef enum {
#define X(name, text, code) SGN_##name,
    SGN_STATUS_LIST(X)
#undef X
    SGN_STATUS_COUNT
} sgn_status;

typedef struct {
    sgn_status  status;
    const char *file;          /* where it was first noticed */
    int         line;
    char        text[480];     /* one sentence, no newline */
} sgn_error;

const char *sgn_status_text(sgn_status s);
int         sgn_status_exit_code(sgn_status s);

/* Fills *err (may be NULL) unless it already holds an error; returns s. */
sgn_status sgn_fail(sgn_error *err, sgn_status s, const char *file, int line,
                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* In a message: `by` for the first `what`. For what works on a file under a temporary name and
 * whose user knows the final one. */
void sgn_error_replace(sgn_error *err, const char *what, const char *by);

#define SGN_ERROR(err, s, ...) sgn_fail((err), (s), __FILE__, __LINE__, __VA_ARGS__)
#define SGN_FAIL(err, s, ...)  return SGN_ERROR(err, s, __VA_ARGS__)
#define SGN_TRY(call) \
    do { sgn_status s_ = (call); if (s_ != SGN_OK) return s_; } while (0)

#endif
