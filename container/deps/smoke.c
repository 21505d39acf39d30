// Self-test of the prefix: one static program that uses every library the way the real one does,
// and says what is wrong. container/build links and runs it (under qemu for another architecture)
// before it calls a prefix complete.
#include <curl/curl.h>
#include <git2.h>
#include <jansson.h>
#include <mbedtls/ecp.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <yaml.h>
#include <zlib.h>

static bool expect(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "self-test: %s\n", what);
    }
    return condition;
}

static bool has_protocol(const curl_version_info_data *info, const char *name) {
    for (const char *const *protocol = info->protocols; *protocol != NULL; protocol++) {
        if (strcmp(*protocol, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_curl_features(void) {
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    const int wanted =
        CURL_VERSION_SSL | CURL_VERSION_LIBZ | CURL_VERSION_IPV6 | CURL_VERSION_ASYNCHDNS;
    bool ok = expect((info->features & wanted) == wanted,
                     "curl lacks TLS, gzip, IPv6 or the threaded resolver");
    ok &= expect(info->ssl_version != NULL && strncmp(info->ssl_version, "mbedTLS/3.6.", 12) == 0,
                 "curl's TLS is not mbedTLS 3.6");
    ok &= expect(has_protocol(info, "http") && has_protocol(info, "https"),
                 "curl lacks http or https");
    ok &= expect(!has_protocol(info, "file") && !has_protocol(info, "ftp"),
                 "curl speaks file or ftp");
    return ok;
}

// Transfers that must fail, each with its own error: a closed port, a certificate store that is
// none, a foreign protocol.
static bool check_curl_transfer(void) {
    CURL *easy = curl_easy_init();
    if (!expect(easy != NULL, "curl_easy_init failed")) {
        return false;
    }
    char not_pem[] = "this is no certificate";
    const struct curl_blob blob = {
        .data = not_pem, .len = sizeof(not_pem), .flags = CURL_BLOB_COPY};
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(easy, CURLOPT_URL, "http://localhost:1/");
    bool ok = expect(curl_easy_perform(easy) == CURLE_COULDNT_CONNECT,
                     "curl: a closed port is not 'could not connect'");
    curl_easy_setopt(easy, CURLOPT_URL, "ftp://127.0.0.1/");
    ok &= expect(curl_easy_perform(easy) == CURLE_UNSUPPORTED_PROTOCOL,
                 "curl: ftp is not an unsupported protocol");
    ok &= expect(curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK,
                 "curl takes no certificates from memory");
    ok &= expect(curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &blob) == CURLE_OK,
                 "curl takes no client key from memory");
    curl_easy_cleanup(easy);
    return ok;
}

static int no_randomness(void *user, unsigned char *out, size_t length) {
    (void)user;
    memset(out, 0, length);
    return 0;
}

// SCALAR times the point with the u-coordinate U on Curve25519.
static int multiply(unsigned char product[32], const unsigned char scalar[32],
                    const unsigned char u[32]) {
    mbedtls_ecp_keypair key;
    mbedtls_ecp_point point;
    size_t length = 0;
    mbedtls_ecp_keypair_init(&key);
    mbedtls_ecp_point_init(&point);
    int status = mbedtls_ecp_read_key(MBEDTLS_ECP_DP_CURVE25519, &key, scalar, 32);
    if (status == 0)
        status = mbedtls_ecp_point_read_binary(&key.private_grp, &point, u, 32);
    if (status == 0)
        status = mbedtls_ecp_mul(&key.private_grp, &point, &key.private_d, &point, no_randomness,
                                 NULL);
    if (status == 0)
        status = mbedtls_ecp_point_write_binary(
            &key.private_grp, &point, MBEDTLS_ECP_PF_COMPRESSED, &length, product, 32);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_keypair_free(&key);
    return status;
}

// RFC 7748 5.2: the iterated test vector, starting from scalar = u = 9, and a point of order one.
static bool check_x25519(void) {
    static const unsigned char after_one[32] = {
        0x42, 0x2c, 0x8e, 0x7a, 0x62, 0x27, 0xd7, 0xbc, 0xa1, 0x35, 0x0b,
        0x3e, 0x2b, 0xb7, 0x27, 0x9f, 0x78, 0x97, 0xb8, 0x7b, 0xb6, 0x85,
        0x4b, 0x78, 0x3c, 0x60, 0xe8, 0x03, 0x11, 0xae, 0x30, 0x79};
    static const unsigned char after_thousand[32] = {
        0x68, 0x4c, 0xf5, 0x9b, 0xa8, 0x33, 0x09, 0x55, 0x28, 0x00, 0xef,
        0x56, 0x6f, 0x2f, 0x4d, 0x3c, 0x1c, 0x38, 0x87, 0xc4, 0x93, 0x60,
        0xe3, 0x87, 0x5f, 0x2e, 0xb9, 0x4d, 0x99, 0x53, 0x2c, 0x51};
    static const unsigned char zero[32];
    unsigned char scalar[32] = {9};
    unsigned char u[32] = {9};
    bool ok = true;
    for (int round = 1; ok && round <= 1000; round++) {
        unsigned char product[32];
        ok = expect(multiply(product, scalar, u) == 0, "X25519 refuses a good point");
        memcpy(u, scalar, sizeof(u));
        memcpy(scalar, product, sizeof(scalar));
        if (round == 1)
            ok &= expect(memcmp(scalar, after_one, sizeof(scalar)) == 0, "X25519 is wrong");
    }
    ok &= expect(memcmp(scalar, after_thousand, sizeof(scalar)) == 0,
                 "X25519 is wrong after a thousand rounds");
    return ok & expect(multiply(u, scalar, zero) != 0, "X25519 takes a point of small order");
}

static bool check_git(void) {
    static const char expected[] =
        "ce013625030ba8dba906f756967f9e9ca394464a"; // `echo hello | git hash-object --stdin`
    git_oid id;
    char text[GIT_OID_SHA1_HEXSIZE + 1];
    git_remote *remote = NULL;
    bool ok = expect(git_odb_hash(&id, "hello\n", 6, GIT_OBJECT_BLOB) == 0, "git_odb_hash failed");
    ok &= expect(strcmp(git_oid_tostr(text, sizeof(text), &id), expected) == 0,
                 "libgit2 computes a wrong object id");
    ok &= expect((git_libgit2_features() & (GIT_FEATURE_HTTPS | GIT_FEATURE_SSH)) == 0,
                 "libgit2 has a network of its own");
    ok &= expect(git_remote_create_detached(&remote, "https://127.0.0.1:1/x.git") == 0,
                 "libgit2 makes no detached remote");
    ok &= expect(git_remote_connect(remote, GIT_DIRECTION_FETCH, NULL, NULL, NULL) != 0 &&
                     git_error_last() != NULL &&
                     strstr(git_error_last()->message, "unsupported URL protocol") != NULL,
                 "libgit2 has an https transport of its own");
    git_remote_free(remote);
    return ok;
}

static bool check_json(void) {
    json_error_t error;
    json_t *value =
        json_loads("{\"b\": [1, 2.5, true], \"a\": \"\\u00e9\"}", JSON_REJECT_DUPLICATES, &error);
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    const bool ok =
        expect(text != NULL && strcmp(text, "{\"a\":\"\xc3\xa9\",\"b\":[1,2.5,true]}") == 0,
               "jansson prints something else");
    free(text);
    json_decref(value);
    return ok;
}

static bool check_yaml(void) {
    static const char text[] =
        "pipeline_tag: text-generation # comment\r\nlibrary_name: 'transformers'\r\n";
    yaml_parser_t parser;
    yaml_document_t document;
    if (!expect(yaml_parser_initialize(&parser) == 1, "libyaml makes no parser")) {
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, sizeof(text) - 1);
    bool ok = expect(yaml_parser_load(&parser, &document) == 1, "libyaml does not parse");
    if (ok) {
        const yaml_node_t *value = yaml_document_get_node(&document, 3);
        ok = expect(value != NULL && value->type == YAML_SCALAR_NODE &&
                        strcmp((const char *)value->data.scalar.value, "text-generation") == 0,
                    "libyaml reads something else");
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return ok;
}

static bool check_zlib(void) {
    unsigned char packed[256];
    unsigned char unpacked[64];
    uLongf packed_size = sizeof(packed);
    uLongf unpacked_size = sizeof(unpacked);
    static const unsigned char text[] = "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb";
    return expect(compress(packed, &packed_size, text, sizeof(text)) == Z_OK &&
                      uncompress(unpacked, &unpacked_size, packed, packed_size) == Z_OK &&
                      unpacked_size == sizeof(text) && memcmp(unpacked, text, sizeof(text)) == 0,
                  "zlib does not give back what it was given");
}

// A static PIE is loaded somewhere else each time; a plain static program always at its link
// address.
static bool check_position(void) {
    return expect(getauxval(AT_BASE) == 0 && (unsigned long)&check_position > 0x10000000UL,
                  "not loaded as a static PIE");
}

int main(void) {
    if (!expect(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "curl_global_init failed") ||
        !expect(git_libgit2_init() > 0, "git_libgit2_init failed")) {
        return 1;
    }
    bool ok = check_position();
    ok &= check_curl_features();
    ok &= check_curl_transfer();
    ok &= check_x25519();
    ok &= check_git();
    ok &= check_json();
    ok &= check_yaml();
    ok &= check_zlib();
    git_libgit2_shutdown();
    curl_global_cleanup();
    return ok ? 0 : 1;
}
