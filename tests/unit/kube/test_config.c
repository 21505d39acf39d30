/* kubeconfig files and the pod's account become one configuration, as client-go has it. */
#include "../cmocka_all.h"

#include "../torture.h"
#include "base/memory.h"
#include "base/text.h"
#include "kube/config.h"
#include "memory_files.h"

#include <stdlib.h>
#include <string.h>

#define PEM "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
#define PEM_BASE64                                                                                 \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUIKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="

#define CONFIG(clusters, users, contexts, more)                                                    \
    "apiVersion: v1\nkind: Config\nclusters: [" clusters "]\nusers: [" users                       \
    "]\ncontexts: [" contexts "]\n" more
#define CLUSTER(body)      "{name: c, cluster: {" body "}}"
#define USER(body)         "{name: u, user: {" body "}}"
#define CONTEXT            "{name: x, context: {cluster: c, user: u, namespace: demo}}"
#define CURRENT            "current-context: x\n"
#define WITH_USER(body)    CONFIG(CLUSTER("server: \"https://k:6443\""), USER(body), CONTEXT, CURRENT)
#define WITH_CLUSTER(body) CONFIG(CLUSTER(body), USER("token: t"), CONTEXT, CURRENT)

struct load {
    const struct memory_file *files;
    const char *const *variables;
    struct kube_config_options options;
};

static int load(struct kube_config **out, const struct load *load, struct error **err) {
    const struct file_access files = memory_files(load->files);
    const struct environment environment = {.variables = load->variables};
    const struct deps deps = {.clock = &clock_system,
                              .files = &files,
                              .environment = &environment,
                              .cancel_descriptor = -1,
                              .service_account_directory = "/account"};
    return kube_config_load(out, &load->options, &deps, err);
}

#define FILES(...)     ((const struct memory_file[]){__VA_ARGS__, {NULL, NULL}})
#define VARIABLES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The configuration of TEXT as --kubeconfig /k/config. */
static struct kube_config *of_text(const char *text) {
    const struct load request = {
        .files = FILES({"/k/config", text}, {"/k/ca.crt", PEM}, {"/k/t", "from-file\n"}),
        .options = {.kubeconfig = "/k/config"}};
    struct kube_config *config = NULL;
    cleanup_error struct error *error = NULL;
    if (load(&config, &request, &error) < 0)
        fail_msg("%s", error->message);
    return config;
}

static void a_context_is_taken_with_its_cluster_and_user(void **state) {
    (void)state;
    cleanup_kube_config struct kube_config *config =
        of_text(CONFIG(CLUSTER("server: \"https://k:6443/prefix/\", certificate-authority: ca.crt, "
                               "tls-server-name: name, proxy-url: \"socks5://p:1080\""),
                       USER("tokenFile: t, token: direct"), CONTEXT, CURRENT));
    assert_string_equal(config->server, "https://k:6443/prefix");
    assert_string_equal(config->ca_pem, PEM);
    assert_string_equal(config->server_name, "name");
    assert_string_equal(config->proxy, "socks5://p:1080");
    assert_string_equal(config->namespace_, "demo");
    assert_string_equal(config->user.token_file, "/k/t");
    assert_string_equal(config->user.token, "direct");
    assert_string_equal(config->origin, "context \"x\" of /k/config");
    assert_false(config->in_cluster);
}

static void data_is_decoded(void **state) {
    (void)state;
    cleanup_kube_config struct kube_config *config = of_text(CONFIG(
        CLUSTER("server: \"https://k\", certificate-authority-data: " PEM_BASE64),
        USER("client-certificate-data: " PEM_BASE64 ", client-key: ca.crt"), CONTEXT, CURRENT));
    assert_string_equal(config->ca_pem, PEM);
    assert_string_equal(config->user.client_certificate_pem, PEM);
    assert_string_equal(config->user.client_key_pem, PEM);
}

static void plain_http_has_neither_authority_nor_names(void **state) {
    (void)state;
    cleanup_kube_config struct kube_config *config = of_text(
        WITH_CLUSTER("server: \"k:8080\", certificate-authority: ca.crt, tls-server-name: n"));
    assert_string_equal(config->server, "http://k:8080");
    assert_null(config->ca_pem);
    assert_null(config->server_name);
}

