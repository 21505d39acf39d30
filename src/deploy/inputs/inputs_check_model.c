#include "inputs_check.h"

#include "base/text.h"
#include "model/project_path.h"
#include "net/url.h"

#include <string.h>

/* An error of another layer as a problem of PARAMETER. */
static int add_error(struct problems *problems, const char *parameter, const struct error *error,
                     struct error **err) {
    if (error->kind == ERROR_INTERNAL)
        return error_no_memory(err);
    return problems_add(problems, err, true, parameter, error->hint, "%s", error->message);
}

static int check_repository(const struct inputs *inputs, struct problems *problems,
                            struct error **err) {
    bool elsewhere = inputs->storage_uri[0] != '\0' || inputs->model_git_url[0] != '\0' ||
                     inputs->model_dir[0] != '\0';
    if (inputs->model_repo[0] == '\0' && elsewhere)
        return 0;
    if (inputs->model_repo[0] == '\0')
        return problems_add_missing(
            problems, err, "MODEL_REPO",
            "name a repository (\"repo\", \"group/repo\" or a full path), or deploy a "
            "STORAGE_URI",
            "MODEL_REPO is not set");
    /* any legal namespace does: only the form of MODEL_REPO is judged here */
    cleanup_strings struct strings paths = {.items = NULL};
    cleanup_error struct error *error = NULL;
    if (project_path_candidates(&paths, inputs->model_repo, "namespace", &error) < 0)
        return add_error(problems, "MODEL_REPO", error, err);
    return 0;
}

static int check_sources(const struct inputs *inputs, struct problems *problems,
                         struct error **err) {
    const struct {
        const char *parameter;
        const char *value;
    } sources[] = {
        {"STORAGE_URI", inputs->storage_uri},
        {"MODEL_GIT_URL", inputs->model_git_url},
        {"MODEL_DIR", inputs->model_dir},
    };
    const char *first = NULL;
    for (size_t i = 0; i < array_length(sources); i++) {
        if (sources[i].value[0] == '\0')
            continue;
        if (first == NULL)
            first = sources[i].parameter;
        else if (problems_add(problems, err, true, sources[i].parameter, "keep one of them",
                              "%s is set, and %s too: they exclude each other", first,
                              sources[i].parameter) < 0)
            return -1;
    }
    return 0;
}

/* The rules of git check-ref-format(1) for what follows refs/heads/ or refs/tags/. */
static bool is_ref_name(const char *name) {
    size_t length = strlen(name);
    if (name[0] == '/' || name[0] == '-' || name[length - 1] == '/' || name[length - 1] == '.')
        return false;
    if (strstr(name, "..") != NULL || strstr(name, "//") != NULL || strstr(name, "@{") != NULL ||
        strstr(name, "/.") != NULL || name[0] == '.' || strcmp(name, "@") == 0)
        return false;
    if (text_has_suffix(name, ".lock") || strstr(name, ".lock/") != NULL)
        return false;
    for (const char *at = name; *at != '\0'; at++)
        if ((unsigned char)*at <= 0x20 || *at == 0x7f || strchr("~^:?*[\\", *at) != NULL)
            return false;
    return true;
}

/* Git events carry whole ref names; the typed endpoints want what stands behind the type. */
static int check_ref(char **field, const char *parameter, const char *prefix,
                     struct problems *problems, struct error **err) {
    if ((*field)[0] == '\0')
        return 0;
    if (text_has_prefix(*field, prefix)) {
        cleanup_free char *rest = text_copy(*field + strlen(prefix), err);
        if (rest == NULL || inputs_replace(field, rest, err) < 0)
            return -1;
        if (rest[0] == '\0')
            return problems_add(problems, err, true, parameter, NULL,
                                "%s is \"%s\" without a name behind it", parameter, prefix);
    }
    if (is_ref_name(*field))
        return 0;
    return problems_add(problems, err, true, parameter, NULL,
                        "%s \"%.200s\" is no name that Git allows (git check-ref-format)",
                        parameter, *field);
}

