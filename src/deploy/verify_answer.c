#include "base/json.h"
#include "base/text.h"
#include "deploy/verify.h"

#include <string.h>

void verify_order(enum verify_dialect out[VERIFY_DIALECTS], const char *protocol) {
    static const enum verify_dialect orders[][VERIFY_DIALECTS] = {
        {VERIFY_V2, VERIFY_OPENAI, VERIFY_V1},
        {VERIFY_V1, VERIFY_OPENAI, VERIFY_V2},
        {VERIFY_OPENAI, VERIFY_V2, VERIFY_V1},
    };
    size_t order = text_equal(protocol, "v2") || text_equal(protocol, "grpc-v2")   ? 0
                   : text_equal(protocol, "v1") || text_equal(protocol, "grpc-v1") ? 1
                                                                                   : 2;
    memcpy(out, orders[order], sizeof(orders[order]));
}

int verify_paths(struct strings *out, enum verify_dialect dialect, const char *model_name,
                 struct error **err) {
    switch (dialect) {
    case VERIFY_V2:
        if (strings_add(out, "/v2/health/ready", err) < 0)
            return -1;
        return strings_add_format(out, err, "/v2/models/%s/ready", model_name);
    case VERIFY_V1:
        return strings_add_format(out, err, "/v1/models/%s", model_name);
    case VERIFY_OPENAI:
        break;
    }
    return strings_add(out, "/v1/models", err);
}

static int say(enum verify_answer *out, enum verify_answer answer, char **trouble, const char *text,
               struct error **err) {
    *trouble = text_copy(text, err);
    if (*trouble == NULL)
        return -1;
    *out = answer;
    return 0;
}

/* A page of an ingress, a proxy or a login, whatever its status says. */
static bool is_web_page(const char *body, size_t length) {
    size_t at = 0;
    while (at < length && strchr(" \t\r\n", body[at]) != NULL && body[at] != '\0')
        at++;
    return at < length && body[at] == '<';
}

static bool says_no(const json_t *value) {
    return json_is_false(value) ||
           (json_is_string(value) && text_equal_ignoring_case(json_string_value(value), "false"));
}

/* TensorFlow Serving: {"model_version_status": [{"state": "AVAILABLE", …}]} */
static bool has_available_version(const json_t *versions) {
    size_t index = 0;
    const json_t *version = NULL;
    json_array_foreach(versions, index, version) {
        if (text_equal(json_text_at(version, "state", NULL), "AVAILABLE"))
            return true;
    }
    return false;
}

/* OpenAI: {"data": [{"id": …}]}; KServe's v1 list: {"models": [name or {"name": …}]} */
static const json_t *models_of(const json_t *document) {
    const json_t *data = json_object_get(document, "data");
    return json_is_array(data) ? data : json_object_get(document, "models");
}

static const char *name_of(const json_t *item) {
    if (json_is_string(item))
        return json_string_value(item);
    const char *id = json_text_at(item, "id", NULL);
    return id != NULL ? id : json_text_at(item, "name", NULL);
}

static bool lists_model(const json_t *document, const char *model_name) {
    const json_t *list = models_of(document);
    size_t index = 0;
    const json_t *item = NULL;
    json_array_foreach(list, index, item) {
        if (model_name[0] == '\0' || text_equal(name_of(item), model_name))
            return true;
    }
    return false;
}

static int judge_v1(enum verify_answer *out, char **trouble, const json_t *document,
                    struct error **err) {
    if (!json_is_object(document))
        return say(out, VERIFY_LATER, trouble, "answers 200 without a model's status", err);
    const json_t *versions = json_object_get(document, "model_version_status");
    if (versions != NULL && !has_available_version(versions))
        return say(out, VERIFY_LATER, trouble, "has no version of the model available", err);
    if (says_no(json_object_get(document, "ready")))
        return say(out, VERIFY_LATER, trouble, "says that the model is not ready", err);
    *out = VERIFY_ANSWERS;
    return 0;
}

enum { MOST_NAMES = 3, LONGEST_NAME = 80 };

