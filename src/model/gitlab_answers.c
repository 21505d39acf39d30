#include "gitlab_internal.h"

#include "base/base64.h"
#include "base/text.h"
#include "model/git.h"
#include "model/project_path.h"
#include "net/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_README = 10 * 1024 * 1024 };

/* ---- what an answer means ---- */

/* The digits behind "/projects/" in a Location, when nothing but a query or a further path follows.
 */
static bool moved_to(const struct http_response *response, char id[24]) {
    char location[2048];
    if (!http_header(response, "Location", location, sizeof(location)))
        return false;
    const char *at = strstr(location, "/projects/");
    if (at == NULL)
        return false;
    at += strlen("/projects/");
    size_t digits = strspn(at, "0123456789");
    bool ends = at[digits] == '\0' || at[digits] == '?' || at[digits] == '/' || at[digits] == '#';
    if (digits == 0 || digits > 18 || !ends)
        return false;
    memcpy(id, at, digits);
    id[digits] = '\0';
    return true;
}

/* {"message": ...} comes from an endpoint, {"error": "404 Not Found"} from the router. Source:
 * lib/api/api.rb */
static enum gitlab_found classify_404(const struct http_response *response) {
    if (response->body.length > GITLAB_REF_LIMIT)
        return GITLAB_NO_API;
    cleanup_json json_t *answer =
        json_loadb(buffer_text(&response->body), response->body.length, 0, NULL);
    if (json_at(answer, "message", NULL) != NULL)
        return GITLAB_MISSING;
    return json_text_at(answer, "error", NULL) != NULL ? GITLAB_UNROUTED : GITLAB_NO_API;
}

bool gitlab_is_own_404(const struct http_response *response) {
    return response->status == 404 && classify_404(response) == GITLAB_MISSING;
}

enum gitlab_found gitlab_classify(const struct http_response *response, char moved_id[24]) {
    switch (response->status) {
    case 200:
        return GITLAB_FOUND;
    case 301:
    case 302:
    case 307:
    case 308:
        return moved_to(response, moved_id) ? GITLAB_MOVED : GITLAB_FAILED;
    case 401:
    case 403:
        return GITLAB_DENIED;
    case 404:
        return classify_404(response);
    default:
        return GITLAB_FAILED;
    }
}

/* ---- JSON ---- */

static int not_gitlab(const struct http_response *response, const char *what, const char *problem,
                      struct error **err) {
    char request_id[128];
    gitlab_request_id(response, request_id, sizeof(request_id));
    cleanup_free char *text = gitlab_answer_text(response, err);
    if (text == NULL)
        return -1;
    bool page = text_has_prefix(text, "an HTML page");
    error_new(err, ERROR_UNREACHABLE, "%s: %s%s%s", what, problem, page ? ": " : "",
              page ? text : "");
    if (err != NULL && *err != NULL && request_id[0] != '\0') {
        /* The id belongs behind the message. */
        char *longer = text_format(NULL, "%s%s", (*err)->message, request_id);
        if (longer != NULL) {
            free((*err)->message);
            (*err)->message = longer;
        }
    }
    error_set_answer(err, response->status, NULL);
    return error_hint(
        err, "Check that GITLAB_BASE_URL (or MODEL_REPO_GIT_BASE in the ConfigMap "
             "aml-image-builder-config) is the address of GitLab itself, without a sign-in "
             "page or another service before it.");
}

int gitlab_parse_json(json_t **out, const struct http_response *response, const char *what,
                      struct error **err) {
    json_error_t problem = {0};
    const char *body = buffer_text(&response->body);
    json_t *value = json_loadb(body, response->body.length, JSON_REJECT_DUPLICATES, &problem);
    if (value != NULL) {
        *out = value;
        return 0;
    }
    if (json_error_code(&problem) == json_error_out_of_memory)
        return error_no_memory(err);
    return not_gitlab(response, what, "the answer is no JSON that GitLab would send", err);
}

static char *text_of(const json_t *value, const char *key, struct error **err) {
    const char *text = json_text_at(value, key, NULL);
    return text_copy(text != NULL ? text : "", err);
}

/* The URL without credentials, query and fragment; "" when it is none. */
static char *url_of(const json_t *value, const char *key, struct error **err) {
    const char *text = json_text_at(value, key, NULL);
    cleanup_url struct url url = {0};
    cleanup_error struct error *ignored = NULL;
    if (text == NULL || url_parse(&url, text, key, ERROR_UNREACHABLE, &ignored) < 0)
        return text_copy("", err);
    return url_base(&url, err);
}

