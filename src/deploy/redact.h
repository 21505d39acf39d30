#pragma once

/* Takes secrets out of texts that come from logs and messages of others. */

#include "base/error.h"

#include <jansson.h>

/*
 * A copy of TEXT in which what looks like a credential is "[redacted]": values after names such as
 * password, token, secret or api_key, Authorization values, user names and passwords in URLs, and
 * tokens with a known prefix (Hugging Face, GitLab, GitHub, OpenAI, AWS). NULL with an error.
 */
char *redact_text(const char *text, struct error **err);

/* A deep copy with every string redacted. */
int redact_json(json_t **out, const json_t *value, struct error **err);
