#include "git_internal.h"

#include "base/text.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_AHEAD = 10000, LONGEST_POINTER = 1024 };

void git_clone_free(struct git_clone *clone) {
    if (clone == NULL)
        return;
    free(clone->remote_url);
    free(clone->project_path);
    free(clone->branch);
    free(clone->commit);
    free(clone->readme);
    *clone = (struct git_clone){0};
}

/* ---- HEAD ---- */

static int read_head(struct git_clone *clone, git_oid *commit, git_repository *repository,
                     const char *directory, struct error **err) {
    git_reference *head = NULL;
    int found = git_repository_head(&head, repository);
    if (found == GIT_EUNBORNBRANCH || found == GIT_ENOTFOUND) {
        error_new(err, ERROR_PARAMETER, "--model-dir %s: the clone has no commit yet", directory);
        return error_hint(err, "Commit and push the model's files first.");
    }
    if (found < 0)
        return git_failure(err, ERROR_PARAMETER, NULL, directory);
    const git_oid *target = git_reference_target(head);
    bool is_branch = git_reference_is_branch(head) == 1;
    char id[GIT_OID_HEXSZ + 1] = {0};
    if (target != NULL) {
        git_oid_cpy(commit, target);
        git_oid_fmt(id, target);
    }
    clone->branch = text_copy(is_branch ? git_reference_shorthand(head) : "", err);
    clone->commit = text_copy(id, err);
    git_reference_free(head);
    return clone->branch != NULL && clone->commit != NULL ? 0 : -1;
}

/* ---- the remote ---- */

/* The remote that the branch is set up to follow; NULL when none. Owned. */
static char *followed_remote(git_repository *repository, const char *branch) {
    if (text_is_empty(branch))
        return NULL;
    cleanup_free char *ref = text_format(NULL, "refs/heads/%s", branch);
    git_buf name = {NULL, 0, 0};
    char *copy = NULL;
    if (ref != NULL && git_branch_upstream_remote(&name, repository, ref) == 0)
        copy = strdup(name.ptr);
    git_buf_dispose(&name);
    return copy;
}

/* The only remote there is; NULL when there are several or none. Owned. */
static char *only_remote(git_repository *repository) {
    git_strarray names = {0};
    char *copy = NULL;
    if (git_remote_list(&names, repository) == 0 && names.count == 1)
        copy = strdup(names.strings[0]);
    git_strarray_dispose(&names);
    return copy;
}

/* The branch's remote, else origin, else the only one; NULL without an error when there is none.
 * Owned. */
static char *choose_remote(git_repository *repository, const char *branch) {
    char *name = followed_remote(repository, branch);
    if (name != NULL)
        return name;
    git_remote *origin = NULL;
    bool has_origin = git_remote_lookup(&origin, repository, "origin") == 0;
    git_remote_free(origin);
    return has_origin ? strdup("origin") : only_remote(repository);
}

static int read_remote(struct git_clone *clone, git_repository *repository, const char *name,
                       struct error **err) {
    git_remote *remote = NULL;
    const char *url = NULL;
    if (name != NULL && git_remote_lookup(&remote, repository, name) == 0)
        url = git_remote_url(remote);
    int result =
        git_url_split(&clone->remote_url, &clone->project_path, url != NULL ? url : "", err);
    git_remote_free(remote);
    return result;
}

/* ---- what was not pushed ---- */

/*
 * Commits of HEAD that no branch of the remote has, as far as the last fetch knows; -1 when the
 * clone has never seen a branch of it.
 */
static int count_ahead(git_repository *repository, const git_oid *head, const char *remote) {
    cleanup_free char *glob =
        remote != NULL ? text_format(NULL, "refs/remotes/%s/*", remote) : NULL;
    if (glob == NULL)
        return -1;
    git_reference_iterator *known = NULL;
    const char *first = NULL;
    bool any = git_reference_iterator_glob_new(&known, repository, glob) == 0 &&
               git_reference_next_name(&first, known) == 0;
    git_reference_iterator_free(known);
    if (!any)
        return -1;
    git_revwalk *walk = NULL;
    int ahead = -1;
    if (git_revwalk_new(&walk, repository) == 0 && git_revwalk_push(walk, head) == 0 &&
        git_revwalk_hide_glob(walk, glob) == 0) {
        git_oid commit;
        ahead = 0;
        while (ahead < MOST_AHEAD && git_revwalk_next(&commit, walk) == 0)
            ahead++;
    }
    git_revwalk_free(walk);
    return ahead;
}

/* ---- what was not committed ---- */

