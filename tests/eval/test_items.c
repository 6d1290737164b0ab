/* What a record of each public format becomes: the exact texts that are scored, the gold answer, and the messages where a record is
 * wrong. Expected strings by hand from lm-eval 0.4.2's templates; those of the detokenizer and of HellaSwag's rules by Python's re.
 * SPDX-License-Identifier: MIT */
#include "tests/check.h"
#include "eval/eval_task.h"
#include "tests/data/text_files.h"

enum { MOST = 5 };

typedef struct {
    const char *task, *data;           /* one record */
    const char *context, *text[MOST];
    int         gold;
    const char *option[2];             /* NULL: none */
} record;

#define Q "\"question\": \"Why?\""
static const record records[] = {
    { "boolq", "{" Q ", \"title\": \"T\", \"answer\": true, \"passage\": \"A b.\"}", "A b.\nQuestion: Why??\nAnswer:", { "no", "yes" }, 1, { 0 } },
    { "boolq", "{\"question\": \"is a b\", \"passage\": \"A b.\", \"idx\": 7, \"label\": 0}", "A b.\nQuestion: is a b?\nAnswer:", { "no", "yes" }, 0, { 0 } },
    { "boolq", "{\"question\": \"q\", \"passage\": \"p\", \"label\": \"true\"}", "p\nQuestion: q?\nAnswer:", { "no", "yes" }, 1, { 0 } },
    { "piqa", "{\"goal\": \"Eat \", \"sol1\": \"a\", \"sol2\": \" b\", \"label\": 1}", "Question: Eat \nAnswer:", { "a", " b" }, 1, { 0 } },
    { "hellaswag", "{\"ind\": 4, \"activity_label\": \" Cooking\", \"ctx_a\": \"[header] How to bake [title] Mix  it. [step] Use   three [a\\nb] spaces\", "
      "\"ctx_b\": \"\\u00e9COLE dE\", \"endings\": [\" one [x].\", \"two  [title] up \", \"three\", \"four\"], \"label\": \"2\"}",
      "Cooking: How to bake. Mix it. Use  three [a\nb] spaces \xC3\x89""cole de", { "one .", "two . up", "three", "four" }, 2, { 0 } },
    { "hellaswag", "{\"activity_label\": \"A\", \"ctx_a\": \"b\", \"ctx_b\": \"\", \"endings\": [\"c\", \"d\"], \"label\": 0}", "A: b", { "c", "d" }, 0, { 0 } },
    { "winogrande", "{\"qID\": \"x\", \"sentence\": \"Ann saw that _ was late. \", \"option1\": \"Bo\", \"option2\": \"Cy\", \"answer\": \"2\"}", "",
      { "was late.", "was late." }, 1, { "Ann saw that Bo", "Ann saw that Cy" } },
    { "winogrande", "{\"sentence\": \"_ slept\", \"option1\": \"Bo\", \"option2\": \"Cy\", \"answer\": 1}", "", { "slept", "slept" }, 0, { "Bo", "Cy" } },
    { "arc_easy", "{\"id\": \"M\", " Q ", \"choices\": {\"text\": [\"a\", \"b\", \"c\"], \"label\": [\"A\", \"B\", \"C\"]}, \"answerKey\": \"C\"}",
      "Question: Why?\nAnswer:", { "a", "b", "c" }, 2, { 0 } },
    { "arc_challenge", "{\"question\": {\"stem\": \"Why?\", \"choices\": [{\"text\": \"a\", \"label\": \"1\"}, {\"text\": \"b\", \"label\": \"2\"}]}, \"answerKey\": \"2\"}",
      "Question: Why?\nAnswer:", { "a", "b" }, 1, { 0 } },
    { "arc_easy", "{\"ctx\": \"Why?\", \"choices\": [\"a\", \"b\"], \"gold\": 1}", "Question: Why?\nAnswer:", { "a", "b" }, 1, { 0 } },
    { "arc_easy", "[{\"instruction\": \"Please choose the correct answer to the question: Why?\\n\\nAnswer1: a Answer2: b c Answer3: d\\n\\nAnswer format: answer1/answer2\", "
      "\"answer\": \"answer2\"}]", "Question: Why?\nAnswer:", { "a", "b c", "d" }, 1, { 0 } },
    { "openbookqa", "{\"question_stem\": \"The sun\", \"choices\": {\"text\": [\"is hot\", \"is cold\"], \"label\": [\"A\", \"B\"]}, \"answerKey\": \" B\"}",
      "The sun", { "is hot", "is cold" }, 1, { 0 } },
    { "openbookqa", "{\"id\": \"7\", \"question\": {\"stem\": \"The sun\", \"choices\": [{\"text\": \"x\", \"label\": \"A\"}, {\"text\": \"y\", \"label\": \"B\"}]}, \"answerKey\": \"A\"}",
      "The sun", { "x", "y" }, 0, { 0 } },
    { "lambada", "{\"text\": \"one two\\n  three\"}", "one two\n ", { " three" }, 0, { 0 } },
    { "lambada_openai", "{\"text\": \"alone\"}", "", { " alone" }, 0, { 0 } },
    { "lambada_standard", "one two , three\r\n", "one two ,", { " three" }, 0, { 0 } },
    { "piqa", "{\"features\": [], \"rows\": [{\"row_idx\": 0, \"row\": {\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 0}}]}",
      "Question: g\nAnswer:", { "a", "b" }, 0, { 0 } },
};