/* The file name in ".../-/blob/main/README.MD". */
static char *readme_name_of(const json_t *value, struct error **err) {
    const char *url = json_text_at(value, "readme_url", NULL);
    const char *slash = url != NULL ? strrchr(url, '/') : NULL;
    const char *name = slash != NULL && strstr(url, "/blob/") != NULL ? slash + 1 : "";
    bool plain = strlen(name) <= 100;
    for (const char *at = name; *at != '\0' && plain; at++)
        plain = isalnum((unsigned char)*at) || strchr("._-+%", *at) != NULL;
    return text_copy(plain ? name : "", err);
}

static enum model_lfs lfs_of(const json_t *project) {
    const json_t *enabled = json_at(project, "lfs_enabled", NULL);
    if (!json_is_boolean(enabled))
        return MODEL_LFS_UNKNOWN;
    return json_is_true(enabled) ? MODEL_LFS_ON : MODEL_LFS_OFF;
}

static int fill_project(struct gitlab_project *project, const json_t *value, struct error **err) {
    project->id = text_format(err, "%lld", (long long)json_integer_at(value, 0, "id", NULL));
    project->path = text_of(value, "path_with_namespace", err);
    project->default_branch = text_of(value, "default_branch", err);
    project->git_url = url_of(value, "http_url_to_repo", err);
    project->web_url = url_of(value, "web_url", err);
    project->readme_name = readme_name_of(value, err);
    project->empty = json_is_true_at(value, "empty_repo", NULL);
    project->lfs = lfs_of(value);
    project->archived = json_is_true_at(value, "archived", NULL);
    project->marked_for_deletion = json_is_string(json_at(value, "marked_for_deletion_on", NULL)) ||
                                   json_is_string(json_at(value, "marked_for_deletion_at", NULL));
    bool complete = project->id != NULL && project->path != NULL &&
                    project->default_branch != NULL && project->git_url != NULL &&
                    project->web_url != NULL && project->readme_name != NULL;
    return complete ? 0 : -1;
}

int gitlab_parse_project(struct gitlab_project *out, const struct http_response *response,
                         const char *what, struct error **err) {
    cleanup_json json_t *value = NULL;
    if (gitlab_parse_json(&value, response, what, err) < 0)
        return -1;
    const char *path = json_text_at(value, "path_with_namespace", NULL);
    if (json_integer_at(value, 0, "id", NULL) <= 0 || !project_path_is_valid(path))
        return not_gitlab(response, what, "the answer describes no GitLab project", err);
    cleanup_gitlab_project struct gitlab_project project = {0};
    if (fill_project(&project, value, err) < 0)
        return -1;
    *out = project;
    project = (struct gitlab_project){0};
    return 0;
}

void gitlab_project_free(struct gitlab_project *project) {
    if (project == NULL)
        return;
    free(project->id);
    free(project->path);
    free(project->default_branch);
    free(project->git_url);
    free(project->web_url);
    free(project->readme_name);
    *project = (struct gitlab_project){0};
}

/* ---- refs ---- */

/* The commit of a branch or tag is in "commit": a tag's "target" may be the tag object. */
static const char *commit_of(const json_t *value, enum gitlab_ref kind) {
    return kind == GITLAB_DEFAULT || kind == GITLAB_COMMIT
               ? json_text_at(value, "id", NULL)
               : json_text_at(value, "commit", "id", NULL);
}

static const json_t *find_named(const json_t *list, const char *name) {
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        if (text_equal(json_text_at(item, "name", NULL), name))
            return item;
    }
    return NULL;
}

int gitlab_parse_ref(char **out, const struct http_response *response, enum gitlab_ref kind,
                     const char *name, const char *what, struct error **err) {
    cleanup_json json_t *value = NULL;
    if (gitlab_parse_json(&value, response, what, err) < 0)
        return -1;
    const json_t *found = json_is_array(value) ? find_named(value, name) : value;
    if (found == NULL) {
        *out = NULL;
        return 0;
    }
    const char *commit = commit_of(found, kind);
    if (!model_is_commit(commit))
        return not_gitlab(response, what, "the answer names no commit", err);
    char *copy = text_copy(commit, err);
    if (copy == NULL)
        return -1;
    *out = copy;
    return 0;
}

/* ---- README.md ---- */

struct text_span {
    size_t start;
    size_t length;
};

/* Moves *AT behind the JSON string that starts there; false when it does not end. PLAIN: no
 * escapes. */
static bool scan_string(const char *body, size_t length, size_t *at, struct text_span *span,
                        bool *plain) {
    size_t i = *at + 1;
    *plain = true;
    for (; i < length && body[i] != '"'; i++) {
        if (body[i] == '\\') {
            *plain = false;
            i++;
        }
    }
    if (i >= length)
        return false;
    *span = (struct text_span){*at + 1, i - *at - 1};
    *at = i + 1;
    return true;
}

