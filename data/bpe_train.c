/* Merge the most frequent pair, recount, repeat. Only words that hold the pair are recounted:
 * each pair keeps a list of them. Counts of known pairs only fall, so a heap of (count, pair)
 * holds upper bounds, and an entry that is out of date goes back in with its present count.
 *
 * SPDX-License-Identifier: MIT */
#include "data/bpe_train.h"

#include <stdlib.h>
#include <string.h>
#include "core/log.h"
#include "data/form_write.h"
#include "data/pretokenize.h"
#include "data/tokenizer_kind.h"
#include "data/word_count.h"

typedef struct {
    int32_t   left, right;
    uint64_t  count;
    uint32_t *word;            /* (words): where it has occurred, each word once, in order */
    uint32_t  words, room;
} pair;

typedef struct { uint64_t count; uint32_t pair; } candidate;

typedef struct {
    const sgn_bpe_options *o;
    sgn_words      words;
    sgn_vocabulary vocabulary;
    int32_t       *symbol;     /* of word w: symbol[words.word[w].start ...], words.word[w].n of them */
    pair          *pairs;
    uint32_t       count, room;
    uint32_t      *slot, slots;/* hash of (left, right) -> index + 1 */
    candidate     *heap;
    size_t         heaped, heap_room;
} trainer;

/* --- words ------------------------------------------------------------------------------------------ */

static sgn_status report(const trainer *t, const char *stage, double fraction, sgn_error *err) {
    if (t->o->progress && !t->o->progress(t->o->ctx, stage, fraction))
        SGN_FAIL(err, SGN_INTERRUPTED, "stopped while learning a vocabulary; nothing was written");
    return SGN_OK;
}

static sgn_status count_words(trainer *t, sgn_text *text, sgn_splitter *s, sgn_error *err) {
    sgn_text_part part;
    bool more;
    const double total = (double)sgn_text_total_bytes(text);
    uint64_t left = t->o->limit ? t->o->limit : UINT64_MAX;
    for (;;) {
        SGN_TRY(sgn_text_next(text, &part, &more, err));
        if (!more || left == 0) return SGN_OK;
        if (part.ids)
            SGN_FAIL(err, SGN_CONFIG, "%s: line %llu holds token ids; a vocabulary is learnt from text", part.file,
                     (unsigned long long)part.line);
        const size_t size = part.size < left ? part.size : (size_t)left;
        left -= size;
        const char *word;
        size_t n;
        sgn_splitter_begin(s, part.text, size);
        while (sgn_splitter_next(s, &word, &n))    /* a word longer than a piece can be (base64, rulers) teaches nothing */
            if (n <= SGN_PIECE_MAX) SGN_TRY(sgn_words_add(&t->words, word, n, err));
        SGN_TRY(report(t, "words", total > 0 ? (double)sgn_text_read_bytes(text) / total : 0, err));
    }
}

/* --- pairs ------------------------------------------------------------------------------------------ */

static uint32_t slot_of(const trainer *t, int32_t left, int32_t right) {
    const uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint32_t i = (uint32_t)(key * 0x9E3779B97F4A7C15u >> 32) & (t->slots - 1);
    for (; t->slot[i]; i = (i + 1) & (t->slots - 1)) {
        const pair *p = &t->pairs[t->slot[i] - 1];
        if (p->left == left && p->right == right) break;
    }
    return i;
}

static sgn_status grow_pairs(trainer *t, sgn_error *err) {
    if (t->count < t->room) return SGN_OK;
    const uint32_t room = 2 * t->room + 8192;
    pair *grown = room < UINT32_MAX / 4 ? realloc(t->pairs, room * sizeof *grown) : NULL;
    if (grown) t->pairs = grown;
    uint32_t slots = 16384;
    while (slots < 2 * room) slots *= 2;
    uint32_t *fresh = grown ? calloc(slots, sizeof *fresh) : NULL;
    if (!fresh) SGN_FAIL(err, SGN_NOMEM, "no memory for %u pairs; learn from less text", room);
    free(t->slot);
    t->slot = fresh;
    t->slots = slots;
    t->room = room;
    for (uint32_t i = 0; i < t->count; i++) t->slot[slot_of(t, t->pairs[i].left, t->pairs[i].right)] = i + 1;
    return SGN_OK;
}

static sgn_status find_or_add(trainer *t, int32_t left, int32_t right, uint32_t *index, sgn_error *err) {
    SGN_TRY(grow_pairs(t, err));
    const uint32_t i = slot_of(t, left, right);
    if (!t->slot[i]) {
        t->pairs[t->count++] = (pair){ .left = left, .right = right };
        t->slot[i] = t->count;
    }
    *index = t->slot[i] - 1;
    return SGN_OK;
}

