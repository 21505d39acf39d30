#pragma once

/*
 * Two texts -> unified diff (GNU diffutils manual, "Detailed Description of Unified Format"), three
 * lines of context, by the shortest edit script (Myers, "An O(ND) Difference Algorithm"). Pure.
 */

#include "base/error.h"

struct unified_diff_names {
    const char *before; /* behind "--- " */
    const char *after;  /* behind "+++ " */
};

/*
 * *OUT (owned) is "" when the texts are equal. Texts further apart than 2,000 edits are shown as
 * one replaced block: exact, but not the shortest. -1 when out of memory or with more than 64 MiB
 * of output.
 */
int unified_diff(char **out, const char *before, const char *after,
                 const struct unified_diff_names *names, struct error **err);
