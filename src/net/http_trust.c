/* Whom a transfer trusts, which name it verifies, and by which proxy it goes. */

#include "base/text.h"
#include "http_internal.h"
#include "net/trust_roots.h"
#include "net/url.h"

#include <string.h>
#include <strings.h>

/* The system's CA certificates, owned by the client; NULL with an error. */
static const char *system_roots(struct http_client *client, struct error **err) {
    if (client->system_roots == NULL &&
        trust_roots_read(&client->system_roots, client->deps, err) < 0)
        return NULL;
    if (client->system_roots == NULL) {
        error_new(err, ERROR_UNREACHABLE,
                  "this system has no CA certificates to verify servers with");
        error_hint(err, "Give the server's CA certificate, or set SSL_CERT_FILE to a PEM bundle.");
    }
    return client->system_roots;
}

/* CA_PEM and the system's roots as one text, which the client keeps; NULL with an error. */
static const char *merged_roots(struct http_client *client, const char *ca_pem,
                                struct error **err) {
    for (const struct http_bundle *kept = client->bundles; kept != NULL; kept = kept->next)
        if (text_equal(kept->ca_pem, ca_pem))
            return kept->merged;
    const char *roots = system_roots(client, err);
    if (roots == NULL)
        return NULL;
    cleanup_free char *copy = text_copy(ca_pem, err);
    cleanup_free char *merged = text_format(err, "%s\n%s", ca_pem, roots);
    if (copy == NULL || merged == NULL)
        return NULL;
    struct http_bundle *bundle = calloc(1, sizeof(*bundle));
    if (bundle == NULL) {
        error_no_memory(err);
        return NULL;
    }
    bundle->next = client->bundles;
    bundle->ca_pem = steal_pointer(copy);
    bundle->merged = steal_pointer(merged);
    client->bundles = bundle;
    return bundle->merged;
}

static const char *roots_of(struct http_client *client, const struct http_trust *trust,
                            struct error **err) {
    if (trust == NULL || trust->ca_pem == NULL)
        return system_roots(client, err);
    if (trust->add_system_roots)
        return merged_roots(client, trust->ca_pem, err);
    return trust->ca_pem;
}

static CURLcode set_blob(CURL *easy, CURLoption option, const char *text, size_t length) {
    union {
        const char *constant;
        void *plain; /* what the struct wants; with NOCOPY libcurl only reads */
    } data = {.constant = text};
    struct curl_blob blob = {.data = data.plain, .len = length, .flags = CURL_BLOB_NOCOPY};
    return curl_easy_setopt(easy, option, &blob);
}

static int set_roots(struct http_transfer *transfer, struct error **err) {
    const struct http_trust *trust = transfer->request->trust;
    CURL *easy = transfer->easy;
    if (trust != NULL && trust->skip_verification) {
        CURLcode code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        if (code == CURLE_OK)
            code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        return http_check_option(code, err);
    }
    const char *roots = roots_of(transfer->client, trust, err);
    if (roots == NULL)
        return -1;
    CURLcode code = set_blob(easy, CURLOPT_CAINFO_BLOB, roots, strlen(roots));
    /* the library's own default directory would add to the blob */
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (code == CURLE_NOT_BUILT_IN)
        code = CURLE_OK; /* no directories in this TLS library */
    return http_check_option(code, err);
}

static int set_client_certificate(struct http_transfer *transfer, struct error **err) {
    const struct http_trust *trust = transfer->request->trust;
    if (trust == NULL || trust->client_certificate_pem == NULL || trust->client_key_pem == NULL)
        return 0;
    CURL *easy = transfer->easy;
    const char *certificate = trust->client_certificate_pem;
    CURLcode code = set_blob(easy, CURLOPT_SSLCERT_BLOB, certificate, strlen(certificate));
    /* mbedTLS tells PEM by the NUL at the end, so it counts */
    if (code == CURLE_OK)
        code = set_blob(easy, CURLOPT_SSLKEY_BLOB, trust->client_key_pem,
                        strlen(trust->client_key_pem) + 1);
    return http_check_option(code, err);
}

static void free_curl_url(CURLU **url) {
    curl_url_cleanup(*url);
}

static void free_curl_text(char **text) {
    curl_free(*text);
}