static void a_plugin_is_read_whole(void **state) {
    (void)state;
    cleanup_kube_config struct kube_config *config = of_text(WITH_USER(
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/login, args: [a, \"1\"], "
        "env: [{name: A, value: b=c}, {name: B}], interactiveMode: Never, installHint: get it, "
        "provideClusterInfo: true}"));
    const struct kube_exec *exec = config->user.exec;
    assert_non_null(exec);
    assert_string_equal(exec->command, "/k/bin/login");
    assert_int_equal(exec->arguments.count, 2);
    assert_string_equal(exec->arguments.items[1], "1");
    assert_string_equal(exec->environment.items[0], "A=b=c");
    assert_string_equal(exec->environment.items[1], "B=");
    assert_string_equal(exec->install_hint, "get it");
    assert_true(exec->provide_cluster_info);
}

static void a_bare_plugin_name_is_left_to_path(void **state) {
    (void)state;
    cleanup_kube_config struct kube_config *config = of_text(
        WITH_USER("exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: login}"));
    assert_string_equal(config->user.exec->command, "login");
    assert_string_equal(config->user.exec->interactive_mode, "IfAvailable");
}

static void impersonation_is_read(void **state) {
    (void)state;
    cleanup_kube_config struct kube_config *config = of_text(WITH_USER(
        "token: t, as: jane, as-uid: \"7\", as-groups: [a, b], as-user-extra: {scopes: [x]}"));
    assert_string_equal(config->user.impersonate, "jane");
    assert_string_equal(config->user.impersonate_uid, "7");
    assert_int_equal(config->user.impersonate_groups.count, 2);
    assert_int_equal(json_object_size(config->user.impersonate_extra), 1);
}

static void bad_files_name_file_entry_and_field(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *said;
    } cases[] = {
        {"- a", "is no kubeconfig"},
        {"kind: Pod", "kind Pod"},
        {"apiVersion: v2", "apiVersion v2"},
        {"a: [", "/k/config"},
        {"clusters: 5", "clusters must be a list"},
        {"clusters: [a]", "element 1 of clusters"},
        {"clusters: [{name: 5}]", "element 1 of clusters"},
        {"users: [{name: u, user: a}]", "user \"u\" must be a mapping"},
        {"users: [{name: u}, {name: u}]", "duplicate name \"u\" in users"},
        {"current-context: x", "\"x\" does not exist"},
        {"contexts: [" CONTEXT "]\n" CURRENT, "names the cluster \"c\", which does not exist"},
        {"contexts: [{name: x, context: {}}]\n" CURRENT, "context \"x\": cluster is missing"},
        {"contexts: [" CONTEXT "]", "sets no current-context"},
        {"", "names no cluster"},
        {WITH_CLUSTER(""), "cluster \"c\": server is missing"},
        {WITH_CLUSTER("server: 5"), "server must be text"},
        {WITH_CLUSTER("server: \"ftp://k\""), "server"},
        {WITH_CLUSTER("server: \"https://me:pw@k\""), "must not contain a user or password"},
        {WITH_CLUSTER("server: \"https://k\", certificate-authority: none.crt"), "/k/none.crt"},
        {WITH_CLUSTER("server: \"https://k\", certificate-authority-data: \"***\""),
         "certificate-authority-data"},
        {WITH_CLUSTER("server: \"https://k\", certificate-authority: ca.crt, "
                      "certificate-authority-data: " PEM_BASE64),
         "certificate-authority"},
        {WITH_CLUSTER("server: \"https://k\", certificate-authority: ca.crt, "
                      "insecure-skip-tls-verify: true"),
         "exclude each other"},
        {WITH_CLUSTER("server: \"https://k\", insecure-skip-tls-verify: \"yes\""),
         "must be true or false"},
        {WITH_CLUSTER("server: \"https://k\", proxy-url: \"ftp://p\""), "proxy-url must begin"},
        {WITH_USER("token: 5"), "token must be text"},
        {WITH_USER("token: a, username: b, password: c"), "exclude each other"},
        {WITH_USER("client-certificate: ca.crt"), "needs client-key"},
        {WITH_USER("as-groups: [a]"), "need the user to impersonate"},
        {WITH_USER("as: a, as-user-extra: {b: c}"), "lists of texts"},
        {WITH_USER("auth-provider: {name: gcp}"), "auth-provider \"gcp\" is not supported"},
        {WITH_USER("exec: a"), "exec must be a mapping"},
        {WITH_USER("exec: {command: a}"), "exec.apiVersion is missing"},
        {WITH_USER("exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: a}"),
         "v1alpha1 is not supported"},
        {WITH_USER("exec: {apiVersion: client.authentication.k8s.io/v1}"),
         "exec.command is missing"},
        {WITH_USER("exec: {apiVersion: client.authentication.k8s.io/v1, command: a}"),
         "interactiveMode must be"},
        {WITH_USER("exec: {apiVersion: client.authentication.k8s.io/v1, command: a, "
                   "interactiveMode: Never, env: [{name: \"a=b\"}]}"),
         "without a usable name"},
        {WITH_USER("exec: {apiVersion: client.authentication.k8s.io/v1, command: a, "
                   "interactiveMode: Never, args: {}}"),
         "args must be a list"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        const struct load request = {.files =
                                         FILES({"/k/config", cases[i].text}, {"/k/ca.crt", PEM}),
                                     .options = {.kubeconfig = "/k/config"}};
        struct kube_config *config = NULL;
        cleanup_error struct error *error = NULL;
        if (load(&config, &request, &error) == 0)
            fail_msg("case %zu is taken", i);
        assert_null(config);
        assert_int_equal(error->kind, ERROR_PARAMETER);
        if (strstr(error->message, cases[i].said) == NULL)
            fail_msg("case %zu: \"%s\" lacks \"%s\"", i, error->message, cases[i].said);
    }
}

static void secrets_stay_out_of_messages(void **state) {
    (void)state;
    static const char *const texts[] = {
        WITH_USER("token: hunter2, username: hunter2, password: hunter2"),
        WITH_USER("token: [hunter2]"),
        WITH_USER("client-key-data: \"*hunter2\", client-certificate: ca.crt"),
        WITH_CLUSTER("server: \"https://me:hunter2@k\""),
    };
    for (size_t i = 0; i < array_length(texts); i++) {
        const struct load request = {.files = FILES({"/k/config", texts[i]}, {"/k/ca.crt", PEM}),
                                     .options = {.kubeconfig = "/k/config"}};
        struct kube_config *config = NULL;
        cleanup_error struct error *error = NULL;
        assert_int_equal(load(&config, &request, &error), -1);
        assert_null(strstr(error->message, "hunter2"));
    }
}

static void the_first_file_that_has_an_entry_wins(void **state) {
    (void)state;
    const struct load request = {
        .files = FILES({"/a/one", CONFIG(CLUSTER("server: \"https://one\""), "", "", "")},
                       {"/b/two", CONFIG(CLUSTER("server: \"https://two\", tls-server-name: two"),
                                         USER("token: two"), CONTEXT, CURRENT)}),
        .variables = VARIABLES("KUBECONFIG=/none::/a/one:/b/two", "HOME=/h/me")};
    cleanup_kube_config struct kube_config *config = NULL;
    assert_int_equal(load(&config, &request, NULL), 0);
    assert_string_equal(config->server, "https://one");
    assert_null(config->server_name); /* the entry as a whole */
    assert_string_equal(config->user.token, "two");
}

static void an_option_comes_before_the_environment(void **state) {
    (void)state;
    static const char other[] =
        CONFIG(CLUSTER("server: \"https://k\""), USER("token: t"),
               CONTEXT ", {name: y, context: {cluster: c, user: u, namespace: other}}", CURRENT);
    struct load request = {.files = FILES({"/k/config", other}, {"/h/me/.kube/config", other}),
                           .variables = VARIABLES("KUBECONFIG=/none", "HOME=/h/me"),
                           .options = {.kubeconfig = "/k/config", .context = "y"}};
    cleanup_kube_config struct kube_config *config = NULL;
    assert_int_equal(load(&config, &request, NULL), 0);
    assert_string_equal(config->namespace_, "other");

    /* KUBECONFIG, set, hides ~/.kube/config */
    request.options = (struct kube_config_options){0};
    struct kube_config *none = NULL;
    cleanup_error struct error *error = NULL;
    assert_int_equal(load(&none, &request, &error), -1);
    assert_int_equal(error->kind, ERROR_PARAMETER);
    assert_non_null(strstr(error->hint, "name one with --kubeconfig"));
    assert_non_null(strstr(error->hint, "/none"));

    request.variables = VARIABLES("HOME=/h/me");
    cleanup_kube_config struct kube_config *home = NULL;
    assert_int_equal(load(&home, &request, NULL), 0);
    assert_string_equal(home->namespace_, "demo");
}

static void a_wrong_context_gets_a_suggestion(void **state) {
    (void)state;
    const struct load request = {.files = FILES({"/k/config", WITH_USER("token: t")}),
                                 .options = {.kubeconfig = "/k/config", .context = "xx"}};
    struct kube_config *config = NULL;
    cleanup_error struct error *error = NULL;
    assert_int_equal(load(&config, &request, &error), -1);
    assert_non_null(strstr(error->message, "context \"xx\" does not exist"));
    assert_string_equal(error->hint, "did you mean \"x\"?");
}

static void in_a_pod_the_account_is_used(void **state) {
    (void)state;
    struct load request = {
        .files = FILES({"/account/token", "t"}, {"/account/ca.crt", PEM},
                       {"/account/namespace", " demo\n"}),
        .variables = VARIABLES("KUBERNETES_SERVICE_HOST=fd00::1", "KUBERNETES_SERVICE_PORT=6443")};
    cleanup_kube_config struct kube_config *config = NULL;
    assert_int_equal(load(&config, &request, NULL), 0);
    assert_true(config->in_cluster);
    assert_string_equal(config->server, "https://[fd00::1]:6443");
    assert_string_equal(config->user.token_file, "/account/token");
    assert_string_equal(config->namespace_, "demo");
    assert_string_equal(config->ca_pem, PEM);

    request.files = FILES({"/account/token", "t"});
    struct kube_config *without = NULL;
    cleanup_error struct error *error = NULL;
    assert_int_equal(load(&without, &request, &error), -1);
    assert_non_null(strstr(error->message, "no usable certificate authority"));
}

static int load_once(void *user) {
    const struct load *request = user;
    struct kube_config *config = NULL;
    struct error *error = NULL;
    int result = load(&config, request, &error);
    if (result < 0) {
        assert_null(config);
        assert_non_null(error);
    }
    kube_config_free(config);
    error_free(error);
    return result;
}

static void without_memory_nothing_leaks(void **state) {
    (void)state;
    struct load request = {
        .files = FILES(
            {"/k/config",
             CONFIG(
                 CLUSTER("server: \"https://k\", certificate-authority-data: " PEM_BASE64),
                 USER("exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/a, args: "
                      "[b], env: [{name: A, value: b}], interactiveMode: Never}, as: jane, "
                      "as-groups: [g]"),
                 CONTEXT, CURRENT)}),
        .options = {.kubeconfig = "/k/config"}};
    torture(load_once, &request);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_is_taken_with_its_cluster_and_user),
        cmocka_unit_test(data_is_decoded),
        cmocka_unit_test(plain_http_has_neither_authority_nor_names),
        cmocka_unit_test(a_plugin_is_read_whole),
        cmocka_unit_test(a_bare_plugin_name_is_left_to_path),
        cmocka_unit_test(impersonation_is_read),
        cmocka_unit_test(bad_files_name_file_entry_and_field),
        cmocka_unit_test(secrets_stay_out_of_messages),
        cmocka_unit_test(the_first_file_that_has_an_entry_wins),
        cmocka_unit_test(an_option_comes_before_the_environment),
        cmocka_unit_test(a_wrong_context_gets_a_suggestion),
        cmocka_unit_test(in_a_pod_the_account_is_used),
        cmocka_unit_test(without_memory_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
