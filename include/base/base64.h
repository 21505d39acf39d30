#pragma once

/* Base64 as RFC 4648 section 4. */

#include "base/buffer.h"

/*
 * Appends the decoded bytes of TEXT to OUT. Line breaks and blanks are skipped (kubeconfig files
 * fold); padding is required unless nothing is missing. -1 with an error of KIND that names WHAT.
 */
int base64_decode(struct buffer *out, const char *text, size_t length, const char *what,
                  enum error_kind kind, struct error **err);

/* Appends the encoding of DATA to OUT, padded, without line breaks. */
int base64_encode(struct buffer *out, const void *data, size_t length);
