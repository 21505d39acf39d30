/* GitLab against what the platform asks of it ("Preparing the GitLab Service" of its manual). */
#include "preflight_internal.h"

#include "base/clock.h"
#include "base/text.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

static const struct check_subject subject_https = {"gitlab", "https", ERROR_MODEL};
static const struct check_subject subject_reach = {"gitlab", "reachable", ERROR_UNREACHABLE};
static const struct check_subject subject_certificate = {"gitlab", "certificate",
                                                         ERROR_UNREACHABLE};
static const struct check_subject subject_version = {"gitlab", "version", ERROR_MODEL};
static const struct check_subject subject_hosting = {"gitlab", "self-hosted", ERROR_MODEL};
static const struct check_subject subject_token = {"gitlab", "token", ERROR_UNREACHABLE};
static const struct check_subject subject_scopes = {"gitlab", "scopes", ERROR_UNREACHABLE};
static const struct check_subject subject_expiry = {"gitlab", "token-expiry", ERROR_UNREACHABLE};
static const struct check_subject subject_lfs = {"gitlab", "lfs", ERROR_MODEL};

enum { OLDEST_VERSION = 15, SOON_DAYS = 30 };

static const int64_t day_ms = 24LL * 60 * 60 * 1000;

/* "2027-01-31" */
static void write_date(char out[TIME_RFC3339_SIZE], int64_t wall_ms) {
    time_format_rfc3339(out, wall_ms);
    out[strcspn(out, "T")] = '\0';
}

/* ---- the connection ---- */

static int check_https(struct checks *checks, const char *base_url, struct error **err) {
    if (text_has_prefix(base_url, "https://"))
        return checks_add(checks, err, &subject_https, CHECK_OK, "GitLab is asked over HTTPS");
    if (checks_add(checks, err, &subject_https, CHECK_FAIL,
                   "GitLab is asked over plain HTTP: the platform needs HTTPS, and anyone on the "
                   "way can read the token") < 0)
        return -1;
    return checks_hint(checks, err,
                       "configure HTTPS on GitLab, then GITLAB_BASE_URL=https://... or "
                       "MODEL_REPO_GIT_SCHEME: https in ConfigMap aml-image-builder-config");
}

static int check_certificate(struct checks *checks, const struct gitlab_server *server,
                             bool skip_verification, int64_t now_ms, struct error **err) {
    if (skip_verification) {
        if (checks_add(checks, err, &subject_certificate, CHECK_WARN,
                       "GitLab's certificate is not verified: anyone on the way can take the "
                       "token") < 0)
            return -1;
        return checks_hint(checks, err,
                           "set GITLAB_CA_FILE in place of GITLAB_INSECURE_SKIP_TLS_VERIFY");
    }
    int64_t end_ms = server->certificate_expires_ms;
    if (end_ms == 0)
        return checks_add(checks, err, &subject_certificate, CHECK_SKIPPED,
                          "the certificate is trusted; its end is not known: the TLS library does "
                          "not tell");
    char date[TIME_RFC3339_SIZE];
    write_date(date, end_ms);
    long long days = (long long)((end_ms - now_ms) / day_ms);
    if (days >= SOON_DAYS)
        return checks_add(checks, err, &subject_certificate, CHECK_OK,
                          "the certificate is trusted and valid until %s (%lld days)", date, days);
    if (checks_add(checks, err, &subject_certificate, CHECK_WARN,
                   "the certificate ends on %s, in %lld day%s", date, days,
                   days == 1 ? "" : "s") < 0)
        return -1;
    return checks_hint(checks, err, "have GitLab's certificate renewed");
}

