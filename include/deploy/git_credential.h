#pragma once

/*
 * The login that a developer's machine already has for a Git server, for runs in which neither a
 * parameter nor the cluster gave one. Sources: git-credential(1), gitcredentials(7), curl's manual
 * on netrc.
 */

#include "base/deps.h"

struct git_credential {
    char *username; /* "" when none */
    char *token;    /* secret; "" when there is none */
    char *origin;   /* for people: "git credential" or the file; "" when there is none */
};

/*
 * Asks `git credential fill` for URL (https://host[:port][/path]), then looks in ~/.netrc. Git asks
 * its configured helpers and nobody else: prompts and windows are switched off. That there is no
 * git, no helper or no login is no error: TOKEN is then "". Nothing is asked for an http URL. Git
 * has 10 s. -1 only when out of memory.
 */
int git_credential_find(struct git_credential *out, const char *url, const struct deps *deps,
                        struct error **err);
void git_credential_free(struct git_credential *credential);

#define cleanup_git_credential cleanup(git_credential_free)
