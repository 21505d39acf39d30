#pragma once

/* What render and diff share: everything that deploy does before it applies. */

#include "cli/connect.h"
#include "deploy/prepare.h"

/*
 * prepare() with the application's inputs. Shows what deploy would come to although
 * UPDATE_IF_EXISTS forbids it to touch an existing object, and says so in a notice. OUT as of
 * prepare().
 */
int preview_prepare(struct preparation *out, const struct session *session,
                    struct application *application, struct error **err);
