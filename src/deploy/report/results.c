#include "deploy/results.h"

#include "base/json.h"
#include "base/text.h"
#include "deploy/overview.h"

#include <string.h>

enum {
    ENTRY_COST = 28,     /* {"key":"","value":"","type":1}, and a comma */
    LONGEST_CAUSE = 400, /* of the result `reason` and of the cause in the overview */
    LEAST_OVERVIEW = 300,
    OVERVIEW_STEP = 100,
};

enum result_index {
    STRING_RESULT,
    IN_CLUSTER_URL,
    OUT_CLUSTER_URL,
    COMMIT,
    RUNTIME,
    STATE,
    FAILURE_CLASS,
    REASON,
    MODEL_ARTIFACT_INPUTS,
    OVERVIEW_MARKDOWN,
};

const char *const results_names[RESULTS_COUNT] = {
    [STRING_RESULT] = "string-result",
    [IN_CLUSTER_URL] = "in-cluster-url",
    [OUT_CLUSTER_URL] = "out-cluster-url",
    [COMMIT] = "commit",
    [RUNTIME] = "runtime",
    [STATE] = "state",
    [FAILURE_CLASS] = "failure-class",
    [REASON] = "reason",
    [MODEL_ARTIFACT_INPUTS] = "model_ARTIFACT_INPUTS",
    [OVERVIEW_MARKDOWN] = "overview-markdown",
};

/* The script's own result, byte for byte: a here-document with a newline at its end. */
static char *string_result(const struct outcome *outcome, struct error **err) {
    json_t *in = json_string(outcome->in_cluster_url);
    json_t *out = json_string(outcome->out_cluster_url);
    cleanup_free char *in_text = in != NULL ? json_dumps(in, JSON_ENCODE_ANY) : NULL;
    cleanup_free char *out_text = out != NULL ? json_dumps(out, JSON_ENCODE_ANY) : NULL;
    json_decref(in);
    json_decref(out);
    if (in_text == NULL || out_text == NULL) {
        error_no_memory(err);
        return NULL;
    }
    return text_format(err,
                       "{\n  \"IN_CLUSTER_ENDPOINT\": %s,\n  \"OUT_CLUSTER_ENDPOINT\": %s\n}\n",
                       in_text, out_text);
}

/*
 * What Tekton Chains takes as an input of the build: uri and digest, never a moving name. Without a
 * commit the digest is left empty, since an object result must have every declared key.
 */
static char *artifact_inputs(const struct outcome *outcome, struct error **err) {
    size_t length = strlen(outcome->commit);
    const char *algorithm = length == 64 ? "sha256:" : length == 40 ? "sha1:" : "";
    const char *uri = outcome->git_url[0] != '\0' ? outcome->git_url : outcome->storage_uri;
    cleanup_free char *digest = text_format(err, "%s%s", algorithm, outcome->commit);
    cleanup_json json_t *object =
        digest != NULL ? json_pack("{s:s, s:s}", "uri", uri, "digest", digest) : NULL;
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    if (text == NULL)
        error_no_memory(err);
    return text;
}

/* At most LIMIT bytes of TEXT, ending between characters. */
static char *shortened(const char *text, size_t limit, struct error **err) {
    if (strlen(text) <= limit)
        return text_copy(text, err);
    size_t length = text_utf8_prefix(text, limit - 3);
    return text_format(err, "%.*s…", (int)length, text);
}

/* Length of the value as Go's encoding/json writes it: quotes and backslashes double, controls and
 * <, >, & take six. */
static size_t escaped_length(const char *value) {
    size_t length = 0;
    for (const unsigned char *at = (const unsigned char *)value; *at != '\0'; at++) {
        if (strchr("\"\\\n\r\t", *at) != NULL)
            length += 2;
        else if (*at < 0x20 || strchr("<>&", *at) != NULL)
            length += 6;
        else
            length += 1;
    }
    return length;
}

static size_t result_cost(const struct result *result) {
    return ENTRY_COST + strlen(result->name) + escaped_length(result->value);
}

size_t results_cost(const struct results *results) {
    size_t cost = 0;
    for (size_t i = 0; i < RESULTS_COUNT; i++)
        cost += result_cost(&results->items[i]);
    return cost;
}