static size_t skip_blanks(const char *body, size_t length, size_t at) {
    while (at < length && strchr(" \t\r\n", body[at]) != NULL && body[at] != '\0')
        at++;
    return at;
}

/* Finds the value of the top-level key "content" when it is a string without escapes. */
static bool find_content(const char *body, size_t length, struct text_span *content) {
    size_t at = skip_blanks(body, length, 0);
    if (at >= length || body[at] != '{')
        return false;
    int depth = 0;
    while (at < length) {
        char character = body[at];
        if (character == '{' || character == '[')
            depth++;
        else if (character == '}' || character == ']')
            depth--;
        if (character != '"') {
            at++;
            continue;
        }
        struct text_span key;
        bool plain;
        if (!scan_string(body, length, &at, &key, &plain))
            return false;
        size_t colon = skip_blanks(body, length, at);
        bool wanted = depth == 1 && key.length == 7 &&
                      memcmp(body + key.start, "content", 7) == 0 && colon < length &&
                      body[colon] == ':';
        if (!wanted)
            continue;
        at = skip_blanks(body, length, colon + 1);
        return at < length && body[at] == '"' && scan_string(body, length, &at, content, &plain) &&
               plain;
    }
    return false;
}

static int decode(struct buffer *out, const char *text, size_t length, const char *what,
                  struct error **err) {
    if (length / 4 * 3 > out->limit + 2) {
        error_new(err, ERROR_MODEL, "%s is larger than 10 MiB", what);
        return error_hint(err, "Set PIPELINE_TAG and LIBRARY_NAME: the file is then not read.");
    }
    return base64_decode(out, text, length, what, ERROR_UNREACHABLE, err);
}

/* Decodes "content" into OUT and cuts it out of the body. 1: done, 0: not in a form to cut. */
static int cut_content(struct buffer *out, struct buffer *body, const char *what,
                       struct error **err) {
    struct text_span span;
    if (body->data == NULL || !find_content(body->data, body->length, &span))
        return 0;
    if (decode(out, body->data + span.start, span.length, what, err) < 0)
        return -1;
    size_t rest = body->length - span.start - span.length;
    memmove(body->data + span.start, body->data + span.start + span.length, rest + 1);
    body->length -= span.length;
    return 1;
}

static int check_content(const struct buffer *content, const json_t *value,
                         const struct http_response *response, const char *what,
                         struct error **err) {
    json_int_t size = json_integer_at(value, -1, "size", NULL);
    if (size >= 0 && (size_t)size != content->length)
        return not_gitlab(response, what, "README.md arrived in another size than announced", err);
    const char *blob = json_text_at(value, "blob_id", NULL);
    if (blob == NULL || strlen(blob) != 40)
        return 0; /* a repository with SHA-256 ids: size and base64 have to do */
    char id[GIT_OBJECT_ID_SIZE];
    git_hash_blob(id, content->length > 0 ? content->data : "", content->length);
    if (strcmp(id, blob) != 0)
        return not_gitlab(response, what, "README.md arrived damaged (its blob id does not fit)",
                          err);
    return 0;
}

static int decode_text(struct buffer *out, const json_t *value,
                       const struct http_response *response, const char *what, struct error **err) {
    const char *content = json_text_at(value, "content", NULL);
    if (content == NULL)
        return not_gitlab(response, what, "the answer has no file content", err);
    return decode(out, content, strlen(content), what, err);
}

int gitlab_parse_file(struct gitlab_file *out, struct http_response *response, const char *what,
                      struct error **err) {
    cleanup_gitlab_file struct gitlab_file file = {.content = BUFFER_INIT(LONGEST_README)};
    int cut = cut_content(&file.content, &response->body, what, err);
    if (cut < 0)
        return -1;
    cleanup_json json_t *value = NULL;
    if (gitlab_parse_json(&value, response, what, err) < 0)
        return -1;
    buffer_free(&response->body);
    const char *encoding = json_text_at(value, "encoding", NULL);
    if (!json_is_object(value) || (encoding != NULL && strcmp(encoding, "base64") != 0))
        return not_gitlab(response, what, "the answer is no file in base64", err);
    if (cut == 0 && decode_text(&file.content, value, response, what, err) < 0)
        return -1;
    if (check_content(&file.content, value, response, what, err) < 0)
        return -1;
    const char *commit = json_text_at(value, "commit_id", NULL);
    file.commit = text_copy(model_is_commit(commit) ? commit : "", err);
    if (file.commit == NULL)
        return -1;
    *out = file;
    memset(&file, 0, sizeof(file));
    return 0;
}

void gitlab_file_free(struct gitlab_file *file) {
    if (file == NULL)
        return;
    buffer_free(&file->content);
    free(file->commit);
    file->commit = NULL;
}