/* "a, b and 3 more": what the server does serve. */
static char *name_models(const json_t *document, struct error **err) {
    const json_t *list = models_of(document);
    cleanup_free char *names = text_copy("", err);
    size_t index = 0;
    const json_t *item = NULL;
    json_array_foreach(list, index, item) {
        const char *name = name_of(item);
        if (names == NULL || index == MOST_NAMES)
            break;
        char *longer = text_format(err, "%s%s%.*s", names, index > 0 ? ", " : "", LONGEST_NAME,
                                   name != NULL ? name : "?");
        free(names);
        names = longer;
    }
    if (names == NULL)
        return NULL;
    text_make_printable(names);
    size_t count = json_array_size(list);
    return count > MOST_NAMES ? text_format(err, "%s and %zu more", names, count - MOST_NAMES)
                              : steal_pointer(names);
}

static int judge_list(enum verify_answer *out, char **trouble, const json_t *document,
                      const char *model_name, struct error **err) {
    if (lists_model(document, model_name)) {
        *out = VERIFY_ANSWERS;
        return 0;
    }
    if (json_array_size(models_of(document)) == 0)
        return say(out, VERIFY_LATER, trouble, "lists no model", err);
    cleanup_free char *names = name_models(document, err);
    cleanup_free char *text =
        names == NULL ? NULL
                      : text_format(err, "serves %s, and no model named %s", names, model_name);
    return text != NULL ? say(out, VERIFY_UNKNOWN, trouble, text, err) : -1;
}

static bool is_blank(const char *body, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (strchr(" \t\r\n", body[i]) == NULL || body[i] == '\0')
            return false;
    return true;
}

static int judge_status(enum verify_answer *out, char **trouble, int status, struct error **err) {
    enum verify_answer answer = VERIFY_LATER;
    if (status == 404 || status == 405 || status == 501)
        answer = VERIFY_ABSENT;
    else if (status == 401 || status == 403)
        answer = VERIFY_NEVER;
    cleanup_free char *text = text_format(err, "answers %d", status);
    return text != NULL ? say(out, answer, trouble, text, err) : -1;
}

/*
 * A server that knows v1 says so even when it does not know the model: {"error": "Could not find
 * any versions of model qwen"} (TensorFlow Serving), {"error": "Model with name qwen does not
 * exist."} (KServe's own). One that does not know the path speaks of no model: {"error": "Not
 * Found"} (Triton).
 */
static bool is_unknown_v1_model(enum verify_dialect dialect, int status, const json_t *document) {
    const char *error = json_string_value(json_object_get(document, "error"));
    return dialect == VERIFY_V1 && status == 404 && error != NULL &&
           strcasestr(error, "model") != NULL;
}

int verify_judge(enum verify_answer *out, char **trouble, enum verify_dialect dialect, int status,
                 const char *body, size_t length, const char *model_name, struct error **err) {
    cleanup_json json_t *document = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);
    if (is_unknown_v1_model(dialect, status, document))
        return say(out, VERIFY_UNKNOWN, trouble, "answers 404: it does not know the model", err);
    if (status != 200)
        return judge_status(out, trouble, status, err);
    if (is_web_page(body, length))
        return say(out, VERIFY_LATER, trouble, "answers with a web page, not as a model server",
                   err);
    const json_t *error = json_object_get(document, "error");
    if (error != NULL && !json_is_null(error))
        return say(out, VERIFY_LATER, trouble, "answers 200 with an error in it", err);
    if (dialect == VERIFY_V1)
        return judge_v1(out, trouble, document, err);
    if (dialect == VERIFY_OPENAI)
        return judge_list(out, trouble, document, model_name, err);
    /* Triton's body is empty; a proxy's default backend says "OK" to everything */
    if (!is_blank(body, length) && !json_is_object(document))
        return say(out, VERIFY_LATER, trouble, "answers, but not as a model server", err);
    if (says_no(json_object_get(document, "ready")))
        return say(out, VERIFY_LATER, trouble, "says that it is not ready", err);
    *out = VERIFY_ANSWERS;
    return 0;
}