/* The size in a Git LFS pointer, or -1. Source: git-lfs docs/spec.md */
static int64_t pointer_size(git_repository *repository, const git_oid *id) {
    static const char start[] = "version https://git-lfs.github.com/spec/v1\n";
    git_blob *blob = NULL;
    int64_t size = -1;
    if (git_blob_lookup(&blob, repository, id) < 0)
        return -1;
    size_t length = (size_t)git_blob_rawsize(blob);
    if (length < LONGEST_POINTER) {
        char text[LONGEST_POINTER + 1];
        memcpy(text, git_blob_rawcontent(blob), length);
        text[length] = '\0';
        char *line = text_has_prefix(text, start) ? strstr(text, "\nsize ") : NULL;
        if (line != NULL) {
            line += strlen("\nsize ");
            line[strcspn(line, "\n")] = '\0';
            if (!text_to_integer(line, 0, INT64_MAX, &size))
                size = -1;
        }
    }
    git_blob_free(blob);
    return size;
}

/* libgit2 runs no LFS filter: a checked-out LFS file looks changed against its pointer. The size
 * tells. */
static bool is_checked_out_pointer(git_repository *repository, const git_status_entry *entry) {
    const git_diff_delta *delta = entry->index_to_workdir;
    const char *root = git_repository_workdir(repository);
    if (entry->status != GIT_STATUS_WT_MODIFIED || delta == NULL || root == NULL)
        return false;
    cleanup_free char *path = text_format(NULL, "%s%s", root, delta->new_file.path);
    struct stat file;
    if (path == NULL || stat(path, &file) < 0)
        return false;
    int64_t size = pointer_size(repository, &delta->old_file.id);
    return size >= 0 && size == (int64_t)file.st_size;
}

static int count_changes(struct git_clone *clone, git_repository *repository, const char *directory,
                         struct error **err) {
    git_status_options options;
    git_status_options_init(&options, GIT_STATUS_OPTIONS_VERSION);
    options.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
    options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_RECURSE_UNTRACKED_DIRS |
                    GIT_STATUS_OPT_EXCLUDE_SUBMODULES;
    git_status_list *list = NULL;
    if (git_status_list_new(&list, repository, &options) < 0)
        return git_failure(err, ERROR_PARAMETER, NULL, directory);
    size_t count = git_status_list_entrycount(list);
    for (size_t i = 0; i < count; i++) {
        const git_status_entry *entry = git_status_byindex(list, i);
        if (entry->status == GIT_STATUS_WT_NEW)
            clone->untracked_files++;
        else if (!is_checked_out_pointer(repository, entry))
            clone->changed_files++;
    }
    git_status_list_free(list);
    return 0;
}

/* ---- all of it ---- */

/* A clone without README.md is no error here: the parameters may give what it would say. */
static int take_readme(struct git_clone *clone, git_repository *repository, const git_oid *head,
                       const char *directory, struct error **err) {
    cleanup_buffer struct buffer readme = BUFFER_INIT(GIT_README_LIMIT);
    cleanup_error struct error *problem = NULL;
    if (git_read_readme(&readme, repository, head, directory, &problem) < 0)
        return problem->kind == ERROR_INTERNAL ? error_take(err, steal_pointer(problem)) : 0;
    clone->readme_length = readme.length;
    clone->readme = buffer_steal(&readme, "README.md", err);
    return clone->readme != NULL ? 0 : -1;
}

static int read_clone(struct git_clone *out, git_repository *repository, const char *directory,
                      struct error **err) {
    cleanup_git_clone struct git_clone clone = {0};
    git_oid head = {0};
    if (git_repository_is_bare(repository)) {
        error_new(err, ERROR_PARAMETER, "--model-dir %s is a bare repository", directory);
        return error_hint(err, "Give a clone with files in it.");
    }
    if (read_head(&clone, &head, repository, directory, err) < 0)
        return -1;
    cleanup_free char *remote = choose_remote(repository, clone.branch);
    if (read_remote(&clone, repository, remote, err) < 0 ||
        count_changes(&clone, repository, directory, err) < 0 ||
        take_readme(&clone, repository, &head, directory, err) < 0)
        return -1;
    clone.ahead = count_ahead(repository, &head, remote);
    *out = clone;
    clone = (struct git_clone){0};
    return 0;
}

int git_clone_read(struct git_clone *out, const char *directory, struct error **err) {
    if (git_library_start(err) < 0)
        return -1;
    git_repository *repository = NULL;
    int result = git_repository_open_ext(&repository, directory, 0, NULL);
    if (result < 0) {
        error_new(err, ERROR_PARAMETER, "--model-dir %s is not in a Git clone", directory);
        result = error_hint(err, "Give the directory of a clone of the model's repository.");
    } else {
        result = read_clone(out, repository, directory, err);
    }
    git_repository_free(repository);
    git_library_stop();
    return result;
}