static int check_commit(const struct inputs *inputs, struct problems *problems,
                        struct error **err) {
    const char *commit = inputs->commit;
    if (commit[0] == '\0')
        return 0;
    size_t length = strlen(commit);
    bool hexadecimal = commit[strspn(commit, "0123456789abcdefABCDEF")] == '\0';
    if (hexadecimal && ((length >= 7 && length <= 40) || length == 64))
        return 0;
    return problems_add(
        problems, err, true, "MODEL_REPO_COMMIT",
        "branches and tags have parameters of their own: MODEL_REPO_BRANCH, "
        "MODEL_REPO_TAG",
        "MODEL_REPO_COMMIT \"%.100s\" must have 40 (or 64) hexadecimal digits, or at "
        "least the first 7",
        commit);
}

static int check_refs(struct inputs *inputs, struct problems *problems, struct error **err) {
    if (check_ref(&inputs->branch, "MODEL_REPO_BRANCH", "refs/heads/", problems, err) < 0 ||
        check_ref(&inputs->tag, "MODEL_REPO_TAG", "refs/tags/", problems, err) < 0 ||
        check_commit(inputs, problems, err) < 0)
        return -1;
    if (inputs->branch[0] != '\0' && inputs->tag[0] != '\0' &&
        problems_add(
            problems, err, true, "MODEL_REPO_TAG", "empty one of them",
            "MODEL_REPO_BRANCH is \"%.100s\" and MODEL_REPO_TAG is \"%.100s\": they cannot be "
            "set at the same time",
            inputs->branch, inputs->tag) < 0)
        return -1;
    const char *given = inputs->branch[0] != '\0'   ? "MODEL_REPO_BRANCH"
                        : inputs->tag[0] != '\0'    ? "MODEL_REPO_TAG"
                        : inputs->commit[0] != '\0' ? "MODEL_REPO_COMMIT"
                                                    : NULL;
    if (inputs->model_dir[0] != '\0' && given != NULL &&
        problems_add(problems, err, true, given, "leave one of them out",
                     "%s is set, and MODEL_DIR too: the commit is that of the clone", given) < 0)
        return -1;
    bool any = inputs->branch[0] != '\0' || inputs->tag[0] != '\0' || inputs->commit[0] != '\0';
    if (inputs->storage_uri[0] == '\0' || !any)
        return 0;
    return problems_add(problems, err, false, "STORAGE_URI", NULL,
                        "STORAGE_URI says what is deployed: branch, tag and commit are not used");
}

int inputs_check_overrides(const struct inputs *inputs, struct problems *problems,
                           const char *without, struct error **err) {
    const struct {
        const char *parameter;
        const char *value;
    } needed[] = {{"PIPELINE_TAG", inputs->pipeline_tag}, {"LIBRARY_NAME", inputs->library_name}};
    for (size_t i = 0; i < array_length(needed); i++)
        if (needed[i].value[0] == '\0' && !problems->skip_missing &&
            problems_add(problems, err, true, needed[i].parameter,
                         "for example PIPELINE_TAG=text-generation LIBRARY_NAME=transformers",
                         "%s is not set: with %s no README is read that could tell it",
                         needed[i].parameter, without) < 0)
            return -1;
    return 0;
}

static int check_storage_uri(const struct inputs *inputs, struct problems *problems,
                             struct error **err) {
    const char *uri = inputs->storage_uri;
    if (uri[0] == '\0')
        return 0;
    const char *separator = strstr(uri, "://");
    bool plain = true;
    for (const char *at = uri; *at != '\0'; at++)
        plain = plain && (unsigned char)*at > 0x20 && *at != 0x7f;
    if ((separator == NULL || separator == uri || !plain) &&
        problems_add(problems, err, true, "STORAGE_URI",
                     "for example hf://owner/model:revision, s3://bucket/path, pvc://claim/path, "
                     "oci://registry/image:tag",
                     "STORAGE_URI \"%.200s\" is no URI with a scheme and without blanks", uri) < 0)
        return -1;
    return inputs_check_overrides(inputs, problems, "STORAGE_URI", err);
}