/* The request's URL with another host, for the TLS name. */
static int set_renamed_url(struct http_transfer *transfer, const char *name, struct error **err) {
    cleanup(free_curl_url) CURLU *url = curl_url();
    cleanup(free_curl_text) char *renamed = NULL;
    if (url == NULL)
        return error_no_memory(err);
    CURLUcode code = curl_url_set(url, CURLUPART_URL, transfer->request->url, 0);
    if (code == CURLUE_OK)
        code = curl_url_set(url, CURLUPART_HOST, name, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_URL, &renamed, 0);
    if (code == CURLUE_OUT_OF_MEMORY)
        return error_no_memory(err);
    if (code != CURLUE_OK)
        return error_new(err, ERROR_PARAMETER, "the TLS server name is not valid: %s",
                         curl_url_strerror(code));
    return http_check_option(curl_easy_setopt(transfer->easy, CURLOPT_URL, renamed), err);
}

static int add_host(struct http_transfer *transfer, const char *host, struct error **err) {
    cleanup_free char *line = text_format(err, "Host: %s", host);
    if (line == NULL)
        return -1;
    struct curl_slist *headers = curl_slist_append(transfer->headers, line);
    if (headers == NULL)
        return error_no_memory(err);
    transfer->headers = headers;
    return 0;
}

/*
 * libcurl takes SNI and the verified name from the URL. So the URL names the certificate's host,
 * CURLOPT_CONNECT_TO sends it to the real one, and the Host header stays the real one's unless the
 * trust says otherwise.
 */
static int set_server_name(struct http_transfer *transfer, const struct url *url,
                           struct error **err) {
    const struct http_trust *trust = transfer->request->trust;
    if (trust == NULL || text_is_empty(trust->server_name) ||
        text_equal_ignoring_case(trust->server_name, url->host))
        return 0;
    cleanup_free char *host = http_display_host(transfer->request->url, err);
    bool v6 = strchr(url->host, ':') != NULL;
    cleanup_free char *target =
        text_format(err, "::%s%s%s:%s", v6 ? "[" : "", url->host, v6 ? "]" : "", url->port);
    if (host == NULL || target == NULL)
        return -1;
    if (!trust->server_name_is_host && add_host(transfer, host, err) < 0)
        return -1;
    transfer->connect_to = curl_slist_append(NULL, target);
    if (transfer->connect_to == NULL)
        return error_no_memory(err);
    if (set_renamed_url(transfer, trust->server_name, err) < 0)
        return -1;
    return http_check_option(
        curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to), err);
}

static bool is_https(const char *url) {
    return url != NULL && strncasecmp(url, "https://", strlen("https://")) == 0;
}

/* True when the environment may send requests to a proxy that itself speaks TLS. */
static bool environment_names_tls_proxy(const struct environment *environment) {
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy",
                                        "ALL_PROXY"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (is_https(environment_get(environment, names[i])))
            return true;
    return false;
}

/* A proxy's certificate is the system's business, never the server's CA. */
static int set_proxy(struct http_transfer *transfer, struct error **err) {
    const struct http_trust *trust = transfer->request->trust;
    const char *proxy = trust != NULL ? trust->proxy : NULL;
    if (proxy != NULL) {
        CURLcode code = curl_easy_setopt(transfer->easy, CURLOPT_PROXY, proxy);
        /* a proxy that was named is used; the environment's exceptions belong to its own proxies */
        if (code == CURLE_OK)
            code = curl_easy_setopt(transfer->easy, CURLOPT_NOPROXY, "");
        if (http_check_option(code, err) < 0)
            return -1;
    }
    bool tls = proxy != NULL ? is_https(proxy)
                             : environment_names_tls_proxy(transfer->client->deps->environment);
    if (!tls)
        return 0;
    const char *roots = system_roots(transfer->client, err);
    if (roots == NULL)
        return -1;
    CURLcode code = set_blob(transfer->easy, CURLOPT_PROXY_CAINFO_BLOB, roots, strlen(roots));
    return code == CURLE_NOT_BUILT_IN ? 0 : http_check_option(code, err);
}

int http_trust_apply(struct http_transfer *transfer, struct error **err) {
    cleanup_url struct url url = {0};
    if (url_parse(&url, transfer->request->url, "the request's URL", ERROR_INTERNAL, err) < 0)
        return -1;
    if (set_proxy(transfer, err) < 0)
        return -1;
    const struct http_trust *trust = transfer->request->trust;
    if (!text_equal(url.scheme, "https"))
        return trust != NULL && trust->server_name_is_host ? set_server_name(transfer, &url, err)
                                                           : 0;
    CURLcode code =
        curl_easy_setopt(transfer->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (http_check_option(code, err) < 0 || set_roots(transfer, err) < 0 ||
        set_client_certificate(transfer, err) < 0)
        return -1;
    return set_server_name(transfer, &url, err);
}