static int set(struct results *results, enum result_index index, char *value) {
    if (value == NULL)
        return -1;
    free(results->items[index].value);
    results->items[index].value = value;
    return 0;
}

static int fill_fixed(struct results *out, const struct outcome *outcome, size_t longest_text,
                      struct error **err) {
    cleanup_free char *reason = outcome->state == OUTCOME_READY ? text_copy("", err)
                                : outcome->cause[0] != '\0'
                                    ? text_format(err, "%s: %s", outcome->reason, outcome->cause)
                                    : text_copy(outcome->reason, err);
    if (reason == NULL)
        return -1;
    bool complete = set(out, STRING_RESULT, string_result(outcome, err)) == 0 &&
                    set(out, IN_CLUSTER_URL, text_copy(outcome->in_cluster_url, err)) == 0 &&
                    set(out, OUT_CLUSTER_URL, text_copy(outcome->out_cluster_url, err)) == 0 &&
                    set(out, COMMIT, text_copy(outcome->commit, err)) == 0 &&
                    set(out, RUNTIME, text_copy(outcome->runtime, err)) == 0 &&
                    set(out, STATE, text_copy(outcome_state_name(outcome->state), err)) == 0 &&
                    set(out, FAILURE_CLASS, text_copy(outcome->failure_class, err)) == 0 &&
                    set(out, REASON, shortened(reason, longest_text, err)) == 0 &&
                    set(out, MODEL_ARTIFACT_INPUTS, artifact_inputs(outcome, err)) == 0;
    return complete ? 0 : -1;
}

/* The overview gets what the others leave, and then shrinks until its escapes fit too. */
static int fill_overview(struct results *out, const struct outcome *outcome, struct error **err) {
    size_t others = results_cost(out);
    size_t room = others + LEAST_OVERVIEW < RESULTS_BUDGET ? RESULTS_BUDGET - others : 0;
    for (;;) {
        if (set(out, OVERVIEW_MARKDOWN, overview_markdown(outcome, room, err)) < 0)
            return -1;
        if (results_cost(out) <= RESULTS_BUDGET || room == 0)
            return 0;
        room = room > OVERVIEW_STEP ? room - OVERVIEW_STEP : 0;
    }
}

int results_render(struct results *out, const struct outcome *outcome, struct error **err) {
    cleanup_results struct results results = {0};
    for (size_t i = 0; i < RESULTS_COUNT; i++) {
        results.items[i].name = results_names[i];
        if (set(&results, (enum result_index)i, text_copy("", err)) < 0)
            return -1;
    }
    if (fill_fixed(&results, outcome, LONGEST_CAUSE, err) < 0 ||
        fill_overview(&results, outcome, err) < 0)
        return -1;
    /* URLs and names are bounded by Kubernetes and GitLab, yet a result too large would fail a step
     * that went well: drop the long ones rather than that */
    static const enum result_index expendable[] = {REASON, MODEL_ARTIFACT_INPUTS, OUT_CLUSTER_URL};
    for (size_t i = 0; i < array_length(expendable) && results_cost(&results) > RESULTS_BUDGET; i++)
        if (set(&results, expendable[i],
                text_copy(expendable[i] == MODEL_ARTIFACT_INPUTS ? "{\"uri\":\"\",\"digest\":\"\"}"
                                                                 : "",
                          err)) < 0)
            return -1;
    *out = results;
    results = (struct results){0};
    return 0;
}

void results_free(struct results *results) {
    for (size_t i = 0; i < RESULTS_COUNT; i++)
        free(results->items[i].value);
    *results = (struct results){0};
}

int results_write(const struct results *results, const char *directory, const struct deps *deps,
                  struct error **err) {
    int result = 0;
    for (size_t i = 0; i < RESULTS_COUNT; i++) {
        const struct result *item = &results->items[i];
        cleanup_free char *path = text_format(err, "%s/%s", directory, item->name);
        if (path == NULL || deps->files->write(deps->files->user, path, item->value,
                                               strlen(item->value), 0644, err) < 0)
            result = -1;
    }
    return result;
}
