#include "gitlab_files_internal.h"

#include "base/text.h"

#include <string.h>

/* A name that would not fit a log line or a message is not one of a model's files. */
static bool is_usable(const char *path) {
    return !text_is_empty(path) && strlen(path) <= 1024;
}

int files_take_tree(struct model_files *files, const struct http_response *response,
                    struct error **err) {
    cleanup_json json_t *rows = NULL;
    if (gitlab_parse_json(&rows, response, "the list of files", err) < 0)
        return -1;
    if (!json_is_array(rows))
        return error_new(err, ERROR_UNREACHABLE, "GitLab's list of files is no list");
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        const char *path = json_text_at(row, "path", NULL);
        if (!text_equal(json_text_at(row, "type", NULL), "blob") || !is_usable(path) ||
            model_files_find(files, path) != NULL)
            continue;
        if (model_files_add(files, path, err) == NULL)
            return -1;
    }
    return 0;
}

bool files_next_page(const struct http_response *response, char *token, size_t size) {
    char link[4096];
    if (!http_header(response, "Link", link, sizeof(link)))
        return false;
    const char *next = strstr(link, "rel=\"next\"");
    if (next == NULL)
        return false;
    /* the URL in <> before it; only its page_token is taken, the rest of the URL is ours */
    const char *start = NULL;
    for (const char *at = strchr(link, '<'); at != NULL && at < next; at = strchr(at + 1, '<'))
        start = at;
    const char *found = start != NULL ? strstr(start, "page_token=") : NULL;
    if (found == NULL || found > next)
        return false;
    found += strlen("page_token=");
    size_t length = strcspn(found, "&>\"; ,");
    if (length == 0 || length >= size ||
        length != strspn(found, "0123456789abcdefghijklmnopqrst"
                                "uvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "-._~%+=/"))
        return false;
    memcpy(token, found, length);
    token[length] = '\0';
    return true;
}

/* ---- sizes ---- */

static const char size_query[] =
    "query($project:ID!,$ref:String!,$paths:[String!]!){project(fullPath:$project){repository{"
    "blobs(paths:$paths,ref:$ref){nodes{path rawSize lfsOid storedExternally}}}}}";

static char *dump(json_t *body, struct error **err) {
    char *text = body != NULL ? json_canonical_text(body, err) : NULL;
    if (body == NULL)
        error_no_memory(err);
    json_decref(body);
    return text;
}

char *files_size_query(const struct model *model, const struct model_file *const *files,
                       size_t count, struct error **err) {
    cleanup_json json_t *paths = json_array();
    for (size_t i = 0; i < count && paths != NULL; i++)
        if (json_array_append_new(paths, json_string(files[i]->path)) < 0) {
            error_no_memory(err);
            return NULL;
        }
    return dump(json_pack("{s:s, s:{s:s, s:s, s:O}}", "query", size_query, "variables", "project",
                          model->path, "ref", model->commit, "paths", paths),
                err);
}

/* rawSize is a BigInt, which is a string, since GitLab 15.7; a number before. */
static int64_t size_of(const json_t *node) {
    const json_t *value = json_object_get(node, "rawSize");
    int64_t size = -1;
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        return json_integer_value(value);
    if (json_is_string(value) && text_to_integer(json_string_value(value), 0, INT64_MAX, &size))
        return size;
    return -1;
}

static bool is_oid(const char *text) {
    return text != NULL && strlen(text) == 64 && text[strspn(text, "0123456789abcdef")] == '\0';
}

static void take_node(struct model_files *files, const json_t *node) {
    const char *path = json_text_at(node, "path", NULL);
    struct model_file *file = path != NULL ? model_files_find(files, path) : NULL;
    if (file == NULL)
        return;
    file->size = size_of(node);
    const char *oid = json_text_at(node, "lfsOid", NULL);
    if (!is_oid(oid))
        return;
    if (json_is_false(json_object_get(node, "storedExternally"))) {
        file->lfs_off = true;
        return;
    }
    memcpy(file->oid, oid, sizeof(file->oid));
    file->object = MODEL_OBJECT_UNKNOWN;
}

int files_take_sizes(struct model_files *files, const struct http_response *response,
                     struct error **err) {
    cleanup_json json_t *answer = NULL;
    if (gitlab_parse_json(&answer, response, "the sizes of the files", err) < 0)
        return -1;
    const char *problem =
        json_text_at(json_array_get(json_at(answer, "errors", NULL), 0), "message", NULL);
    if (problem != NULL)
        return error_new(err, ERROR_MODEL, "GitLab's GraphQL API answered: %.200s", problem);
    const json_t *nodes = json_at(answer, "data", "project", "repository", "blobs", "nodes", NULL);
    if (!json_is_array(nodes))
        return error_new(err, ERROR_MODEL,
                         "GitLab's GraphQL API does not show the repository to this token");
    size_t i;
    json_t *node;
    json_array_foreach(nodes, i, node) take_node(files, node);
    return 0;
}

void files_take_pointer(struct model_file *file, const struct http_response *response) {
    const struct buffer *body = &response->body;
    int64_t size = 0;
    char oid[65];
    file->asked = true;
    file->size = (int64_t)body->length;
    if (!model_read_pointer(oid, &size, buffer_text(body), body->length))
        return;
    memcpy(file->oid, oid, sizeof(oid));
    file->object = MODEL_OBJECT_UNKNOWN;
    file->size = size;
}

/* ---- the LFS batch ---- */

char *files_batch_body(const struct model_file *const *files, size_t count, struct error **err) {
    cleanup_json json_t *objects = json_array();
    for (size_t i = 0; i < count && objects != NULL; i++) {
        json_t *object = json_pack("{s:s, s:I}", "oid", files[i]->oid, "size",
                                   (json_int_t)(files[i]->size > 0 ? files[i]->size : 0));
        if (json_array_append_new(objects, object) < 0) {
            error_no_memory(err);
            return NULL;
        }
    }
    return dump(json_pack("{s:s, s:[s], s:O, s:s}", "operation", "download", "transfers", "basic",
                          "objects", objects, "hash_algo", "sha256"),
                err);
}

static void take_object(struct model_files *files, const json_t *object) {
    const char *oid = json_text_at(object, "oid", NULL);
    if (oid == NULL)
        return;
    json_int_t code = json_integer_at(object, 0, "error", "code", NULL);
    bool there = json_is_object(json_at(object, "actions", "download", NULL));
    bool gone = code == 404 || code == 410;
    for (size_t i = 0; i < files->count; i++) {
        struct model_file *file = &files->items[i];
        if (file->object == MODEL_OBJECT_UNKNOWN && strcmp(file->oid, oid) == 0)
            file->object = there  ? MODEL_OBJECT_PRESENT
                           : gone ? MODEL_OBJECT_MISSING
                                  : MODEL_OBJECT_UNKNOWN;
    }
}

int files_take_batch(struct model_files *files, const struct http_response *response,
                     struct error **err) {
    cleanup_json json_t *answer = NULL;
    if (gitlab_parse_json(&answer, response, "the objects of Git LFS", err) < 0)
        return -1;
    const json_t *objects = json_at(answer, "objects", NULL);
    if (!json_is_array(objects))
        return error_new(err, ERROR_UNREACHABLE, "the answer of Git LFS has no objects");
    size_t i;
    json_t *object;
    json_array_foreach(objects, i, object) take_object(files, object);
    return 0;
}
