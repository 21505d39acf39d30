#include "gitlab_internal.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

enum { MOST_NAMES = 100 };

/* The texts at KEY of each element, borrowed from LIST. */
static size_t collect(const char *names[MOST_NAMES], const json_t *list, const char *key) {
    size_t count = 0;
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        const char *name = json_text_at(item, key, NULL);
        if (name != NULL && count < MOST_NAMES)
            names[count++] = name;
    }
    return count;
}

/* A successful answer as JSON, else NULL: a suggestion is never worth an error. */
static json_t *list_of(const struct http_result *result) {
    if (result->error != NULL || result->response.status != 200)
        return NULL;
    return json_loadb(buffer_text(&result->response.body), result->response.body.length, 0, NULL);
}

/* Sets the hint with a text that a peer had a hand in. */
static void set_hint(struct error **err, const char *before, const char *name, const char *after) {
    char text[400];
    snprintf(text, sizeof(text), "%s", name);
    text_make_printable(text);
    if (strlen(text) <= 300)
        error_hint(err, "%s'%s'%s", before, text, after);
}

/* ---- refs ---- */

struct ref_words {
    const char *noun;
    const char *parameter;
    const char *list;
    enum gitlab_ref other;
    const char *other_noun;
    const char *other_parameter;
};

static const struct ref_words branch_words = {
    .noun = "branch",
    .parameter = "MODEL_REPO_BRANCH",
    .list = "branches",
    .other = GITLAB_TAG,
    .other_noun = "tag",
    .other_parameter = "MODEL_REPO_TAG",
};

static const struct ref_words tag_words = {
    .noun = "tag",
    .parameter = "MODEL_REPO_TAG",
    .list = "tags",
    .other = GITLAB_BRANCH,
    .other_noun = "branch",
    .other_parameter = "MODEL_REPO_BRANCH",
};

static void suggest_ref(const struct ref_words *words, const char *name,
                        const struct http_result results[2], struct error **err) {
    cleanup_json json_t *other = list_of(&results[1]);
    cleanup_json json_t *list = list_of(&results[0]);
    bool other_exists = json_is_object(other);
    size_t i;
    json_t *item;
    json_array_foreach(other, i, item) {
        other_exists |= text_equal(json_text_at(item, "name", NULL), name);
    }
    if (other_exists) {
        error_hint(err, "It is a %s: set %s instead of %s.", words->other_noun,
                   words->other_parameter, words->parameter);
        return;
    }
    const char *names[MOST_NAMES];
    size_t count = collect(names, list, "name");
    const char *nearest = text_nearest(name, names, count);
    if (nearest != NULL)
        set_hint(err, "Did you mean ", nearest, "?");
    else if (count == 1)
        set_hint(err, "The only one is ", names[0], ".");
    else if (json_is_array(list) && count == 0)
        error_hint(err, "The repository has no %s.", words->noun);
}

int gitlab_ref_missing(const struct gitlab *gitlab, const char *key, const char *path,
                       struct error **err) {
    const char *name = gitlab->wish.name;
    const struct ref_words *words = gitlab->wish.kind == GITLAB_TAG ? &tag_words : &branch_words;
    struct http_result results[2] = {0};
    cleanup_error struct error *ignored = NULL;
    struct gitlab_get gets[2] = {
        {gitlab_list_url(gitlab, key, words->list, "", &ignored), GITLAB_LIST_LIMIT},
        {gitlab_ref_url(gitlab, key, words->other, name, &ignored), GITLAB_LIST_LIMIT},
    };
    int sent = gitlab_send(gitlab, gets, 2, results, &ignored);
    error_new(err, ERROR_MODEL, "project %s has no %s '%s'", path, words->noun, name);
    error_set_answer(err, 404, NULL);
    if (sent == 0)
        suggest_ref(words, name, results, err);
    http_result_free(&results[0]);
    http_result_free(&results[1]);
    return -1;
}

/* ---- projects ---- */

/* Another project with that last part as path or display name. */
static const char *same_name(const json_t *list, const char *name) {
    size_t i;
    json_t *row;
    json_array_foreach(list, i, row) {
        const char *full = json_text_at(row, "path_with_namespace", NULL);
        bool alike = text_equal_ignoring_case(json_text_at(row, "path", NULL), name) ||
                     text_equal_ignoring_case(json_text_at(row, "name", NULL), name);
        if (alike && full != NULL)
            return full;
    }
    return NULL;
}

/* The project of the group whose last part is nearest to NAME. */
static const char *nearest_path(const json_t *list, const char *group, const char *name) {
    const char *paths[MOST_NAMES];
    const char *names[MOST_NAMES];
    size_t count = 0;
    size_t all = collect(paths, list, "path_with_namespace");
    size_t length = strlen(group);
    for (size_t i = 0; i < all; i++) {
        bool beside = strncasecmp(paths[i], group, length) == 0 && paths[i][length] == '/' &&
                      strchr(paths[i] + length + 1, '/') == NULL;
        if (beside) {
            paths[count] = paths[i];
            names[count++] = paths[i] + length + 1;
        }
    }
    const char *nearest = text_nearest(name, names, count);
    for (size_t i = 0; i < count && nearest != NULL; i++)
        if (names[i] == nearest)
            return paths[i];
    return NULL;
}

/* One batch: what is called so elsewhere, and what else is in the group. */
static void suggest_project(const struct gitlab *gitlab, const char *path, struct error **err) {
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    cleanup_error struct error *ignored = NULL;
    cleanup_free char *group =
        text_copy_bytes(path, slash != NULL ? (size_t)(slash - path) : 0, &ignored);
    if (group == NULL)
        return;
    struct http_result results[2] = {0};
    struct gitlab_get gets[2] = {
        {gitlab_search_url(gitlab, name, false, 1, &ignored), GITLAB_LIST_LIMIT},
        {gitlab_search_url(gitlab, group, true, 1, &ignored), GITLAB_LIST_LIMIT},
    };
    bool sent = gitlab_send(gitlab, gets, 2, results, &ignored) == 0;
    cleanup_json json_t *elsewhere = sent ? list_of(&results[0]) : NULL;
    cleanup_json json_t *beside = sent ? list_of(&results[1]) : NULL;
    http_result_free(&results[0]);
    http_result_free(&results[1]);

    const char *near = nearest_path(beside, group, name);
    const char *same = same_name(elsewhere, name);
    if (near != NULL)
        set_hint(err, "Did you mean ", near, "?");
    else if (same != NULL)
        set_hint(err, "There is ", same, ": set MODEL_REPO to that path if it is the one.");
    else if (gitlab->authorization == NULL)
        error_hint(err, "Without a token GitLab shows public projects only: set GITLAB_TOKEN.");
    else
        error_hint(err,
                   "Check MODEL_REPO and NAMESPACE, and that the token's user is a member of the "
                   "project (GitLab answers 404 for what a token may not see).");
}

int gitlab_project_missing(const struct gitlab *gitlab, const struct strings *candidates,
                           struct error **err) {
    cleanup_free char *paths = strings_join(candidates, " and no project ", err);
    if (paths == NULL)
        return -1;
    error_new(err, ERROR_MODEL, "GitLab has no project %s that %s", paths,
              gitlab->authorization != NULL ? "the token may see" : "is public");
    error_set_answer(err, 404, NULL);
    suggest_project(gitlab, candidates->items[0], err);
    return -1;
}
