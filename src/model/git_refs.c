#include "git_internal.h"

#include "base/text.h"

#include <string.h>

enum { MOST_NAMES = 200 };

/* The references as the server listed them; borrowed from the remote. */
struct listing {
    const git_remote_head **heads;
    size_t count;
};

void git_target_free(struct git_target *target) {
    if (target == NULL)
        return;
    free(target->ref);
    free(target->branch);
    free(target->tag);
    free(target->commit);
    *target = (struct git_target){0};
}

static const git_remote_head *find(const struct listing *listing, const char *name) {
    for (size_t i = 0; i < listing->count; i++)
        if (strcmp(listing->heads[i]->name, name) == 0)
            return listing->heads[i];
    return NULL;
}

static int fill(struct git_target *out, const git_oid *commit, const char *ref, const char *branch,
                const char *tag, struct error **err) {
    char id[GIT_OID_HEXSZ + 1] = {0};
    git_oid_fmt(id, commit);
    cleanup_git_target struct git_target target = {
        .ref = text_copy(ref, err),
        .branch = text_copy(branch, err),
        .tag = text_copy(tag, err),
        .commit = text_copy(id, err),
        .is_tip = true,
    };
    if (target.ref == NULL || target.branch == NULL || target.tag == NULL || target.commit == NULL)
        return -1;
    *out = target;
    memset(&target, 0, sizeof(target));
    return 0;
}

/* ---- by branch or tag ---- */

/* The names below PREFIX, without peeled ones. */
static size_t names_below(const char *names[MOST_NAMES], const struct listing *listing,
                          const char *prefix) {
    size_t count = 0;
    for (size_t i = 0; i < listing->count && count < MOST_NAMES; i++) {
        const char *name = listing->heads[i]->name;
        if (text_has_prefix(name, prefix) && !text_has_suffix(name, "^{}"))
            names[count++] = name + strlen(prefix);
    }
    return count;
}

static int missing(const struct listing *listing, bool is_tag, const char *wanted, const char *name,
                   struct error **err) {
    const char *prefix = is_tag ? "refs/tags/" : "refs/heads/";
    cleanup_free char *other =
        text_format(err, "%s%s", is_tag ? "refs/heads/" : "refs/tags/", wanted);
    if (other == NULL)
        return -1;
    error_new(err, ERROR_MODEL, "%s has no %s '%s'", name, is_tag ? "tag" : "branch", wanted);
    if (find(listing, other) != NULL)
        return error_hint(
            err, is_tag ? "It is a branch: set MODEL_REPO_BRANCH instead of MODEL_REPO_TAG."
                        : "It is a tag: set MODEL_REPO_TAG instead of MODEL_REPO_BRANCH.");
    const char *names[MOST_NAMES];
    size_t count = names_below(names, listing, prefix);
    const char *nearest = text_nearest(wanted, names, count);
    if (nearest != NULL && text_is_utf8(nearest, strlen(nearest)))
        error_hint(err, "Did you mean '%s'?", nearest);
    return -1;
}

static int find_branch(struct git_target *out, const struct listing *listing, const char *wanted,
                       const char *name, struct error **err) {
    cleanup_free char *ref = text_format(err, "refs/heads/%s", wanted);
    if (ref == NULL)
        return -1;
    const git_remote_head *head = find(listing, ref);
    return head != NULL ? fill(out, &head->oid, ref, wanted, "", err)
                        : missing(listing, false, wanted, name, err);
}

/* An annotated tag is listed twice: the tag object, and with "^{}" what it points to in the end. */
static int find_tag(struct git_target *out, const struct listing *listing, const char *wanted,
                    const char *name, struct error **err) {
    cleanup_free char *ref = text_format(err, "refs/tags/%s", wanted);
    cleanup_free char *peeled = text_format(err, "refs/tags/%s^{}", wanted);
    if (ref == NULL || peeled == NULL)
        return -1;
    const git_remote_head *head = find(listing, peeled);
    if (head == NULL)
        head = find(listing, ref);
    return head != NULL ? fill(out, &head->oid, ref, "", wanted, err)
                        : missing(listing, true, wanted, name, err);
}

/* ---- by default ---- */

/* The branch HEAD stands for: the server says so, or (before Git 1.8.5) it is one at the same
 * commit. */
