#include "model/uri.h"

#include "base/text.h"
#include "model/project_path.h"
#include "model_internal.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST_URI = 2048 };

static int refuse(struct error **err, const char *problem) {
    error_new(err, ERROR_PARAMETER, "STORAGE_URI %s", problem);
    return error_hint(err, "Examples: oci://registry/models/qwen:1.0, s3://bucket/qwen, "
                           "pvc://claim/qwen, hf://owner/name:revision.");
}

/* Length of the scheme (RFC 3986 3.1), or 0. */
static size_t scheme_length(const char *uri) {
    if (!isalpha((unsigned char)uri[0]))
        return 0;
    size_t length = 1;
    while (isalnum((unsigned char)uri[length]) ||
           (uri[length] != '\0' && strchr("+-.", uri[length])))
        length++;
    return strncmp(uri + length, "://", 3) == 0 ? length : 0;
}

static int check_text(const char *uri, struct error **err) {
    size_t length = strlen(uri);
    if (length > LONGEST_URI)
        return refuse(err, "is longer than 2048 characters");
    if (!text_is_utf8(uri, length))
        return refuse(err, "is not UTF-8");
    for (const char *at = uri; *at != '\0'; at++)
        if ((unsigned char)*at <= 0x20 || *at == 0x7f)
            return refuse(err, "has a blank or a control character in it");
    size_t scheme = scheme_length(uri);
    if (scheme == 0)
        return refuse(err, "does not begin with a scheme such as oci://");
    const char *rest = uri + scheme + 3;
    if (rest[strspn(rest, "/")] == '\0')
        return refuse(err, "names nothing behind the scheme");
    const char *at = memchr(rest, '@', strcspn(rest, "/?#"));
    bool web = text_has_prefix(uri, "http");
    if (web && at != NULL)
        return refuse(err, "has a user name or password in it: everyone who may read the "
                           "InferenceService could read it");
    return 0;
}

static int check_request(const struct model_request *request, struct error **err) {
    if (!text_is_empty(request->branch) || !text_is_empty(request->tag) ||
        !text_is_empty(request->commit))
        return error_new(err, ERROR_PARAMETER,
                         "STORAGE_URI excludes MODEL_REPO_BRANCH, MODEL_REPO_TAG and "
                         "MODEL_REPO_COMMIT: no repository is asked");
    if (model_needs_card(request)) {
        error_new(err, ERROR_PARAMETER,
                  "STORAGE_URI needs PIPELINE_TAG and LIBRARY_NAME: no README.md "
                  "is read");
        return error_hint(err,
                          "For example PIPELINE_TAG=text-generation LIBRARY_NAME=transformers.");
    }
    return 0;
}

static int add_warnings(struct model *model, const char *uri, struct error **err) {
    static const char *const known[] = {"hf",   "s3",    "gs",   "oci",     "pvc",
                                        "http", "https", "hdfs", "webhdfs", "file"};
    size_t length = scheme_length(uri);
    bool found = false;
    for (size_t i = 0; i < array_length(known); i++)
        found |= strlen(known[i]) == length && strncasecmp(known[i], uri, length) == 0;
    if (!found && strings_add_format(&model->warnings, err,
                                     "STORAGE_URI: KServe knows %.*s:// only from a "
                                     "ClusterStorageContainer of this cluster",
                                     (int)length, uri) < 0)
        return -1;
    if (strchr(uri, '?') != NULL &&
        strings_add(
            &model->warnings,
            "STORAGE_URI has a query: a signature in it can be read by everyone who may read the "
            "InferenceService",
            err) < 0)
        return -1;
    return 0;
}

/* hf://owner/name[:revision], as KServe splits it. */
static int take_hub(struct model *model, const char *rest, struct error **err) {
    size_t length = strcspn(rest, ":");
    const char *revision = rest[length] == ':' ? rest + length + 1 : "";
    cleanup_free char *path = text_copy_bytes(rest, length, err);
    if (path == NULL)
        return -1;
    const char *slash = strchr(path, '/');
    bool two = slash != NULL && slash != path && slash[1] != '\0' && strchr(slash + 1, '/') == NULL;
    if (!two)
        return refuse(err, "is not of the form hf://owner/name[:revision]");
    if (rest[length] == ':' && (revision[0] == '\0' || strpbrk(revision, "/:") != NULL))
        return refuse(err, "has a revision that KServe cannot read: a commit id always works");
    if (model_is_commit(revision) && model_set(&model->commit, revision, err) < 0)
        return -1;
    return model_split_path(model, path, err);
}

/* The last part, without what names a version: "oci://registry:5000/models/qwen:1.0" -> "qwen". */
static int take_last_part(struct model *model, const char *uri, const char *rest,
                          struct error **err) {
    size_t end = strcspn(rest, "?#");
    while (end > 0 && rest[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && rest[start - 1] != '/')
        start--;
    size_t length = end - start;
    if (text_has_prefix(uri, "oci://") && start > 0) {
        const char *mark = memchr(rest + start, '@', length);
        if (mark != NULL)
            length = (size_t)(mark - rest) - start;
        mark = memchr(rest + start, ':', length);
        if (mark != NULL)
            length = (size_t)(mark - rest) - start;
    }
    cleanup_free char *name = text_copy_bytes(rest + start, length, err);
    if (name == NULL)
        return -1;
    return model_split_path(model, name, err);
}

/* MODEL_REPO as it is given: no repository has to be found. */
static int take_repository(struct model *model, const char *repository, struct error **err) {
    cleanup_strings struct strings candidates = {0};
    if (project_path_candidates(&candidates, repository, "-", err) < 0)
        return -1;
    const char *path = candidates.items[candidates.count - 1];
    return model_split_path(
        model, text_has_prefix(path, "-/amlmodels/") ? strrchr(path, '/') + 1 : path, err);
}

static int take_path(struct model *model, const struct model_request *request, const char *uri,
                     struct error **err) {
    const char *rest = uri + scheme_length(uri) + 3;
    bool hub = strncasecmp(uri, "hf://", 5) == 0;
    if (hub && take_hub(model, rest, err) < 0)
        return -1;
    if (!text_is_empty(request->repository))
        return take_repository(model, request->repository, err);
    return hub ? 0 : take_last_part(model, uri, rest, err);
}

int uri_resolve(struct model *out, const struct model_request *request, const char *storage_uri,
                struct error **err) {
    cleanup_model struct model model = {0};
    if (check_text(storage_uri, err) < 0 || check_request(request, err) < 0 ||
        model_init(&model, err) < 0 || take_path(&model, request, storage_uri, err) < 0 ||
        model_take_overrides(&model, request, err) < 0 ||
        model_set(&model.storage_uri, storage_uri, err) < 0 ||
        add_warnings(&model, storage_uri, err) < 0)
        return -1;
    *out = model;
    model = (struct model){0};
    return 0;
}