static void texts_are_those_of_the_templates(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        const record *r = &records[i];
        sgn_error err;
        sgn_item_set set;
        const sgn_eval_task *task = sgn_eval_task_find(r->task);
        assert_non_null(task);
        check_ok(sgn_item_set_load(&set, task, put_text("x.jsonl", r->data), 0, &err), &err);
        assert_int_equal(set.count, 1);
        assert_string_equal(set.item[0].context, r->context);
        int count = 0;
        for (; count < MOST && r->text[count]; count++) assert_string_equal(set.item[0].text[count], r->text[count]);
        assert_int_equal(set.item[0].count, count);
        for (int k = 0; k < 2; k++) {
            if (r->option[k]) assert_string_equal(set.item[0].option[k], r->option[k]);
            else assert_null(set.item[0].option[k]);
        }
        assert_int_equal(set.item[0].gold, r->gold);
        sgn_item_set_free(&set);
    }
}

static const struct { const char *task, *data, *text; } wrong[] = {
    { "piqa", "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}", "x.jsonl:1: there is no field label" },
    { "piqa", "\n{\"goal\": \"g\", \"sol1\": \"a\", \"label\": 0}\n", "x.jsonl:2: there is no field sol2" },
    { "piqa", "{\"goal\": \"g\", \"sol1\": 3, \"sol2\": \"b\", \"label\": 0}", "the field sol1 is not text" },
    { "piqa", "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 2}", "label is 2, but the 2 answers are 0 to 1" },
    { "piqa", "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": -1}", "take the one that has them" },
    { "piqa", "[{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": 1}, 5]", "record 2: not an object" },
    { "piqa", "goal,sol1,sol2", "no JSON" },
    { "piqa", "", "no JSON" },
    { "piqa", "[]", "no records" },
    { "piqa", "{\"goal\": \"g\"\n", "x.jsonl:1" },
    { "boolq", "{\"question\": \"q\", \"passage\": \"p\", \"answer\": \"maybe\"}", "names no answer" },
    { "winogrande", "{\"sentence\": \"no gap\", \"option1\": \"a\", \"option2\": \"b\", \"answer\": \"1\"}", "has no _" },
    { "winogrande", "{\"sentence\": \"_\", \"option1\": \"a\", \"option2\": \"b\", \"answer\": \"\"}", "answer is empty" },
    { "arc_easy", "{" Q ", \"choices\": {\"text\": [\"a\", \"b\"], \"label\": [\"A\", \"B\"]}, \"answerKey\": \"E\"}", "the label of no answer" },
    { "arc_easy", "{" Q ", \"choices\": [\"a\"], \"answerKey\": \"A\"}", "no list of two answers" },
    { "arc_easy", "{\"instruction\": \"What?\", \"answer\": \"answer1\"}", "the field instruction is not" },
    { "hellaswag", "{\"activity_label\": \"a\", \"ctx_a\": \"b\", \"endings\": [\"c\", \"d\"], \"label\": 0}", "there is no field ctx_b" },
    { "openbookqa", "{\"choices\": [\"a\", \"b\"], \"answerKey\": \"A\"}", "there is no field question_stem or question.stem or ctx" },
    { "lambada", "{\"txt\": \"a\"}", "there is no field text" },
    { "wikitext", "{\"pages\": \"a\"}", "there is no field page or text" },
    { "ppl", "{\"sentence\": \"a\"}", "there is no text in a field text" },
};

