#pragma once

/* What the commands that talk to a cluster share: session, namespace, parameter checks. */

#include "cli/application.h"
#include "cli/commands.h"

enum { EXIT_PARAMETERS = 2, EXIT_DIFFERENT = 10 };

/*
 * Opens SESSION from the settings, fills NAMESPACE from it when it is not set, and checks the
 * inputs. All problems of parameters are shown at once; with any the result is ERROR_PARAMETER. No
 * request is sent.
 */
int connect_and_check(struct session *session, struct application *application, struct error **err);

/* Only session and NAMESPACE (for commands that need no model). */
int connect_session(struct session *session, struct application *application, struct error **err);

/* Shows the invocation's problems; -1 with ERROR_PARAMETER when there are errors among them. */
int refuse_problems(struct application *application, struct error **err);

/*
 * Adds a problem when -o is set and is none of the command's formats; main calls it for every
 * command. -1 only without memory.
 */
int check_output(struct application *application, struct error **err);
