#include "git_internal.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

static void free_directory(char **path) {
    git_directory_remove(*path);
}

/* ---- reading ---- */

/* A name like README.md but for letter case or ending; owned; NULL when there is none. */
static char *similar_name(const git_tree *tree) {
    size_t count = git_tree_entrycount(tree);
    for (size_t i = 0; i < count; i++) {
        const char *name = git_tree_entry_name(git_tree_entry_byindex(tree, i));
        if (strncasecmp(name, "readme", 6) == 0 && strlen(name) <= 100 &&
            text_is_utf8(name, strlen(name)))
            return text_make_printable(strdup(name));
    }
    return NULL;
}

static int read_blob(struct buffer *out, git_repository *repository, const git_oid *id,
                     const char *name, struct error **err) {
    git_odb *odb = NULL;
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    int found = git_repository_odb(&odb, repository);
    if (found == 0)
        found = git_odb_read_header(&size, &type, odb, id);
    git_odb_free(odb);
    if (found < 0 || type != GIT_OBJECT_BLOB)
        return git_failure(err, ERROR_UNREACHABLE, NULL, name);
    if (size > GIT_README_LIMIT)
        return error_new(err, ERROR_MODEL, "README.md of %s is larger than 10 MiB", name);
    git_blob *blob = NULL;
    if (git_blob_lookup(&blob, repository, id) < 0)
        return git_failure(err, ERROR_UNREACHABLE, NULL, name);
    buffer_append(out, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
    git_blob_free(blob);
    return buffer_check(out, "README.md", err);
}

static int read_from_tree(struct buffer *out, git_repository *repository, const git_tree *tree,
                          const char *name, const char *place, struct error **err) {
    const git_tree_entry *entry = git_tree_entry_byname(tree, "README.md");
    if (entry == NULL || git_tree_entry_type(entry) != GIT_OBJECT_BLOB) {
        cleanup_free char *similar = similar_name(tree);
        return model_no_readme(name, place, similar, err);
    }
    return read_blob(out, repository, git_tree_entry_id(entry), name, err);
}

int git_read_readme(struct buffer *out, git_repository *repository, const git_oid *commit,
                    const char *name, struct error **err) {
    char id[GIT_OID_HEXSZ + 1] = {0};
    char place[MODEL_SHORT_COMMIT];
    git_oid_fmt(id, commit);
    model_short_commit(id, place);
    git_commit *object = NULL;
    git_tree *tree = NULL;
    int result = git_commit_lookup(&object, repository, commit);
    if (result == 0)
        result = git_commit_tree(&tree, object);
    if (result == 0)
        result = read_from_tree(out, repository, tree, name, place, err);
    else
        git_failure(err, ERROR_MODEL, NULL, name);
    git_tree_free(tree);
    git_commit_free(object);
    return result < 0 ? -1 : 0;
}

/* ---- fetching ---- */

static git_remote_callbacks callbacks_of(struct git_session *session) {
    git_remote_callbacks callbacks;
    git_remote_init_callbacks(&callbacks, GIT_REMOTE_CALLBACKS_VERSION);
    callbacks.transport = git_transport_over_http;
    callbacks.payload = session;
    return callbacks;
}

static int connect_remote(git_remote *remote, struct git_session *session, struct error **err) {
    git_remote_callbacks callbacks = callbacks_of(session);
    if (git_remote_connect(remote, GIT_DIRECTION_FETCH, &callbacks, NULL, NULL) < 0)
        return git_failure(err, ERROR_UNREACHABLE, session, session->url);
    return 0;
}

/* The server must allow a commit that no reference points to. */
static int refuse_commit(const struct git_target *target, struct git_session *session,
                         struct error **err) {
    if (session->error != NULL)
        return error_take(err, steal_pointer(session->error));
    const git_error *last = git_error_last();
    const char *words = last != NULL && last->message != NULL ? last->message : "";
    error_new(err, ERROR_MODEL, "%s does not give out the commit %.12s: %.200s", session->url,
              target->commit, words);
    if (err != NULL && *err != NULL)
        text_make_printable((*err)->message);
    return error_hint(
        err, "No branch or tag points to it. Check that it was pushed; some servers give out "
             "only the tips of branches and tags.");
}

static int download(git_remote *remote, struct git_target *target, struct git_session *session,
                    struct error **err) {
    char *refspecs[] = {target->ref};
    const git_strarray list = {refspecs, 1};
    git_fetch_options options;
    git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
    options.callbacks = callbacks_of(session);
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
#if LIBGIT2_VER_MAJOR > 1 || LIBGIT2_VER_MINOR >= 7
    options.depth = 1;
#endif
    if (git_remote_download(remote, &list, &options) == 0)
        return 0;
    return target->is_tip ? git_failure(err, ERROR_UNREACHABLE, session, session->url)
                          : refuse_commit(target, session, err);
}

static int fetch_readme(struct buffer *readme, git_repository *repository, git_remote *remote,
                        struct git_target *target, struct git_session *session,
                        struct error **err) {
    git_oid commit;
    if (git_oid_fromstr(&commit, target->commit) < 0)
        return git_failure(err, ERROR_INTERNAL, NULL, target->commit);
    if (download(remote, target, session, err) < 0)
        return -1;
    if (session->files != NULL && git_list_files(session->files, repository, &commit, err) < 0)
        return -1;
    return git_read_readme(readme, repository, &commit, session->url, err);
}

/* With a repository in a temporary directory; it is gone afterwards. */
static int find_and_fetch(struct git_target *target, struct buffer *readme,
                          struct git_session *session, const struct model_request *request,
                          struct error **err) {
    cleanup(free_directory) char *directory = git_directory_make(session->deps, err);
    if (directory == NULL)
        return -1;
    git_repository *repository = NULL;
    git_remote *remote = NULL;
    cleanup_git_target struct git_target found = {0};
    int result = 0;
    if (git_repository_init(&repository, directory, 1) < 0 ||
        git_remote_create_anonymous(&remote, repository, session->url) < 0)
        result = git_failure(err, ERROR_INTERNAL, NULL, directory);
    if (result == 0)
        result = connect_remote(remote, session, err);
    if (result == 0)
        result = git_find_target(&found, remote, request, session->url, err);
    if (result == 0)
        result = fetch_readme(readme, repository, remote, &found, session, err);
    git_remote_free(remote);
    git_repository_free(repository);
    if (result < 0)
        return -1;
    *target = found;
    found = (struct git_target){0};
    return 0;
}

/* Without: references need no place. */
static int find_only(struct git_target *target, struct git_session *session,
                     const struct model_request *request, struct error **err) {
    git_remote *remote = NULL;
    if (git_remote_create_detached(&remote, session->url) < 0)
        return git_failure(err, ERROR_PARAMETER, NULL, session->url);
    int result = connect_remote(remote, session, err);
    if (result == 0)
        result = git_find_target(target, remote, request, session->url, err);
    git_remote_free(remote);
    return result;
}

int git_fetch_target(struct git_target *target, struct buffer *readme, struct git_session *session,
                     const struct model_request *request, struct error **err) {
    return readme != NULL ? find_and_fetch(target, readme, session, request, err)
                          : find_only(target, session, request, err);
}
