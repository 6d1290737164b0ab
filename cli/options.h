/* options.h - the words of a command line: --name value, --name=value, --flag, the rest in order.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_CLI_OPTIONS_H
#define SGN_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/status.h"

typedef enum {
    SGN_OPTION_FLAG,           /* bool */
    SGN_OPTION_WORD,           /* const char * */
    SGN_OPTION_INT,            /* int64_t */
    SGN_OPTION_REAL,           /* double */
    SGN_OPTION_LIST            /* sgn_option_list: may be given more than once */
} sgn_option_type;

enum { SGN_OPTION_LIST_MAX = 64 };
typedef struct { const char *at[SGN_OPTION_LIST_MAX]; int count; } sgn_option_list;

typedef struct {
    const char     *name;      /* without dashes; a table ends with NULL */
    sgn_option_type type;
    size_t          offset;    /* in the struct of values, which holds the defaults beforehand */
    const char     *argument;  /* "DIR", for help; NULL for flags */
    const char     *help;      /* one line */
} sgn_option;

/* Puts options into `values` and the other words, in order, into argv[0 .. *argc).
 * After "--" every word is an ordinary one; so is "-". */
sgn_status sgn_options_parse(const sgn_option *options, void *values, int *argc, char **argv, sgn_error *err);
/* SGN_CONFIG where a command got fewer or more ordinary words than it takes. */
sgn_status sgn_words_expect(int argc, char **argv, int least, int most, sgn_error *err);

#endif