static const git_remote_head *default_branch(const struct listing *listing,
                                             const git_remote_head *head) {
    if (!text_is_empty(head->symref_target))
        return find(listing, head->symref_target);
    static const char *const usual[] = {"refs/heads/main", "refs/heads/master"};
    for (size_t i = 0; i < array_length(usual); i++) {
        const git_remote_head *branch = find(listing, usual[i]);
        if (branch != NULL && git_oid_equal(&branch->oid, &head->oid))
            return branch;
    }
    for (size_t i = 0; i < listing->count; i++)
        if (text_has_prefix(listing->heads[i]->name, "refs/heads/") &&
            git_oid_equal(&listing->heads[i]->oid, &head->oid))
            return listing->heads[i];
    return NULL;
}

static int find_default(struct git_target *out, const struct listing *listing, const char *name,
                        struct error **err) {
    const git_remote_head *head = find(listing, "HEAD");
    const git_remote_head *branch = head != NULL ? default_branch(listing, head) : NULL;
    if (branch != NULL && text_has_prefix(branch->name, "refs/heads/"))
        return fill(out, &branch->oid, branch->name, branch->name + strlen("refs/heads/"), "", err);
    if (head != NULL)
        return fill(out, &head->oid, "HEAD", "", "", err);
    if (listing->count == 0)
        return error_new(err, ERROR_MODEL, "%s is empty: it has no commit yet", name);
    error_new(err, ERROR_MODEL, "%s has no default branch", name);
    return error_hint(err, "Set MODEL_REPO_BRANCH, MODEL_REPO_TAG or MODEL_REPO_COMMIT.");
}

/* ---- by commit ---- */

/* The reference whose commit begins with the digits; *SEVERAL when different ones do. */
static const git_remote_head *find_tip(const struct listing *listing, const char *digits,
                                       bool *several) {
    const git_remote_head *found = NULL;
    *several = false;
    for (size_t i = 0; i < listing->count; i++) {
        const git_remote_head *head = listing->heads[i];
        char id[GIT_OID_HEXSZ + 1] = {0};
        git_oid_fmt(id, &head->oid);
        if (!text_has_prefix(id, digits))
            continue;
        if (found != NULL && !git_oid_equal(&found->oid, &head->oid))
            *several = true;
        else if (found == NULL)
            found = head;
    }
    return found;
}

static int find_commit(struct git_target *out, const struct listing *listing, const char *given,
                       const char *name, struct error **err) {
    char digits[65];
    if (model_check_commit(digits, given, err) < 0)
        return -1;
    bool several;
    const git_remote_head *head = find_tip(listing, digits, &several);
    if (several)
        return error_new(err, ERROR_MODEL, "%s: the commit %s is not unique, give all 40 digits",
                         name, digits);
    if (head != NULL) {
        cleanup_free char *ref = text_copy(head->name, err);
        if (ref == NULL)
            return -1;
        if (text_has_suffix(ref, "^{}"))
            ref[strlen(ref) - 3] = '\0';
        return fill(out, &head->oid, ref, "", "", err);
    }
    git_oid commit;
    if (strlen(digits) != GIT_OID_HEXSZ || git_oid_fromstr(&commit, digits) < 0) {
        error_new(err, ERROR_MODEL, "%s has no branch or tag whose commit begins with %s", name,
                  digits);
        return error_hint(err, "Give all 40 digits: Git can look up a short commit only among the "
                               "tips of branches and tags.");
    }
    if (fill(out, &commit, digits, "", "", err) < 0)
        return -1;
    out->is_tip = false;
    return 0;
}

int git_find_target(struct git_target *out, git_remote *remote, const struct model_request *request,
                    const char *name, struct error **err) {
    struct listing listing = {0};
    if (git_remote_ls(&listing.heads, &listing.count, remote) < 0)
        return git_failure(err, ERROR_UNREACHABLE, NULL, name);
    if (!text_is_empty(request->commit))
        return find_commit(out, &listing, request->commit, name, err);
    if (!text_is_empty(request->tag))
        return find_tag(out, &listing, request->tag, name, err);
    if (!text_is_empty(request->branch))
        return find_branch(out, &listing, request->branch, name, err);
    return find_default(out, &listing, name, err);
}
