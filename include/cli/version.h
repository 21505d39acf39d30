#pragma once

/* What this binary is. */

extern const char version_project[]; /* "0.1.0" */
extern const char version_commit[];  /* "0123456789ab" or "unknown" */