static int check_hosting(struct checks *checks, const char *base_url, struct error **err) {
    cleanup_url struct url url = {0};
    cleanup_error struct error *ignored = NULL;
    if (url_parse(&url, base_url, "GITLAB_BASE_URL", ERROR_PARAMETER, &ignored) < 0)
        return 0; /* the connection has said so */
    static const char *const clouds[] = {"gitlab.com", "jihulab.com", "gitlab.cn"};
    for (size_t i = 0; i < array_length(clouds); i++) {
        if (!text_equal_ignoring_case(url.host, clouds[i]))
            continue;
        if (checks_add(checks, err, &subject_hosting, CHECK_WARN,
                       "%s is a public cloud service: the platform supports self-hosted GitLab "
                       "only",
                       url.host) < 0)
            return -1;
        return checks_hint(checks, err, "use a GitLab of your own, or the platform's plugin");
    }
    return checks_add(checks, err, &subject_hosting, CHECK_OK, "GitLab is self-hosted (%s)",
                      url.host);
}

static int check_version(struct checks *checks, const struct gitlab_server *server,
                         struct error **err) {
    if (server->version == NULL)
        return checks_add(checks, err, &subject_version, CHECK_SKIPPED, "version not checked: %s",
                          server->version_error->message);
    char major[16];
    int64_t number = 0;
    snprintf(major, sizeof(major), "%.*s", (int)strcspn(server->version, "."), server->version);
    if (!text_to_integer(major, 0, INT32_MAX, &number))
        return checks_add(checks, err, &subject_version, CHECK_SKIPPED,
                          "version not checked: \"%.40s\" is no version", server->version);
    if (number >= OLDEST_VERSION)
        return checks_add(checks, err, &subject_version, CHECK_OK, "GitLab %.40s", server->version);
    if (checks_add(checks, err, &subject_version, CHECK_FAIL,
                   "GitLab %.40s is too old: the platform needs 15 or later", server->version) < 0)
        return -1;
    return checks_hint(checks, err, "have GitLab upgraded");
}

/* ---- the token ---- */

static const char secret_hint[] =
    "make a new one (scope read_api) and put it into GITLAB_TOKEN, or as MODEL_REPO_GIT_TOKEN into "
    "Secret aml-image-builder-secret";

static int check_no_token(struct checks *checks, struct error **err) {
    if (checks_add(checks, err, &subject_token, CHECK_WARN,
                   "GitLab is asked without a token: only public projects are seen") < 0)
        return -1;
    return checks_hint(checks, err,
                       "set GITLAB_TOKEN, or MODEL_REPO_GIT_TOKEN in Secret "
                       "aml-image-builder-secret");
}

/* A token that GitLab does not tell about may still do: deploy tokens, versions before 15.5. */
static int check_untold_token(struct checks *checks, const struct error *error,
                              enum preflight_model model, struct error **err) {
    bool refused = error->http_status == 401 && model != PREFLIGHT_MODEL_BY_API &&
                   model != PREFLIGHT_MODEL_BY_GIT;
    if (refused)
        return checks_add_error(checks, err, &subject_token, CHECK_FAIL, error);
    return checks_add(checks, err, &subject_token, CHECK_SKIPPED,
                      error->http_status == 404
                          ? "scopes and end of the token not checked: GitLab before 15.5 does not "
                            "tell them"
                          : "scopes and end of the token not checked: %s",
                      error->message);
}

static bool has_scope(const struct gitlab_server *server, const char *scope) {
    return strings_contain(&server->scopes, scope);
}

static int check_scopes(struct checks *checks, const struct gitlab_server *server,
                        enum preflight_model model, struct error **err) {
    cleanup_free char *scopes = strings_join(&server->scopes, ", ", err);
    if (scopes == NULL)
        return -1;
    if (has_scope(server, "api") || has_scope(server, "read_api"))
        return checks_add(checks, err, &subject_scopes, CHECK_OK, "the token's scopes suffice: %s",
                          scopes);
    bool by_git = has_scope(server, "read_repository") && model != PREFLIGHT_MODEL_FAILED;
    if (checks_add(checks, err, &subject_scopes, by_git ? CHECK_WARN : CHECK_FAIL,
                   by_git ? "the token's scopes (%s) let the model be read by Git only, without "
                            "checks of its files"
                          : "the token's scopes (%s) do not let it read projects",
                   scopes[0] != '\0' ? scopes : "none") < 0)
        return -1;
    return checks_hint(checks, err, "%s", secret_hint);
}