static void what_is_wrong_is_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sgn_error err;
        sgn_item_set set;
        check_fails(sgn_item_set_load(&set, sgn_eval_task_find(wrong[i].task), put_text("x.jsonl", wrong[i].data), 0, &err), SGN_FORMAT, &err, wrong[i].text);
        assert_null(set.item);
        assert_true(strstr(err.text, "x.jsonl") != NULL);
    }
    sgn_error err;
    check_fails(sgn_eval_task_unknown("helaswag", &err), SGN_CONFIG, &err, "hellaswag");
    check_fails(sgn_eval_task_unknown("zzzzz", &err), SGN_CONFIG, &err, "list");
}

static void labels_stand_beside(void **state) {
    (void)state;
    sgn_error err;
    sgn_item_set set;
    const sgn_eval_task *piqa = sgn_eval_task_find("piqa");
    static const char data[] = "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}\n{\"goal\": \"h\", \"sol1\": \"a\", \"sol2\": \"b\"}\n";
    unsigned char packed[512];
    const size_t n = zstd_bytes(data, sizeof data - 1, packed, sizeof packed), m = gzip_bytes(data, sizeof data - 1, packed + 256, 256);
    put_text("valid-labels.lst", "1\n0\n");
    const char *const paths[] = { put_text("valid.jsonl", data), put_bytes("valid.jsonl.zst", packed, n), put_bytes("valid.jsonl.gz", packed + 256, m) };
    for (int i = 0; i < 3; i++) {
        check_ok(sgn_item_set_load(&set, piqa, paths[i], 0, &err), &err);
        assert_int_equal(set.count, 2);
        assert_int_equal(set.item[0].gold, 1);
        assert_int_equal(set.item[1].gold, 0);
        sgn_item_set_free(&set);
    }
    check_ok(sgn_item_set_load(&set, piqa, paths[0], 1, &err), &err);
    assert_int_equal(set.count, 1);
    sgn_item_set_free(&set);
    put_text("valid-labels.lst", "1\n");
    check_fails(sgn_item_set_load(&set, piqa, paths[0], 0, &err), SGN_FORMAT, &err, "different files");
}