static sgn_status list_word(pair *p, uint32_t w, sgn_error *err) {
    if (p->words && p->word[p->words - 1] == w) return SGN_OK;
    if (p->words == p->room) {
        const uint32_t room = 2 * p->room + 4;
        uint32_t *grown = realloc(p->word, room * sizeof *grown);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for pairs; learn from less text");
        p->word = grown;
        p->room = room;
    }
    p->word[p->words++] = w;
    return SGN_OK;
}

/* The pairs of a word enter the counts; it is listed with those from index `fresh` on. */
static sgn_status count_in(trainer *t, uint32_t w, uint32_t fresh, sgn_error *err) {
    const sgn_word *word = &t->words.word[w];
    const int32_t *s = t->symbol + word->start;
    for (uint32_t i = 0; i + 1 < word->n; i++) {
        uint32_t p;
        SGN_TRY(find_or_add(t, s[i], s[i + 1], &p, err));
        t->pairs[p].count += word->count;
        if (p >= fresh) SGN_TRY(list_word(&t->pairs[p], w, err));
    }
    return SGN_OK;
}

static void count_out(trainer *t, uint32_t w) {
    const sgn_word *word = &t->words.word[w];
    const int32_t *s = t->symbol + word->start;
    for (uint32_t i = 0; i + 1 < word->n; i++)
        t->pairs[t->slot[slot_of(t, s[i], s[i + 1])] - 1].count -= word->count;
}

static bool holds(const trainer *t, uint32_t w, int32_t left, int32_t right) {
    const int32_t *s = t->symbol + t->words.word[w].start;
    for (uint32_t i = 0; i + 1 < t->words.word[w].n; i++)
        if (s[i] == left && s[i + 1] == right) return true;
    return false;
}

static void rewrite(trainer *t, uint32_t w, int32_t left, int32_t right, int32_t whole) {
    sgn_word *word = &t->words.word[w];
    int32_t *s = t->symbol + word->start;
    uint32_t to = 0;
    for (uint32_t i = 0; i < word->n; to++) {
        const bool here = i + 1 < word->n && s[i] == left && s[i + 1] == right;
        s[to] = here ? whole : s[i];
        i += here ? 2 : 1;
    }
    word->n = to;
}

/* --- heap: most frequent first, of equals the smaller (left, right) ---------------------------------- */

static bool before(const trainer *t, candidate a, candidate b) {
    if (a.count != b.count) return a.count > b.count;
    const pair *p = &t->pairs[a.pair], *q = &t->pairs[b.pair];
    return p->left != q->left ? p->left < q->left : p->right < q->right;
}

static sgn_status push(trainer *t, uint32_t p, sgn_error *err) {
    if (t->heaped == t->heap_room) {
        const size_t room = 2 * t->heap_room + 8192;
        candidate *grown = realloc(t->heap, room * sizeof *grown);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "no memory for %zu pairs; learn from less text", room);
        t->heap = grown;
        t->heap_room = room;
    }
    const candidate c = { t->pairs[p].count, p };
    size_t i = t->heaped++;
    for (; i > 0 && before(t, c, t->heap[(i - 1) / 2]); i = (i - 1) / 2) t->heap[i] = t->heap[(i - 1) / 2];
    t->heap[i] = c;
    return SGN_OK;
}

static candidate pop(trainer *t) {
    const candidate top = t->heap[0], c = t->heap[--t->heaped];
    size_t i = 0;
    for (size_t k = 1; k < t->heaped; k = 2 * i + 1) {
        if (k + 1 < t->heaped && before(t, t->heap[k + 1], t->heap[k])) k++;
        if (!before(t, t->heap[k], c)) break;
        t->heap[i] = t->heap[k];
        i = k;
    }
    t->heap[i] = c;
    return top;
}

static sgn_status push_from(trainer *t, uint32_t fresh, uint64_t min_count, sgn_error *err) {
    for (; fresh < t->count; fresh++)
        if (t->pairs[fresh].count >= min_count) SGN_TRY(push(t, fresh, err));
    return SGN_OK;
}

/* --- learning ----------------------------------------------------------------------------------------- */

static sgn_status start(trainer *t, sgn_error *err) {
    SGN_TRY(sgn_vocabulary_bytes(&t->vocabulary, err));
    t->symbol = malloc((t->words.size + 1) * sizeof *t->symbol);
    if (!t->symbol) SGN_FAIL(err, SGN_NOMEM, "no memory for %u different words; learn from less text", t->words.count);
    for (size_t i = 0; i < t->words.size; i++) t->symbol[i] = (unsigned char)t->words.bytes[i];
    for (uint32_t w = 0; w < t->words.count; w++) SGN_TRY(count_in(t, w, 0, err));
    return SGN_OK;
}

