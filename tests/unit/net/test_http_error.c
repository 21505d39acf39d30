#include "../cmocka_all.h"
#include "http_internal.h"

#include <errno.h>
#include <string.h>

struct row {
    const char *name;
    struct http_failure failure;
    enum retry_failure retry;
    enum error_kind kind;
    const char *cause; /* what follows "GitLab (h): " */
};

static const struct row rows[] = {
    {"refused",
     {.code = CURLE_COULDNT_CONNECT, .os_errno = ECONNREFUSED},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "connection refused"},
    {"no route",
     {.code = CURLE_COULDNT_CONNECT, .os_errno = EHOSTUNREACH},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "no route to the host"},
    {"unknown errno",
     {.code = CURLE_COULDNT_CONNECT, .text = "Failed to connect to h port 1"},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "Failed to connect to h port 1"},
    {"refused by the server itself",
     {.code = CURLE_COULDNT_CONNECT,
      .text = "Failed to connect to h port 443 after 0 ms: Couldn't connect to server",
      .os_errno = ECONNREFUSED},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "connection refused"},
    {"refused by the proxy",
     {.code = CURLE_COULDNT_CONNECT,
      .text = "Failed to connect to proxy port 3128 after 0 ms: Couldn't connect to server",
      .os_errno = ECONNREFUSED},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "the proxy proxy:3128 cannot be reached (connection refused)"},
    {"refused by a proxy with an IPv6 address",
     {.code = CURLE_COULDNT_CONNECT,
      .text = "Failed to connect to ::1 port 3128 after 0 ms: Couldn't connect to server",
      .os_errno = ECONNREFUSED},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "the proxy [::1]:3128 cannot be reached (connection refused)"},
    {"no words at all", {.code = CURLE_COULDNT_CONNECT}, RETRY_NOT_SENT, ERROR_UNREACHABLE, NULL},
    {"DNS",
     {.code = CURLE_COULDNT_RESOLVE_HOST},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "the host name cannot be resolved"},
    {"DNS of the proxy",
     {.code = CURLE_COULDNT_RESOLVE_PROXY},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "the name of the proxy cannot be resolved"},
    {"connect timeout",
     {.code = CURLE_OPERATION_TIMEDOUT, .timeout_ms = 30000},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "no connection within 15s"},
    {"connect timeout of a shorter attempt",
     {.code = CURLE_OPERATION_TIMEDOUT, .timeout_ms = 2000},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "no connection within 2.0s"},
    {"no answer",
     {.code = CURLE_OPERATION_TIMEDOUT, .timeout_ms = 30000, .sent = true},
     RETRY_BROKEN,
     ERROR_UNREACHABLE,
     "no answer within 30s"},
    {"half an answer",
     {.code = CURLE_OPERATION_TIMEDOUT,
      .timeout_ms = 30000,
      .sent = true,
      .status = 200,
      .received = 7},
     RETRY_BROKEN,
     ERROR_UNREACHABLE,
     "the answer was not complete within 30s (7 bytes came)"},
    {"empty",
     {.code = CURLE_GOT_NOTHING, .sent = true},
     RETRY_BROKEN,
     ERROR_UNREACHABLE,
     "the server closed the connection without an answer"},
    {"reset",
     {.code = CURLE_RECV_ERROR, .sent = true, .os_errno = ECONNRESET},
     RETRY_BROKEN,
     ERROR_UNREACHABLE,
     "the connection broke before an answer came (connection reset)"},
    {"reset by words",
     {.code = CURLE_RECV_ERROR, .sent = true, .text = "Recv failure: Connection reset by peer"},
     RETRY_BROKEN,
     ERROR_UNREACHABLE,
     "the connection broke before an answer came (connection reset)"},
    {"reset in the body",
     {.code = CURLE_RECV_ERROR, .sent = true, .status = 200, .received = 5, .os_errno = ECONNRESET},
     RETRY_BROKEN,
     ERROR_UNREACHABLE,
     "the connection broke in the middle of the answer, after 5 bytes (connection reset)"},
    {"reset by the proxy before sending",
     {.code = CURLE_RECV_ERROR, .os_errno = ECONNRESET},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "the connection broke before an answer came (connection reset)"},
    {"cut off",
     {.code = CURLE_PARTIAL_FILE, .sent = true, .received = 10},
     RETRY_BROKEN,
     ERROR_UNREACHABLE,
     "the answer was cut off after 10 bytes"},
    {"too large",
     {.code = CURLE_WRITE_ERROR, .body_too_large = true, .body_limit = 4096},
     RETRY_UNTRUSTED,
     ERROR_INTERNAL,
     "the answer is larger than 4096 bytes"},
    {"header too large",
     {.code = CURLE_WRITE_ERROR, .headers_too_large = true},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the header of the answer is larger than 65536 bytes"},
    {"proxy wants a password",
     {.code = CURLE_RECV_ERROR, .proxy_status = 407},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the proxy refused the connection with HTTP 407"},
    {"proxy is busy",
     {.code = CURLE_RECV_ERROR, .proxy_status = 503},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "the proxy refused the connection with HTTP 503"},
    {"proxy let it through",
     {.code = CURLE_GOT_NOTHING, .proxy_status = 200, .sent = true},
     RETRY_BROKEN,
     ERROR_UNREACHABLE,
     "the server closed the connection without an answer"},
    {"proxy URL with a password",
     {.code = CURLE_COULDNT_CONNECT,
      .text = "Unsupported proxy scheme for 'ftp://user:s3cret@p:1'"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the URL of the proxy cannot be used (Unsupported proxy scheme for 'ftp://***********@p:1')"},
    {"malformed URL with a password",
     {.code = CURLE_URL_MALFORMAT, .text = "Bad http://u:s3cret@h"},
     RETRY_UNTRUSTED,
     ERROR_INTERNAL,
     "the URL of the server or its proxy is not valid"},

    /* OpenSSL's words */
    {"issuer",
     {.code = CURLE_PEER_FAILED_VERIFICATION,
      .text = "SSL certificate problem: unable to get local issuer certificate"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the server's certificate is signed by an authority that is not trusted "
     "(SSL certificate problem: unable to get local issuer certificate)"},
    {"expired",
     {.code = CURLE_PEER_FAILED_VERIFICATION,
      .text = "SSL certificate problem: certificate has expired"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the server's certificate has expired"},
    {"early",
     {.code = CURLE_PEER_FAILED_VERIFICATION,
      .text = "SSL certificate problem: certificate is not yet valid"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the server's certificate is not valid yet"},
    {"name",
     {.code = CURLE_PEER_FAILED_VERIFICATION,
      .text = "SSL: no alternative certificate subject name matches target host name 'n.example'"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the server's certificate is not for the name \"n.example\""},
    {"TLS on a plain port",
     {.code = CURLE_SSL_CONNECT_ERROR, .text = "error:0A00010B:SSL routines::wrong version number"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the TLS handshake failed (error:0A00010B:SSL routines::wrong version number)"},
    {"hung up",
     {.code = CURLE_SSL_CONNECT_ERROR,
      .text = "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to h:443"},
     RETRY_NOT_SENT,
     ERROR_UNREACHABLE,
     "the connection was closed during the TLS handshake"},

    /* mbedTLS's words */
    {"issuer (mbedTLS)",
     {.code = CURLE_PEER_FAILED_VERIFICATION,
      .text = "mbedTLS: The certificate is not correctly signed by the trusted CA\n"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the server's certificate is signed by an authority that is not trusted "
     "(mbedTLS: The certificate is not correctly signed by the trusted CA)"},
    {"name and issuer (mbedTLS)",
     {.code = CURLE_PEER_FAILED_VERIFICATION,
      .text = "mbedTLS: The certificate Common Name (CN) does not match with the expected CN\n"
              "The certificate is not correctly signed by the trusted CA\n"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the server's certificate is signed by an authority that is not trusted "
     "(mbedTLS: The certificate Common Name (CN) does not match with the expected CN "
     "The certificate is not correctly signed by the trusted CA)"},
    {"expired (mbedTLS)",
     {.code = CURLE_PEER_FAILED_VERIFICATION,
      .text = "mbedTLS: The certificate validity has expired\n"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the server's certificate has expired"},
    {"early (mbedTLS)",
     {.code = CURLE_PEER_FAILED_VERIFICATION,
      .text = "mbedTLS: The certificate validity starts in the future\n"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the server's certificate is not valid yet"},
    {"usage (mbedTLS)",
     {.code = CURLE_PEER_FAILED_VERIFICATION,
      .text = "mbedTLS: Usage does not match the extendedKeyUsage extension\n"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the server's certificate was refused (mbedTLS: Usage does not match the extendedKeyUsage "
     "extension)"},
    {"CA bundle (mbedTLS)",
     {.code = CURLE_SSL_CERTPROBLEM,
      .text = "Error importing ca cert blob - mbedTLS: (-0x2180) X509 - invalid"},
     RETRY_UNTRUSTED,
     ERROR_UNREACHABLE,
     "the CA certificates that were given cannot be read (Error importing ca cert blob - mbedTLS: "
     "(-0x2180) X509 - invalid)"},
};

static void sentences(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_failure failure = rows[i].failure;
        failure.server = "GitLab";
        failure.host = "h";
        failure.name = "n.example";
        cleanup_error struct error *error = NULL;
        enum retry_failure retry = http_failure_error(&failure, &error);
        assert_non_null(error);
        print_message("%s: %s\n", rows[i].name, error->message);
        assert_int_equal(retry, rows[i].retry);
        assert_int_equal(error->kind, rows[i].kind);
        assert_int_equal(strncmp(error->message, "GitLab (h): ", 12), 0);
        if (rows[i].cause != NULL)
            assert_string_equal(error->message + 12, rows[i].cause);
        else
            assert_true(strlen(error->message) > 20);
        assert_null(strchr(error->message, '\n'));
        assert_null(strstr(error->message, "s3cret"));
    }
}

static void an_unnamed_server_is_the_server(void **state) {
    (void)state;
    const struct http_failure failure = {.code = CURLE_GOT_NOTHING, .host = "h:1"};
    cleanup_error struct error *error = NULL;
    http_failure_error(&failure, &error);
    assert_string_equal(error->message,
                        "the server (h:1): the server closed the connection without an answer");
}

static void the_hint_knows_whose_authority_failed(void **state) {
    (void)state;
    struct http_failure failure = {
        .code = CURLE_PEER_FAILED_VERIFICATION, .host = "h", .text = "self-signed certificate"};
    cleanup_error struct error *system = NULL;
    cleanup_error struct error *own = NULL;
    http_failure_error(&failure, &system);
    failure.own_ca = true;
    http_failure_error(&failure, &own);
    assert_string_equal(system->hint, "Give the CA certificate that signed it.");
    assert_non_null(strstr(own->hint, "give the right one"));
}

static void out_of_memory_is_that(void **state) {
    (void)state;
    const struct http_failure failures[] = {
        {.code = CURLE_OUT_OF_MEMORY, .host = "h"},
        {.code = CURLE_WRITE_ERROR, .host = "h", .no_memory = true}};
    for (size_t i = 0; i < 2; i++) {
        cleanup_error struct error *error = NULL;
        assert_int_equal(http_failure_error(&failures[i], &error), RETRY_UNTRUSTED);
        assert_string_equal(error->message, "out of memory");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences),
        cmocka_unit_test(an_unnamed_server_is_the_server),
        cmocka_unit_test(the_hint_knows_whose_authority_failed),
        cmocka_unit_test(out_of_memory_is_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