/*
 * What Git takes and we do not, in words that say what to write: "git@host:path", ssh:// and the
 * path of a clone. *REFUSED tells whether it was one of them.
 */
static int check_git_transport(const char *parameter, const char *text, bool *refused,
                               struct problems *problems, struct error **err) {
    *refused = true;
    if (text[0] == '/' || text[0] == '.' || text_has_prefix(text, "file:"))
        return problems_add(problems, err, true, parameter, "a clone on this machine is MODEL_DIR",
                            "%s is no address of a Git server", parameter);
    const char *at = strchr(text, '@');
    const char *colon = at != NULL ? strchr(at, ':') : NULL;
    bool full = strstr(text, "://") != NULL;
    if (full ? !text_has_prefix(text, "ssh://") : colon == NULL) {
        *refused = false;
        return 0;
    }
    cleanup_free char *hint = full ? text_copy("use the https:// address of the repository", err)
                                   : text_format(err, "use https://%.*s/%s", (int)(colon - at - 1),
                                                 at + 1, colon + (colon[1] == '/' ? 2 : 1));
    if (hint == NULL)
        return -1;
    return problems_add(problems, err, true, parameter, hint,
                        "%s is an address for SSH: Git is asked over HTTPS", parameter);
}

/* GITLAB_BASE_URL may be host[:port], as the platform's ConfigMap has it. */
static int check_url(const char *parameter, const char *text, bool host_only,
                     struct problems *problems, struct error **err) {
    if (text[0] == '\0')
        return 0;
    cleanup_free char *absolute = NULL;
    if (host_only && strstr(text, "://") == NULL) {
        absolute = text_format(err, "https://%s", text);
        if (absolute == NULL)
            return -1;
    }
    bool refused = false;
    if (!host_only && check_git_transport(parameter, text, &refused, problems, err) < 0)
        return -1;
    if (refused)
        return 0;
    cleanup_url struct url url = {0};
    cleanup_error struct error *error = NULL;
    if (url_parse(&url, absolute != NULL ? absolute : text, parameter, ERROR_PARAMETER, &error) < 0)
        return add_error(problems, parameter, error, err);
    if (url.has_credentials)
        return problems_add(problems, err, true, parameter,
                            "give the token as GITLAB_TOKEN or GITLAB_TOKEN_FILE",
                            "%s carries a user name or password: it would end up in logs and "
                            "annotations",
                            parameter);
    if (strcmp(url.scheme, "http") == 0)
        return problems_add(
            problems, err, false, parameter, "use https",
            "%s is an http address: an access token would cross the network in clear", parameter);
    return 0;
}

/* What follows takes a URL, not a host alone. */
static int complete_base_url(struct inputs *inputs, struct error **err) {
    const char *text = inputs->gitlab_base_url;
    if (text[0] == '\0' || strstr(text, "://") != NULL)
        return 0;
    cleanup_free char *absolute = text_format(err, "https://%s", text);
    return absolute != NULL ? inputs_replace(&inputs->gitlab_base_url, absolute, err) : -1;
}

int inputs_check_model(struct inputs *inputs, struct problems *problems, struct error **err) {
    if (check_repository(inputs, problems, err) < 0 || check_sources(inputs, problems, err) < 0)
        return -1;
    if (check_refs(inputs, problems, err) < 0 || check_storage_uri(inputs, problems, err) < 0)
        return -1;
    if (check_url("GITLAB_BASE_URL", inputs->gitlab_base_url, true, problems, err) < 0)
        return -1;
    if (complete_base_url(inputs, err) < 0)
        return -1;
    return check_url("MODEL_GIT_URL", inputs->model_git_url, false, problems, err);
}
