#include "cli/unified_diff.h"

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { CONTEXT = 3, MOST_EDITS = 2000, LONGEST_DIFF = 64 * 1024 * 1024 };

struct line {
    const char *text;
    size_t length; /* without the line break */
};

struct lines {
    struct line *items;
    size_t count;
};

/* One line of the edit script: ' ' of both, '-' only before, '+' only after. */
struct step {
    char kind;
    const struct line *line;
};

struct comparison {
    struct lines before;
    struct lines after;
    bool *removed; /* by line of BEFORE */
    bool *added;   /* by line of AFTER */
    struct step *steps;
    size_t step_count;
};

static void comparison_free(struct comparison *comparison) {
    free(comparison->before.items);
    free(comparison->after.items);
    free(comparison->removed);
    free(comparison->added);
    free(comparison->steps);
}

static int split(struct lines *out, const char *text, struct error **err) {
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at += *at == '\n') {
        at += strcspn(at, "\n");
        count++;
    }
    out->items = calloc(count + 1, sizeof(*out->items));
    if (out->items == NULL)
        return error_no_memory(err);
    for (const char *at = text; *at != '\0'; at += *at == '\n') {
        size_t length = strcspn(at, "\n");
        out->items[out->count++] = (struct line){.text = at, .length = length};
        at += length;
    }
    return 0;
}

static bool same_line(const struct line *left, const struct line *right) {
    return left->length == right->length && memcmp(left->text, right->text, left->length) == 0;
}

/* ---- the shortest edit script of the lines [FIRST, end) that differ ---- */

struct middle {
    const struct line *before;
    const struct line *after;
    int32_t before_count;
    int32_t after_count;
    bool *removed;
    bool *added;
};

static int32_t slide(const struct middle *middle, int32_t x, int32_t diagonal) {
    while (x < middle->before_count && x - diagonal < middle->after_count &&
           same_line(&middle->before[x], &middle->after[x - diagonal]))
        x++;
    return x;
}

static void mark_all(const struct middle *middle) {
    for (int32_t i = 0; i < middle->before_count; i++)
        middle->removed[i] = true;
    for (int32_t i = 0; i < middle->after_count; i++)
        middle->added[i] = true;
}

/* From the end back to the start: ROWS[d] is what was known before the d-th edit, k from -d-1. */
static void walk_back(const struct middle *middle, int32_t *const *rows, int32_t edits) {
    int32_t x = middle->before_count;
    int32_t y = middle->after_count;
    for (int32_t d = edits; d > 0; d--) {
        const int32_t *row = rows[d];
        int32_t diagonal = x - y;
        bool down = diagonal == -d || (diagonal != d && row[diagonal + d] < row[diagonal + d + 2]);
        int32_t previous = down ? diagonal + 1 : diagonal - 1;
        x = row[previous + d + 1];
        y = x - previous;
        if (down)
            middle->added[y] = true;
        else
            middle->removed[x] = true;
    }
}

/*
 * Fills ROWS until the end is reached: the number of edits, -1 without one within MOST_EDITS, -2
 * without memory. FURTHEST holds by diagonal k (x - y) the furthest x, at k + MOST_EDITS + 1.
 */
static int32_t search(const struct middle *middle, int32_t **rows, int32_t *furthest) {
    int32_t goal = middle->before_count - middle->after_count;
    int32_t *at = furthest + MOST_EDITS + 1;
    for (int32_t edits = 0; edits <= MOST_EDITS; edits++) {
        size_t size = ((size_t)edits * 2 + 3) * sizeof(*at);
        rows[edits] = malloc(size);
        if (rows[edits] == NULL)
            return -2;
        memcpy(rows[edits], at - edits - 1, size);
        for (int32_t k = -edits; k <= edits; k += 2) {
            bool down = k == -edits || (k != edits && at[k - 1] < at[k + 1]);
            at[k] = slide(middle, down ? at[k + 1] : at[k - 1] + 1, k);
            if (k == goal && at[k] >= middle->before_count)
                return edits;
        }
    }
    return -1;
}

static int compare_middle(const struct middle *middle, struct error **err) {
    int32_t **rows = calloc(MOST_EDITS + 1, sizeof(*rows));
    int32_t *furthest = calloc(MOST_EDITS * 2 + 3, sizeof(*furthest));
    int32_t edits = rows != NULL && furthest != NULL ? search(middle, rows, furthest) : -2;
    if (edits >= 0)
        walk_back(middle, rows, edits);
    else if (edits == -1)
        mark_all(middle);
    for (int32_t i = 0; rows != NULL && i <= MOST_EDITS; i++)
        free(rows[i]);
    free(rows);
    free(furthest);
    return edits == -2 ? error_no_memory(err) : 0;
}

