/* Certificates made on the spot, as PEM files in a directory of the test's own. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/check.h"

enum { YEAR_S = 365 * 24 * 3600 };

static void
add_extension(X509 *cert, int kind, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, kind, value);
    check(extension != NULL);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *
new_cert(const char *name, EVP_PKEY *key, const X509 *issuer, long begin_s, long end_s)
{
    static long serial = 1;
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), begin_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), end_s);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : subject);
    X509_set_pubkey(cert, key);
    return cert;
}

static void
write_cert(const char *path, X509 *cert)
{
    FILE *file = fopen(path, "w");
    check(file != NULL && PEM_write_X509(file, cert) == 1);
    fclose(file);
}

static void
write_key(const char *path, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");
    check(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(file);
}

void
certificates_make(struct certificates *made, long begin_s, long end_s)
{
    check(temp_dir_make(made->directory) == 0);
    snprintf(made->ca, sizeof(made->ca), "%s/ca.crt", made->directory);
    snprintf(made->cert, sizeof(made->cert), "%s/own.crt", made->directory);
    snprintf(made->key, sizeof(made->key), "%s/own.key", made->directory);
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    check(ca_key != NULL && key != NULL);
    X509 *ca = new_cert("authority", ca_key, NULL, -YEAR_S, YEAR_S);
    add_extension(ca, NID_basic_constraints, "critical,CA:TRUE");
    check(X509_sign(ca, ca_key, EVP_sha256()) > 0);
    X509 *cert = new_cert("localhost", key, ca, begin_s, end_s);
    add_extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    check(X509_sign(cert, ca_key, EVP_sha256()) > 0);
    write_cert(made->ca, ca);
    write_cert(made->cert, cert);
    write_key(made->key, key);
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

void
certificates_remove(struct certificates *made)
{
    check(temp_dir_remove(made->directory) == 0);
}
