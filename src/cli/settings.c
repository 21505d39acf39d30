#include "cli/settings.h"

#include "base/text.h"

int settings_init(struct settings *settings, struct error **err) {
    char **texts[] = {&settings->kubeconfig,    &settings->context,      &settings->results_dir,
                      &settings->output,        &settings->runtime_file, &settings->wait_for,
                      &settings->record,        &settings->replay,       &settings->service_account,
                      &settings->kserve_version};
    for (size_t i = 0; i < array_length(texts); i++) {
        *texts[i] = text_copy("", err);
        if (*texts[i] == NULL)
            return -1;
    }
    return 0;
}

void settings_free(struct settings *settings) {
    free(settings->kubeconfig);
    free(settings->context);
    free(settings->results_dir);
    free(settings->output);
    free(settings->runtime_file);
    free(settings->kserve_version);
    free(settings->wait_for);
    free(settings->record);
    free(settings->replay);
    free(settings->service_account);
    *settings = (struct settings){0};
}
