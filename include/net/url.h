#pragma once

/* URLs, parsed by libcurl's own parser so that what is checked is what is used. */

#include "base/error.h"

#include <stdbool.h>

struct url {
    char *scheme; /* lower case */
    char *host;   /* without brackets */
    char *port;   /* given or the scheme's default */
    char *path;   /* "" or "/..." without a trailing slash */
    bool has_credentials;
    bool has_query;
};

/* Parses an absolute http or https URL. The error is of KIND and names WHAT; credentials in TEXT
 * never get into it. */
int url_parse(struct url *out, const char *text, const char *what, enum error_kind kind,
              struct error **err);
void url_free(struct url *url);

/* "https://host[:port]/path" without credentials, query, fragment, trailing slash. NULL with an
 * error. */
char *url_base(const struct url *url, struct error **err);

/* Cuts what may be secret out of TEXT, an address from a peer that is shown to people: credentials,
 * query, fragment. What cannot be printed, and all that is not ASCII (RFC 9110 5.5: bytes of old),
 * becomes "?". TEXT need not be a URL. */
void url_hide_secrets(char *text);

/* Same scheme, host and port. */
bool url_same_origin(const struct url *left, const struct url *right);

#define cleanup_url cleanup(url_free)