static int compare(struct comparison *comparison, struct error **err) {
    const struct lines *before = &comparison->before;
    const struct lines *after = &comparison->after;
    comparison->removed = calloc(before->count + 1, sizeof(bool));
    comparison->added = calloc(after->count + 1, sizeof(bool));
    if (comparison->removed == NULL || comparison->added == NULL)
        return error_no_memory(err);
    size_t head = 0;
    while (head < before->count && head < after->count &&
           same_line(&before->items[head], &after->items[head]))
        head++;
    size_t tail = 0;
    while (
        head + tail < before->count && head + tail < after->count &&
        same_line(&before->items[before->count - tail - 1], &after->items[after->count - tail - 1]))
        tail++;
    const struct middle middle = {.before = before->items + head,
                                  .after = after->items + head,
                                  .before_count = (int32_t)(before->count - head - tail),
                                  .after_count = (int32_t)(after->count - head - tail),
                                  .removed = comparison->removed + head,
                                  .added = comparison->added + head};
    if (middle.before_count == 0 || middle.after_count == 0) {
        mark_all(&middle);
        return 0;
    }
    return compare_middle(&middle, err);
}

/* ---- the text ---- */

/* Removed lines stand before the added ones that take their place. */
static int make_steps(struct comparison *comparison, struct error **err) {
    const struct lines *before = &comparison->before;
    const struct lines *after = &comparison->after;
    comparison->steps = calloc(before->count + after->count + 1, sizeof(*comparison->steps));
    if (comparison->steps == NULL)
        return error_no_memory(err);
    size_t i = 0;
    size_t j = 0;
    while (i < before->count || j < after->count) {
        struct step *step = &comparison->steps[comparison->step_count++];
        if (i < before->count && comparison->removed[i])
            *step = (struct step){'-', &before->items[i++]};
        else if (j < after->count && comparison->added[j])
            *step = (struct step){'+', &after->items[j++]};
        else {
            *step = (struct step){' ', &before->items[i++]};
            j++;
        }
    }
    return 0;
}

static void put_range(struct buffer *out, char sign, size_t first, size_t count) {
    /* an empty range is named by the line before it */
    size_t shown = count == 0 ? first : first + 1;
    if (count == 1)
        buffer_printf(out, "%c%zu", sign, shown);
    else
        buffer_printf(out, "%c%zu,%zu", sign, shown, count);
}

/* Steps [START, END), which begin at the lines FIRST_BEFORE and FIRST_AFTER. */
static void put_hunk(struct buffer *out, const struct step *steps, size_t count,
                     size_t first_before, size_t first_after) {
    size_t before = 0;
    size_t after = 0;
    for (size_t i = 0; i < count; i++) {
        before += steps[i].kind != '+';
        after += steps[i].kind != '-';
    }
    buffer_append_text(out, "@@ ");
    put_range(out, '-', first_before, before);
    buffer_append_character(out, ' ');
    put_range(out, '+', first_after, after);
    buffer_append_text(out, " @@\n");
    for (size_t i = 0; i < count; i++) {
        buffer_append_character(out, steps[i].kind);
        buffer_append(out, steps[i].line->text, steps[i].line->length);
        buffer_append_character(out, '\n');
    }
}

/* The end of the hunk whose first change is at AT: behind the context of its last change. */
static size_t hunk_end(const struct comparison *comparison, size_t at) {
    size_t last = at;
    for (; at < comparison->step_count && at - last <= (size_t)CONTEXT * 2 + 1; at++)
        if (comparison->steps[at].kind != ' ')
            last = at;
    size_t end = last + 1 + CONTEXT;
    return end < comparison->step_count ? end : comparison->step_count;
}

static void put_hunks(struct buffer *out, const struct comparison *comparison) {
    size_t before = 0;
    size_t after = 0;
    size_t done = 0; /* steps that BEFORE and AFTER count */
    for (size_t at = 0; at < comparison->step_count; at++) {
        if (comparison->steps[at].kind == ' ')
            continue;
        size_t start = at - done > CONTEXT ? at - CONTEXT : done;
        size_t end = hunk_end(comparison, at);
        before += start - done; /* steps between hunks are of both */
        after += start - done;
        put_hunk(out, comparison->steps + start, end - start, before, after);
        for (size_t i = start; i < end; i++) {
            before += comparison->steps[i].kind != '+';
            after += comparison->steps[i].kind != '-';
        }
        done = end;
        at = end - 1;
    }
}

int unified_diff(char **out, const char *before, const char *after,
                 const struct unified_diff_names *names, struct error **err) {
    cleanup(comparison_free) struct comparison comparison = {.steps = NULL};
    if (split(&comparison.before, before, err) < 0 || split(&comparison.after, after, err) < 0 ||
        compare(&comparison, err) < 0 || make_steps(&comparison, err) < 0)
        return -1;
    cleanup_buffer struct buffer text = BUFFER_INIT(LONGEST_DIFF);
    if (strcmp(before, after) != 0) {
        buffer_printf(&text, "--- %s\n+++ %s\n", names->before, names->after);
        put_hunks(&text, &comparison);
    }
    char *stolen = buffer_steal(&text, "the difference", err);
    if (stolen == NULL)
        return -1;
    *out = stolen;
    return 0;
}
