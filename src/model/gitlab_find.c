#include "gitlab_internal.h"

#include "base/text.h"

#include <string.h>

enum { MOST_PAGES = 10 };

void gitlab_lookup_free(struct gitlab_lookup *lookup) {
    if (lookup == NULL)
        return;
    free(lookup->key);
    http_result_free(&lookup->project);
    http_result_free(&lookup->ref);
    http_result_free(&lookup->readme);
    *lookup = (struct gitlab_lookup){0};
}

/* The ref as README.md can be asked at before the commit is known. The endpoint takes short names
 * as Git does (a tag before a branch); whoever uses the answer compares commits. */
static const char *readme_ref(const struct gitlab_wish *wish) {
    return wish->kind == GITLAB_DEFAULT ? "HEAD" : wish->name;
}

/*
 * Asks for the project, the ref and README.md at once. The default branch needs no ref request when
 * there is a README to read: its answer names the commit.
 */
static int look_up(struct gitlab_lookup *out, const struct gitlab *gitlab, const char *key,
                   struct error **err) {
    struct gitlab_lookup lookup = {.has_readme = model_needs_card(gitlab->request)};
    lookup.has_ref = gitlab->wish.kind != GITLAB_DEFAULT || !lookup.has_readme;
    struct gitlab_get gets[3] = {{0}};
    size_t count = 0;
    gets[count++] = (struct gitlab_get){gitlab_project_url(gitlab, key, err), GITLAB_PROJECT_LIMIT};
    if (lookup.has_ref)
        gets[count++] = (struct gitlab_get){
            gitlab_ref_url(gitlab, key, gitlab->wish.kind, gitlab->wish.name, err),
            GITLAB_LIST_LIMIT};
    if (lookup.has_readme)
        gets[count++] = (struct gitlab_get){
            gitlab_readme_url(gitlab, key, readme_ref(&gitlab->wish), err), GITLAB_README_LIMIT};

    struct http_result results[3] = {0};
    lookup.key = text_copy(key, err);
    int sent = gitlab_send(gitlab, gets, count, results, err);
    lookup.project = results[0];
    if (lookup.has_ref)
        lookup.ref = results[1];
    if (lookup.has_readme)
        lookup.readme = results[count - 1];
    gitlab_lookup_free(out);
    *out = lookup;
    return sent == 0 && lookup.key != NULL ? 0 : -1;
}

/* ---- search, for where encoded slashes do not arrive ---- */

/* Copies the id of the project at PATH in a page of projects; "" when it is not there. */
static int find_in_page(char id[24], const struct http_response *response, const char *path,
                        struct error **err) {
    cleanup_json json_t *list = NULL;
    if (gitlab_parse_json(&list, response, "the search for the project", err) < 0)
        return -1;
    size_t i;
    json_t *row;
    json_array_foreach(list, i, row) {
        json_int_t number = json_integer_at(row, 0, "id", NULL);
        if (number <= 0 ||
            !text_equal_ignoring_case(json_text_at(row, "path_with_namespace", NULL), path))
            continue;
        snprintf(id, 24, "%lld", (long long)number);
        return 0;
    }
    id[0] = '\0';
    return 0;
}

static int next_page(const struct http_response *response, int page) {
    char text[16];
    int64_t next = 0;
    if (!http_header(response, "X-Next-Page", text, sizeof(text)) ||
        !text_to_integer(text, page + 1, 1000000, &next))
        return 0;
    return (int)next;
}

/*
 * Looks for the full path among the projects. GitLab's search takes the whole path as one word when
 * namespaces are searched too, so one page is the rule. *FOUND says what the answers mean.
 */
static int search(char id[24], const struct gitlab *gitlab, const char *path,
                  enum gitlab_found *found, struct error **err) {
    id[0] = '\0';
    int page = 1;
    for (int asked = 0; page != 0 && asked < MOST_PAGES; asked++) {
        cleanup(http_result_free) struct http_result result = {0};
        struct gitlab_get get = {gitlab_search_url(gitlab, path, true, page, err),
                                 GITLAB_LIST_LIMIT};
        if (gitlab_send(gitlab, &get, 1, &result, err) < 0)
            return -1;
        if (result.error != NULL)
            return gitlab_take_failure(&result, err);
        char unused[24];
        *found = gitlab_classify(&result.response, unused);
        if (*found != GITLAB_FOUND)
            return gitlab_status_error(err, &result.response, "the search for the project");
        if (find_in_page(id, &result.response, path, err) < 0)
            return -1;
        if (id[0] != '\0')
            return 0;
        page = next_page(&result.response, page);
    }
    *found = GITLAB_MISSING;
    return 0;
}

/* ---- one candidate ---- */

static char *describe(const char *path, struct error **err) {
    return text_format(err, "project %s", path);
}

/* Looks the project up again by its number, after a search or a move. */
static int look_up_number(struct gitlab_lookup *lookup, const struct gitlab *gitlab, const char *id,
                          const char *path, enum gitlab_found *found, struct error **err) {
    if (look_up(lookup, gitlab, id, err) < 0)
        return -1;
    if (lookup->project.error != NULL)
        return gitlab_take_failure(&lookup->project, err);
    char unused[24];
    *found = gitlab_classify(&lookup->project.response, unused);
    if (*found == GITLAB_FOUND)
        return 0;
    cleanup_free char *what = describe(path, err);
    return what != NULL ? gitlab_status_error(err, &lookup->project.response, what) : -1;
}

