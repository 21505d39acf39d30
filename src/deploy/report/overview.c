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
    /* at its start: a heading, a list's bullet or number */
    size_t digits = strspn(text, "0123456789");
    const char *start = digits > 0 ? text + digits : text;
    for (const char *at = text; at < end; at++) {
        bool begins = at == start && strchr(digits > 0 ? ".)" : "#-+=", *at) != NULL;
        if (begins || strchr("\\`*_[]<>|~&", *at) != NULL)
            buffer_append_character(out, '\\');
        bool control = (unsigned char)*at < 0x20 || *at == 0x7f;
        buffer_append_character(out, control ? ' ' : *at);
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

/* A web address without anything that Markdown could take for the end of a link. */
static bool is_plain_url(const char *url) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-._~:/?#@!$&'*+,;=%";
    return (text_has_prefix(url, "http://") || text_has_prefix(url, "https://")) &&
           strlen(url) <= LONGEST_TEXT && url[strspn(url, plain)] == '\0';
}

/* TEXT as a link to URL, where that is one. */
static void append_link_row(struct buffer *out, const char *title, const char *text,
                            const char *url) {
    if (!is_plain_url(url) || text_is_empty(text)) {
        append_row(out, title, text);
        return;
    }
    buffer_printf(out, "| %s | [", title);
    append_plain(out, text);
    buffer_printf(out, "](%s) |\n", url);
}

/* The page of a repository is its clone URL without ".git", on every Git server that has pages. */
static void append_model(struct buffer *out, const struct outcome *outcome) {
    char page[LONGEST_TEXT + 1] = "";
    size_t length = strlen(outcome->git_url);
    if (text_has_suffix(outcome->git_url, ".git"))
        length -= strlen(".git");
    if (length < sizeof(page))
        memcpy(page, outcome->git_url, length);
    append_link_row(out, "Model", outcome->project, page);
}

static void append_class(struct buffer *out, const struct outcome *outcome) {
    static const struct {
        const char *name;
        const char *words;
    } classes[] = {{"terminal", "terminal: it could not succeed"},
                   {"repeated", "repeated: it kept failing"},
                   {"impatient", "impatient: it may yet succeed, or it needed more time"}};
    for (size_t i = 0; i < array_length(classes); i++)
        if (text_equal(outcome->failure_class, classes[i].name))
            append_row(out, "Failure", classes[i].words);
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
    /* of a failed run too, once there is a service: what served before may serve on */
    if (outcome->state == OUTCOME_READY || outcome->applied) {
        append_link_row(&out, "In the cluster", outcome->in_cluster_url, outcome->in_cluster_url);
        append_link_row(&out, "From outside", outcome->out_cluster_url, outcome->out_cluster_url);
    }
    append_model(&out, outcome);
    append_row(&out, "Ref", outcome->ref);
    append_row(&out, "Commit", outcome->commit);
    append_row(&out, "Runtime", outcome->runtime);
    append_row(&out, "Reason", outcome->reason);
    append_class(&out, outcome);
    append_row(&out, "Rollback", outcome->rollback);
    append_row(&out, "Took", duration_format(took, outcome->took_ms));
    append_evidence(&out, outcome);
    cut(&out, limit);
    return buffer_steal(&out, "the overview", err);
}
