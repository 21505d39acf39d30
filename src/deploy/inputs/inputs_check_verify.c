#include "inputs_check.h"

#include "base/text.h"
#include "net/url.h"

#include <string.h>

static int check_endpoint(struct inputs *inputs, struct problems *problems, struct error **err) {
    static const struct {
        const char *text;
        enum verify_mode mode;
    } words[] = {{"", VERIFY_OFF},
                 {"false", VERIFY_OFF},
                 {"true", VERIFY_IN_CLUSTER},
                 {"external", VERIFY_EXTERNAL}};
    const char *given = inputs->verify_endpoint;
    inputs->verify = VERIFY_OFF;
    for (size_t i = 0; i < array_length(words); i++) {
        if (text_equal(given, words[i].text)) {
            inputs->verify = (int)words[i].mode;
            return 0;
        }
    }
    static const char *const hint =
        "false, true (the address in the cluster), external (status.url), or a URL such as "
        "https://ingress.example.com";
    if (strstr(given, "://") == NULL)
        return problems_add(problems, err, true, "VERIFY_ENDPOINT", hint,
                            "VERIFY_ENDPOINT is \"%.80s\", which is none of its values", given);
    cleanup_url struct url url = {0};
    cleanup_error struct error *failure = NULL;
    if (url_parse(&url, given, "VERIFY_ENDPOINT", ERROR_PARAMETER, &failure) < 0)
        return problems_add(problems, err, true, "VERIFY_ENDPOINT", hint, "%s",
                            failure != NULL ? failure->message : "VERIFY_ENDPOINT is no URL");
    if (url.has_credentials || url.has_query)
        return problems_add(problems, err, true, "VERIFY_ENDPOINT", hint,
                            "VERIFY_ENDPOINT must be a URL without user, password and query");
    inputs->verify = VERIFY_URL;
    return 0;
}

static int check_files(const struct inputs *inputs, struct problems *problems, struct error **err) {
    if (inputs->verify_key_file[0] != '\0' && inputs->verify_certificate_file[0] == '\0' &&
        problems_add(problems, err, true, "VERIFY_KEY_FILE", "set VERIFY_CERTIFICATE_FILE too",
                     "VERIFY_KEY_FILE is set but VERIFY_CERTIFICATE_FILE is not: a key alone is no "
                     "client certificate") < 0)
        return -1;
    const char *name = inputs->verify_server_name;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-._";
    if (name[0] == '\0' || (strspn(name, letters) == strlen(name) && strlen(name) <= 253))
        return 0;
    return problems_add(problems, err, true, "VERIFY_SERVER_NAME", "for example qwen.models.test",
                        "VERIFY_SERVER_NAME \"%.80s\" is no host name (no scheme, no port)", name);
}

static int check_use(const struct inputs *inputs, struct problems *problems, struct error **err) {
    const struct {
        const char *parameter;
        const char *text;
    } others[] = {{"VERIFY_CA_FILE", inputs->verify_ca_file},
                  {"VERIFY_SERVER_NAME", inputs->verify_server_name},
                  {"VERIFY_CERTIFICATE_FILE", inputs->verify_certificate_file},
                  {"VERIFY_MODEL_NAME", inputs->verify_model}};
    if (inputs->verify != VERIFY_OFF)
        return 0;
    for (size_t i = 0; i < array_length(others); i++)
        if (others[i].text[0] != '\0' &&
            problems_add(problems, err, false, others[i].parameter, "set VERIFY_ENDPOINT",
                         "%s has no effect: VERIFY_ENDPOINT is not set", others[i].parameter) < 0)
            return -1;
    return 0;
}

int inputs_check_verify(struct inputs *inputs, struct problems *problems, struct error **err) {
    size_t errors = problems->errors;
    if (check_endpoint(inputs, problems, err) < 0 || check_files(inputs, problems, err) < 0)
        return -1;
    return problems->errors == errors ? check_use(inputs, problems, err) : 0;
}