/* GITLAB_FOUND or GITLAB_MISSING, or an error. */
static int search_and_look_up(struct gitlab_lookup *lookup, struct gitlab *gitlab, const char *path,
                              enum gitlab_found *found, struct error **err) {
    char id[24];
    if (search(id, gitlab, path, found, err) < 0)
        return -1;
    if (*found == GITLAB_MISSING)
        return 0;
    gitlab->slashes_broken = true;
    log_debug(gitlab->deps->log, "GitLab does not see encoded slashes: project %s is number %s",
              path, id);
    return look_up_number(lookup, gitlab, id, path, found, err);
}

static int refuse(const struct gitlab_lookup *lookup, const char *path, struct error **err) {
    cleanup_free char *what = describe(path, err);
    return what != NULL ? gitlab_status_error(err, &lookup->project.response, what) : -1;
}

/*
 * The path did not arrive as it was sent, or this is no GitLab: the search has no slash in its
 * path. When it is refused too, the first answer is the one to tell.
 */
static int try_search(struct gitlab_lookup *lookup, struct gitlab *gitlab, const char *path,
                      enum gitlab_found *found, struct error **err) {
    cleanup_error struct error *problem = NULL;
    if (search_and_look_up(lookup, gitlab, path, found, &problem) == 0)
        return 0;
    bool answered = problem->http_status != 0 && lookup->project.response.status == 404;
    return answered ? refuse(lookup, path, err) : error_take(err, steal_pointer(problem));
}

/* 0 with *FOUND FOUND or MISSING, or an error and what it means in *FOUND. */
static int try_candidate(struct gitlab_lookup *lookup, struct gitlab *gitlab, const char *path,
                         enum gitlab_found *found, bool *moved, struct error **err) {
    *found = GITLAB_FAILED;
    if (gitlab->slashes_broken)
        return search_and_look_up(lookup, gitlab, path, found, err);
    cleanup_free char *key = text_percent_encode(path, err);
    if (key == NULL || look_up(lookup, gitlab, key, err) < 0)
        return -1;
    if (lookup->project.error != NULL)
        return gitlab_take_failure(&lookup->project, err);

    char id[24];
    *found = gitlab_classify(&lookup->project.response, id);
    switch (*found) {
    case GITLAB_FOUND:
    case GITLAB_MISSING:
        return 0;
    case GITLAB_UNROUTED:
    case GITLAB_NO_API:
        return try_search(lookup, gitlab, path, found, err);
    case GITLAB_MOVED:
        *moved = true;
        return look_up_number(lookup, gitlab, id, path, found, err);
    case GITLAB_DENIED:
    case GITLAB_FAILED:
        break;
    }
    return refuse(lookup, path, err);
}

/*
 * Before a project counts as missing: a proxy that encodes '%' again makes GitLab look for a path
 * that has "%2F" in it, which is a plain "404 Project Not Found". The search finds it then. A
 * search that fails says nothing.
 */
static bool search_missing(struct gitlab_lookup *lookup, struct gitlab *gitlab,
                           const struct strings *candidates, size_t *which) {
    for (size_t i = 0; i < candidates->count && !gitlab->slashes_broken; i++) {
        cleanup_error struct error *ignored = NULL;
        enum gitlab_found found = GITLAB_FAILED;
        if (search_and_look_up(lookup, gitlab, candidates->items[i], &found, &ignored) < 0)
            return false;
        *which = i;
        if (found == GITLAB_FOUND)
            return true;
    }
    return false;
}

static int take_project(struct gitlab_project *out, const struct gitlab_lookup *lookup,
                        const char *path, bool moved, struct strings *warnings,
                        struct error **err) {
    cleanup_free char *what = describe(path, err);
    cleanup_gitlab_project struct gitlab_project project = {0};
    if (what == NULL || gitlab_parse_project(&project, &lookup->project.response, what, err) < 0)
        return -1;
    if (moved) {
        if (strings_add_format(
                warnings, err,
                "project %s has moved to %s: change MODEL_REPO before the old path is "
                "given to another project",
                path, project.path) < 0)
            return -1;
    } else if (!text_equal_ignoring_case(project.path, path)) {
        return error_new(err, ERROR_UNREACHABLE, "project %s: GitLab answered for another one, %s",
                         path, project.path);
    }
    if (project.archived &&
        strings_add_format(warnings, err, "project %s is archived", project.path) < 0)
        return -1;
    if (project.marked_for_deletion &&
        strings_add_format(warnings, err, "project %s is marked for deletion", project.path) < 0)
        return -1;
    *out = project;
    project = (struct gitlab_project){0};
    return 0;
}

int gitlab_find_project(struct gitlab *gitlab, const struct strings *candidates,
                        struct gitlab_lookup *lookup, struct gitlab_project *project,
                        struct strings *warnings, bool *use_git, struct error **err) {
    *use_git = false;
    for (size_t i = 0; i < candidates->count; i++) {
        const char *path = candidates->items[i];
        enum gitlab_found found = GITLAB_FAILED;
        bool moved = false;
        if (try_candidate(lookup, gitlab, path, &found, &moved, err) < 0) {
            *use_git = found == GITLAB_DENIED || found == GITLAB_NO_API || found == GITLAB_UNROUTED;
            return -1;
        }
        if (found == GITLAB_FOUND)
            return take_project(project, lookup, path, moved, warnings, err);
    }
    size_t which = 0;
    if (search_missing(lookup, gitlab, candidates, &which))
        return take_project(project, lookup, candidates->items[which], false, warnings, err);
    return gitlab_project_missing(gitlab, candidates, err);
}