/* Pages and their texts as tests/golden/tasks_numpy.py makes them. */
static void pages_are_split_and_detokenized(void **state) {
    (void)state;
    static const char raw[] = " \n = Title = \n \n text @-@ s \n = = Part = = \n more \n = Next = \n ( end ) \n";
    static const char rows[] = "{\"text\": \"\"}\n{\"text\": \" = Title = \\n\"}\n{\"text\": \"\"}\n{\"text\": \" text @-@ s \\n\"}\n"
                               "{\"text\": \" = = Part = = \\n\"}\n{\"text\": \" more \\n\"}\n{\"text\": \" = Next = \\n\"}\n{\"text\": \" ( end ) \\n\"}\n";
    static const char pages[] = "{\"page\": \" = Title = \\n \\n text @-@ s \\n = = Part = = \\n more \"}\n{\"page\": \" = Next = \\n ( end ) \\n\"}\n";
    const char *const paths[] = { put_text("raw.txt", raw), put_text("rows.jsonl", rows), put_text("pages.jsonl", pages) };
    for (int i = 0; i < 3; i++) {
        sgn_error err;
        sgn_item_set set;
        check_ok(sgn_item_set_load(&set, sgn_eval_task_find("wikitext"), paths[i], 0, &err), &err);
        assert_int_equal(set.count, 2);
        assert_string_equal(set.item[0].context, " = Title = \n \n text @-@ s \n = = Part = = \n more ");
        assert_string_equal(set.item[0].text[0], " = Title =\n\ntext-s\n== Part ==\nmore ");
        assert_string_equal(set.item[1].text[0], " = Next =\n(end)\n");
        sgn_item_set_free(&set);
    }
    static const char *const texts[][2] = {
        { "the dogs ' bone @-@ 1 @,@ 000 @.@ 5 : a ; b . c ! d ? e , f", "the dogs' bone-1,000.5: a; b. c! d? e, f" },
        { "( a ( b ) c ) [ x ] { y } \" q \" ' r ' ( )", "(a ( b) c ) [x] {y} \"q\" 'r' ()" },
        { "unclosed ( here \" one", "unclosed ( here \" one" },
        { "it 's 5 \xC2\xB0 C \n next N day = = = = x = = = y = = z", "it's 5\xC2\xB0""C\nnext 1 day ==== x === y == z" },
        { "(\xC2\xA0" "a\xE2\x80\x83) \n \n b", "(a)\n\nb" },
        { "\" a\" b \" c", "\"a\" b \" c" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sgn_error err;
        sgn_item_set set;
        check_ok(sgn_item_set_load(&set, sgn_eval_task_find("wikitext"), put_text("one.txt", texts[i][0]), 0, &err), &err);
        assert_string_equal(set.item[0].text[0], texts[i][1]);
        sgn_item_set_free(&set);
    }
}

static void rows_are_joined_for_blocks(void **state) {
    (void)state;
    static const struct { const char *task, *name, *data, *text; } cases[] = {
        { "ppl", "x.txt", " = T = \n \n a \nb", " = T = \n\n\n\n\n a \n\n\nb" },
        { "ppl", "x.jsonl", "{\"text\": \" = T = \\n\"}\n{\"text\": \"\"}\n{\"text\": \" a \\n\"}", " = T = \n\n\n\n\n a \n" },
        { "ppl_ptb", "x.txt", " one two \n three \n", "one two three" },
        { "ppl_ptb", "x.jsonl", "{\"sentence\": \"one\"}\n{\"sentence\": \"two\"}", "one two" },
        { "ppl_c4", "x.jsonl", "{\"text\": \"one\\ntwo\"}\n{\"text\": \"three\"}", "one\ntwo three" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sgn_error err;
        sgn_item_set set;
        check_ok(sgn_item_set_load(&set, sgn_eval_task_find(cases[i].task), put_text(cases[i].name, cases[i].data), 0, &err), &err);
        assert_int_equal(set.count, 1);
        assert_string_equal(set.item[0].text[0], cases[i].text);
        sgn_item_set_free(&set);
    }
}

static void files_are_found(void **state) {
    (void)state;
    sgn_error err;
    sgn_path path;
    const sgn_eval_task *arc = sgn_eval_task_find("arc_easy"), *piqa = sgn_eval_task_find("piqa");
    check_ok(sgn_make_directories(check_path("find/arc-easy"), &err), &err);
    put_text("find/arc-easy/test.json", "[]");
    put_text("find/piqa_valid.jsonl", "");
    put_text("find/train.jsonl", "");
    check_ok(sgn_eval_task_file(arc, check_path("find"), false, NULL, &path, &err), &err);
    assert_string_equal(path.s, check_path("find/arc-easy/test.json"));
    check_ok(sgn_eval_task_file(arc, check_path("find/arc-easy"), true, NULL, &path, &err), &err);
    assert_string_equal(path.s, check_path("find/arc-easy/test.json"));
    check_ok(sgn_eval_task_file(piqa, check_path("find"), false, NULL, &path, &err), &err);
    assert_string_equal(path.s, check_path("find/piqa_valid.jsonl"));
    check_ok(sgn_eval_task_file(piqa, check_path("find"), true, "train", &path, &err), &err);
    assert_string_equal(path.s, check_path("find/train.jsonl"));
    check_fails(sgn_eval_task_file(piqa, check_path("find/arc-easy"), true, NULL, &path, &err), SGN_IO, &err, "--tasks piqa=FILE");
}

/* Every row says what it is, and reads or loads. */
static void rows_are_whole(void **state) {
    (void)state;
    const sgn_eval_task *t;
    int count = 0;
    for (; (t = sgn_eval_task_at(count)); count++) {
        assert_true(t->name && t->summary && t->version && t->fields && !t->read != !t->load);
        assert_ptr_equal(sgn_eval_task_find(t->name), t);
        assert_true((t->kind == SGN_EVAL_CHOICE || t->kind == SGN_EVAL_LAST_WORD) == (t->read != NULL));
    }
    assert_true(count >= 14);
    assert_null(sgn_eval_task_at(-1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole), cmocka_unit_test(texts_are_those_of_the_templates), cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(labels_stand_beside), cmocka_unit_test(pages_are_split_and_detokenized), cmocka_unit_test(rows_are_joined_for_blocks),
        cmocka_unit_test(files_are_found),
    };
    return check_run(tests);
}