static int check_expiry(struct checks *checks, const struct gitlab_server *server, int64_t now_ms,
                        struct error **err) {
    const char *date = server->token_expires;
    if (date[0] == '\0')
        return checks_add(checks, err, &subject_expiry, CHECK_OK, "the token never expires");
    cleanup_free char *midnight = text_format(err, "%.10sT00:00:00Z", date);
    if (midnight == NULL)
        return -1;
    int64_t end_ms = time_parse_rfc3339(midnight);
    if (end_ms < 0)
        return checks_add(checks, err, &subject_expiry, CHECK_SKIPPED,
                          "expiry not checked: \"%.40s\" is no date", date);
    long long days = (long long)((end_ms - now_ms) / day_ms);
    bool soon = days < SOON_DAYS;
    if (checks_add(checks, err, &subject_expiry, soon ? CHECK_WARN : CHECK_OK,
                   "the token expires on %.10s, in %lld day%s", date, days,
                   days == 1 ? "" : "s") < 0)
        return -1;
    return soon
               ? checks_hint(checks, err, "the platform asks for tokens without an expiry date: %s",
                             secret_hint)
               : 0;
}

static int check_token(struct checks *checks, const struct gitlab_server *server,
                       enum preflight_model model, int64_t now_ms, struct error **err) {
    if (!server->has_token)
        return check_untold_token(checks, server->token_error, model, err);
    if (!server->token_active) {
        if (checks_add(checks, err, &subject_token, CHECK_FAIL,
                       "the token \"%.60s\" is revoked or expired", server->token_name) < 0)
            return -1;
        return checks_hint(checks, err, "%s", secret_hint);
    }
    if (checks_add(checks, err, &subject_token, CHECK_OK, "the token \"%.60s\" is valid",
                   server->token_name) < 0 ||
        check_scopes(checks, server, model, err) < 0)
        return -1;
    return check_expiry(checks, server, now_ms, err);
}

/* ---- all of it ---- */

int preflight_check_gitlab(struct checks *checks, const struct gitlab_facts *facts,
                           struct error **err) {
    const struct gitlab_server *server = facts->server;
    bool untrusted = error_has_reason(server->unreachable, HTTP_REASON_UNTRUSTED);
    if (check_https(checks, facts->base_url, err) < 0)
        return -1;
    if (server->unreachable != NULL) {
        if (checks_add_error(checks, err, untrusted ? &subject_certificate : &subject_reach,
                             CHECK_FAIL, server->unreachable) < 0)
            return -1;
        if (!text_contains(server->unreachable->message, "not trusted"))
            return 0;
        return checks_hint(checks, err,
                           "give the CA certificates of its issuer in GITLAB_CA_FILE, or as "
                           "MODEL_REPO_GIT_CA in ConfigMap aml-image-builder-config");
    }
    if (checks_add(checks, err, &subject_reach, CHECK_OK, "GitLab answers at %s", facts->base_url) <
        0)
        return -1;
    if (text_has_prefix(facts->base_url, "https://") &&
        check_certificate(checks, server, facts->skip_verification, facts->now_ms, err) < 0)
        return -1;
    if (check_version(checks, server, err) < 0 || check_hosting(checks, facts->base_url, err) < 0)
        return -1;
    return facts->has_token ? check_token(checks, server, facts->model, facts->now_ms, err)
                            : check_no_token(checks, err);
}

int preflight_check_lfs(struct checks *checks, enum model_lfs lfs, const char *project,
                        struct error **err) {
    switch (lfs) {
    case MODEL_LFS_ON:
        return checks_add(checks, err, &subject_lfs, CHECK_OK, "Git LFS is on for %s", project);
    case MODEL_LFS_OFF:
        if (checks_add(checks, err, &subject_lfs, CHECK_FAIL,
                       "Git LFS is off for %s: large files cannot be downloaded", project) < 0)
            return -1;
        return checks_hint(checks, err,
                           "switch it on: project Settings > General > Visibility, and in GitLab's "
                           "own configuration");
    case MODEL_LFS_UNKNOWN:
        break;
    }
    return checks_add(checks, err, &subject_lfs, CHECK_SKIPPED,
                      "Git LFS not checked: GitLab's API does not tell this token");
}
