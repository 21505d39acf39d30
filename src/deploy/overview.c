#include "deploy/overview.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/text.h"

#include <string.h>

enum {
    LONGEST_OVERVIEW = 64 * 1024,
    LONGEST_TEXT = 600, /* of one cell, sentence or line of evidence */
};

/* Text that comes from servers: no Markdown of its own, no line of its own. */
static void append_plain(struct buffer *out, const char *text) {
    const char *end = text + text_utf8_prefix(text, LONGEST_TEXT);
    for (const char *at = text; at < end; at++) {
        if (strchr("\\`*_[]<>|", *at) != NULL)
            buffer_append_character(out, '\\');
        buffer_append_character(out, *at == '\n' || *at == '\r' ? ' ' : *at);
    }
    if (*end != '\0')
        buffer_append_text(out, "…");
}

static void append_row(struct buffer *out, const char *title, const char *value) {
    if (text_is_empty(value))
        return;
    buffer_printf(out, "| %s | ", title);
    append_plain(out, value);
    buffer_append_text(out, " |\n");
}

static void append_headline(struct buffer *out, const struct outcome *outcome) {
    static const char *const headlines[] = {
        [OUTCOME_READY] = "is ready",
        [OUTCOME_FAILED] = "failed",
        [OUTCOME_TIMEOUT] = "did not become ready in time",
        [OUTCOME_CANCELED] = "was canceled",
    };
    static const char *const marks[] = {"✅", "❌", "⏱", "⏹"};
    buffer_printf(out, "### %s ", marks[outcome->state]);
    append_plain(out, outcome->namespace_);
    buffer_append_character(out, '/');
    append_plain(out, outcome->name);
    buffer_printf(out, " %s\n\n", headlines[outcome->state]);
}

static void append_cause(struct buffer *out, const struct outcome *outcome) {
    if (outcome->state == OUTCOME_READY)
        return;
    append_plain(out, outcome->cause);
    buffer_append_text(out, "\n\n");
    if (outcome->hint[0] != '\0') {
        buffer_append_text(out, "**What to do:** ");
        append_plain(out, outcome->hint);
        buffer_append_text(out, "\n\n");
    }
}

static void append_evidence(struct buffer *out, const struct outcome *outcome) {
    if (outcome->state == OUTCOME_READY || outcome->evidence.count == 0)
        return;
    buffer_append_text(out, "\nEvidence:\n");
    for (size_t i = 0; i < outcome->evidence.count; i++) {
        buffer_append_text(out, "- ");
        append_plain(out, outcome->evidence.items[i]);
        buffer_append_character(out, '\n');
    }
}

/* Cuts at the last whole line that fits. */
static void cut(struct buffer *out, size_t limit) {
    if (out->length <= limit || out->data == NULL)
        return;
    size_t end = limit;
    while (end > 0 && out->data[end - 1] != '\n')
        end--;
    out->length = end;
    out->data[end] = '\0';
}

char *overview_markdown(const struct outcome *outcome, size_t limit, struct error **err) {
    cleanup_buffer struct buffer out = BUFFER_INIT(LONGEST_OVERVIEW);
    append_headline(&out, outcome);
    append_cause(&out, outcome);
    char took[DURATION_SIZE];
    buffer_append_text(&out, "| | |\n|---|---|\n");
    if (outcome->state == OUTCOME_READY) {
        append_row(&out, "In the cluster", outcome->in_cluster_url);
        append_row(&out, "From outside", outcome->out_cluster_url);
    }
    append_row(&out, "Model", outcome->project);
    append_row(&out, "Ref", outcome->ref);
    append_row(&out, "Commit", outcome->commit);
    append_row(&out, "Runtime", outcome->runtime);
    append_row(&out, "Reason", outcome->reason);
    append_row(&out, "Rollback", outcome->rollback);
    append_row(&out, "Took", duration_format(took, outcome->took_ms));
    append_evidence(&out, outcome);
    cut(&out, limit);
    return buffer_steal(&out, "the overview", err);
}
