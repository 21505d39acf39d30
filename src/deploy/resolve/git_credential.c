#include "deploy/git_credential.h"

#include "base/text.h"
#include "deploy/netrc.h"
#include "net/url.h"

#include <string.h>

enum {
    GIT_TIMEOUT_MS = 10 * 1000,
    LONGEST_ANSWER = 16 * 1024,
    LONGEST_NETRC = 256 * 1024,
};

void git_credential_free(struct git_credential *credential) {
    free(credential->username);
    secret_free(credential->token);
    free(credential->origin);
    *credential = (struct git_credential){.token = NULL};
}

static int fill(struct git_credential *out, const char *username, const char *token,
                const char *origin, struct error **err) {
    git_credential_free(out);
    out->username = text_copy(username, err);
    out->token = text_copy(token, err);
    out->origin = text_copy(origin, err);
    return out->username != NULL && out->token != NULL && out->origin != NULL ? 0 : -1;
}

/* ---- git credential fill ---- */

/* The value of "KEY=value" in the lines of TEXT, owned; NULL with or without an error. */
static char *line_of(const char *text, const char *key, struct error **err) {
    size_t length = strlen(key);
    for (const char *line = text; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        if (size > length && strncmp(line, key, length) == 0 && line[length] == '=')
            return text_copy_bytes(line + length + 1, size - length - 1, err);
        line += size + (line[size] == '\n');
    }
    return NULL;
}

/* 1 with a login, 0 without, -1 when out of memory. */
static int take_answer(struct git_credential *out, const char *answer, struct error **err) {
    struct error *problem = NULL;
    cleanup_secret char *token = line_of(answer, "password", &problem);
    cleanup_secret char *username = line_of(answer, "username", &problem);
    if (problem != NULL)
        return error_take(err, problem);
    if (text_is_empty(token))
        return 0;
    return fill(out, username != NULL ? username : "", token, "git credential", err) == 0 ? 1 : -1;
}

static int ask_git(struct git_credential *out, const struct url *url, const struct deps *deps,
                   struct error **err) {
    static const char *const arguments[] = {"git", "credential", "fill", NULL};
    static const char *const environment[] = {
        "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=",
        "GCM_INTERACTIVE=never", "LC_ALL=C",     NULL};
    cleanup_free char *base = url_base(url, err);
    cleanup_free char *question = base != NULL ? text_format(err, "url=%s\n\n", base) : NULL;
    if (question == NULL)
        return -1;
    const struct process_request request = {.arguments = arguments,
                                            .environment = environment,
                                            .input = question,
                                            .timeout_ms = GIT_TIMEOUT_MS,
                                            .cancel_descriptor = deps->cancel_descriptor,
                                            .quiet = true};
    struct process_result result = {.output = BUFFER_INIT(LONGEST_ANSWER)};
    result.output.secret = true;
    struct error *problem = NULL;
    int found = 0;
    bool ran = deps->processes->run(deps->processes->user, &request, &result, &problem) == 0;
    if (!ran && problem != NULL && problem->kind == ERROR_CANCELED)
        found = error_take(err, steal_pointer(problem));
    else if (!ran)
        log_debug(deps->log, "git credential: %s", problem != NULL ? problem->message : "failed");
    else if (result.exit_code != 0)
        log_debug(deps->log, "git credential has no login for %s", url->host);
    else
        found = take_answer(out, buffer_text(&result.output), err);
    error_free(problem);
    buffer_free(&result.output);
    return found;
}

/* ---- netrc ---- */

static int read_netrc(struct git_credential *out, const struct url *url, const struct deps *deps,
                      struct error **err) {
    const char *home = environment_get(deps->environment, "HOME");
    if (text_is_empty(home))
        return 0;
    cleanup_free char *path = text_format(err, "%s/.netrc", home);
    if (path == NULL)
        return -1;
    const struct file_access *files = deps->files;
    if (!files->exists(files->user, path))
        return 0;
    struct buffer text = BUFFER_INIT(LONGEST_NETRC);
    text.secret = true;
    struct error *problem = NULL;
    int found = 0;
    cleanup_netrc_login struct netrc_login login = {.password = NULL};
    if (files->read(files->user, path, &text, &problem) < 0)
        log_debug(deps->log, "%s", problem != NULL ? problem->message : path);
    else
        found = netrc_find(&login, buffer_text(&text), url->host, err);
    error_free(problem);
    buffer_free(&text);
    if (found == 1 && fill(out, login.username, login.password, path, err) < 0)
        return -1;
    return found;
}

int git_credential_find(struct git_credential *out, const char *url_text, const struct deps *deps,
                        struct error **err) {
    cleanup_git_credential struct git_credential found = {.token = NULL};
    if (fill(&found, "", "", "", err) < 0)
        return -1;
    cleanup_url struct url url = {0};
    bool usable = url_parse(&url, url_text, "the Git server", ERROR_PARAMETER, NULL) == 0 &&
                  strcmp(url.scheme, "https") == 0;
    if (usable) {
        int result = ask_git(&found, &url, deps, err);
        if (result == 0)
            result = read_netrc(&found, &url, deps, err);
        if (result < 0)
            return -1;
    }
    *out = found;
    found = (struct git_credential){.token = NULL};
    return 0;
}
