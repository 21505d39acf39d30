#pragma once

/* ~/.netrc, as ftp(1), Git and curl read it. Pure. */

#include "base/error.h"

#include <stddef.h>

struct netrc_login {
    char *username; /* "" when none */
    char *password; /* secret */
};

/*
 * The login of HOST in TEXT (NUL-terminated): of the first `machine` entry that names it and has a
 * password, else of `default`. Words may stand in double quotes with backslash escapes; `macdef`
 * and what follows up to an empty line is skipped, and so are comments. 1 when found (OUT is
 * filled), 0 when not, -1 when out of memory.
 */
int netrc_find(struct netrc_login *out, const char *text, const char *host, struct error **err);
void netrc_login_free(struct netrc_login *login);

#define cleanup_netrc_login cleanup(netrc_login_free)
