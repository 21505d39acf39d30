#pragma once

/* The Markdown that the Alauda console shows on the pipeline run's page (result overview-markdown).
 */

#include "deploy/outcome.h"

#include <stddef.h>

/* At most LIMIT bytes, cut at whole lines. NULL with an error. Text from outside is escaped for
 * Markdown. Pure. */
char *overview_markdown(const struct outcome *outcome, size_t limit, struct error **err);