/* A pair whose bytes are too long for a piece, or are one already by another way, is passed over. */
static sgn_status name_pair(trainer *t, const pair *p, bool *usable, sgn_error *err) {
    char joined[2 * SGN_PIECE_MAX];
    size_t n, m;
    const char *left = sgn_vocabulary_piece(&t->vocabulary, p->left, &n);
    memcpy(joined, left, n);
    const char *right = sgn_vocabulary_piece(&t->vocabulary, p->right, &m);
    memcpy(joined + n, right, m);
    *usable = n + m <= SGN_PIECE_MAX && sgn_vocabulary_find(&t->vocabulary, joined, n + m) < 0;
    if (!*usable) return SGN_OK;
    const int32_t l = p->left, r = p->right;
    SGN_TRY(sgn_vocabulary_add(&t->vocabulary, joined, n + m, false, "the vocabulary", err));
    return sgn_vocabulary_merge(&t->vocabulary, l, r, "the vocabulary", err);
}

static sgn_status merge(trainer *t, uint32_t index, uint64_t min_count, sgn_error *err) {
    pair p = t->pairs[index];
    bool usable;
    SGN_TRY(name_pair(t, &p, &usable, err));
    if (!usable) return SGN_OK;
    t->pairs[index].word = NULL;                   /* the list is ours now */
    t->pairs[index].words = t->pairs[index].room = 0;
    const uint32_t fresh = t->count;
    sgn_status s = SGN_OK;
    for (uint32_t i = 0; i < p.words && s == SGN_OK; i++) {
        const uint32_t w = p.word[i];
        if (!holds(t, w, p.left, p.right)) continue;
        count_out(t, w);
        rewrite(t, w, p.left, p.right, t->vocabulary.count - 1);
        s = count_in(t, w, fresh, err);
    }
    free(p.word);
    return s == SGN_OK ? push_from(t, fresh, min_count, err) : s;
}

static sgn_status learn(trainer *t, sgn_error *err) {
    const uint64_t min_count = t->o->min_count ? t->o->min_count : 2;
    const int32_t want = t->o->vocab - 1;          /* the last is <|endoftext|> */
    SGN_TRY(start(t, err));
    SGN_TRY(push_from(t, 0, min_count, err));
    while (t->vocabulary.count < want && t->heaped) {
        const candidate c = pop(t);
        const uint64_t count = t->pairs[c.pair].count;
        if (count == c.count) SGN_TRY(merge(t, c.pair, min_count, err));
        else if (count >= min_count) SGN_TRY(push(t, c.pair, err));
        if (t->vocabulary.count % 64 == 0)
            SGN_TRY(report(t, "merges", (double)(t->vocabulary.count - 256) / (want - 255), err));
    }
    if (t->vocabulary.count < want)
        sgn_warn("the text has pairs for %d pieces only, %d were asked for; give it more text",
                 t->vocabulary.count + 1, want + 1);
    return sgn_vocabulary_add(&t->vocabulary, SGN_EOT, strlen(SGN_EOT), true, "the vocabulary", err);
}

static void trainer_free(trainer *t) {
    sgn_words_free(&t->words);
    sgn_vocabulary_free(&t->vocabulary);
    for (uint32_t i = 0; i < t->count; i++) free(t->pairs[i].word);
    free(t->symbol);
    free(t->pairs);
    free(t->slot);
    free(t->heap);
}

sgn_status sgn_bpe_train(sgn_tokenizer **out, sgn_text *text, const sgn_bpe_options *o, sgn_error *err) {
    *out = NULL;
    if (o->vocab < 257 || o->vocab > SGN_VOCAB_MAX)
        SGN_FAIL(err, SGN_CONFIG, "vocabulary of %d: 257 (256 bytes and " SGN_EOT ") to %d are possible", o->vocab, SGN_VOCAB_MAX);
    const sgn_known_split *split = sgn_known_split_named(o->split ? o->split : "gpt2");
    if (!split) SGN_FAIL(err, SGN_CONFIG, "split '%.40s' is not gpt2, llama3, cl100k, qwen2 or o200k", o->split);
    trainer t = { .o = o };
    sgn_splitter *splitter;
    SGN_TRY(sgn_splitter_open(&splitter, split->pattern, err));
    sgn_status s = count_words(&t, text, splitter, err);
    sgn_splitter_close(splitter);
    if (s == SGN_OK && t.words.count == 0)
        s = SGN_ERROR(err, SGN_FORMAT, "%s%s: no text to learn a vocabulary from (a word of more than 1024 bytes teaches nothing); give a file that holds some",
                      sgn_text_file(text, 0), sgn_text_files(text) > 1 ? " and others" : "");
    if (s == SGN_OK) s = learn(&t, err);
    if (s == SGN_OK && split != sgn_known_split_at(0)) s = sgn_form_write(&t.vocabulary.form, &t.vocabulary, split, false, false, err);
    if (s == SGN_OK) s = sgn_tokenizer_from(out, &t.vocabulary, "the vocabulary", err);
    trainer_free(&t);
    return s;
}
