/* item_reader.h - a record on its way to a question: what eval_task.h's field functions work on.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SGN_EVAL_ITEM_READER_H
#define SGN_EVAL_ITEM_READER_H

#include "eval/eval_task.h"

struct sgn_item_reader {
    const sgn_eval_task *task;
    sgn_item       *item;
    const sgn_json *object;            /* NULL: plain text */
    char           *line;              /* of plain text, or of a file of labels beside the data; NULL: none */
    const char     *label[SGN_CHOICES];/* of the choices; NULL: they have none */
    const char     *place;
    sgn_error      *err;
    sgn_status      status;
};

#endif
