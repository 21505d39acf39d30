#pragma once

/* The system's CA bundle, for a static binary that has no distribution to ask. */

#include "base/deps.h"

/*
 * Reads the first of $SSL_CERT_FILE, /etc/ssl/certs/ca-certificates.crt (Debian, Alpine, our
 * image), /etc/pki/tls/certs/ca-bundle.crt (Fedora), /etc/ssl/ca-bundle.pem (SUSE),
 * /etc/ssl/cert.pem that exists, as PEM text of at most 2 MiB. *OUT is NULL when there is none.
 * Source: the list Go's crypto/x509 uses (root_linux.go).
 */
int trust_roots_read(char **out, const struct deps *deps, struct error **err);
