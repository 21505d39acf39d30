#include "preflight_internal.h"

#include "base/text.h"

#include <string.h>

int preflight_skip(struct checks *checks, const struct check_subject *subject,
                   const struct error *error, const char *what, struct error **err) {
    const char *cannot = error != NULL ? strstr(error->message, " cannot ") : NULL;
    bool no_right = error != NULL && error->http_status == 403 && cannot != NULL;
    if (!no_right)
        return checks_add(checks, err, subject, CHECK_SKIPPED, "%s not checked: %s", what,
                          error != NULL ? error->message : "not asked for");
    if (checks_add(checks, err, subject, CHECK_SKIPPED, "%s not checked: this account%s", what,
                   cannot) < 0)
        return -1;
    return checks_hint(checks, err, "deploy-inference-service rbac --preflight prints the rights");
}
