#include "cli/commands.h"

#include "base/json.h"
#include "base/text.h"
#include "cli/application.h"
#include "cli/version.h"
#include "model/git.h"
#include "net/http.h"

int command_version(struct application *application, struct error **err) {
    const char *format = application->invocation->settings.output;
    char libraries[HTTP_LIBRARY_SIZE];
    http_library_version(libraries, sizeof(libraries));
    char git[32];
    git_library_version(git, sizeof(git));
    cleanup_json json_t *version =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "version", version_project, "commit", version_commit,
                  "http", libraries, "libgit2", git, "jansson", jansson_version_str());
    if (version == NULL)
        return error_no_memory(err);
    if (text_equal(format, "json")) {
        cleanup_free char *text = json_pretty_text(version, err);
        if (text == NULL)
            return -1;
        fprintf(application->output, "%s\n", text);
        return 0;
    }
    fprintf(application->output, "deploy-inference-service %s (%s)\n", version_project,
            version_commit);
    fprintf(application->output, "%s\nlibgit2 %s\njansson %s\n", libraries, git,
            jansson_version_str());
    return 0;
}
