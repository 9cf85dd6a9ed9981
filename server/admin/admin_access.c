/* Reads the token, and looks at each request before its handler does. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* A header list is taken up to 8 KiB. */
enum { TOKEN_MAX_BYTES = 4096, TOKEN_MIN_BYTES = 8, HOST_MAX = 256 };

/* What the header can carry, or why not. */
static const char *
check_token(struct text *token)
{
    while (token->n > 0 && (token->p[token->n - 1] == '\n' || token->p[token->n - 1] == '\r'))
        token->p[--token->n] = '\0';
    if (token->n < TOKEN_MIN_BYTES)
        return "a token has at least 8 characters";
    for (size_t i = 0; i < token->n; i++)
        if (token->p[i] <= ' ' || token->p[i] >= 0x7f)
            return "a token is one line of printable characters without spaces";
    return NULL;
}

/* Why the file cannot be taken, or NULL. */
static const char *
read_token(int descriptor, struct text *token, bool *is_public)
{
    struct stat status;
    char buffer[4096];
    ssize_t n;
    if (fstat(descriptor, &status) != 0)
        return strerror(errno);
    if (!S_ISREG(status.st_mode))
        return "not a file";
    *is_public = (status.st_mode & S_IROTH) != 0;
    while ((n = read(descriptor, buffer, sizeof(buffer))) > 0) {
        text_add_bytes(token, bytes_of(buffer, (size_t)n));
        if (token->n > TOKEN_MAX_BYTES)
            return "larger than 4 KiB";
    }
    return n < 0 ? strerror(errno) : check_token(token);
}

enum err
admin_access_init(struct admin_access *access, const char *token_file, struct text *why)
{
    *access = (struct admin_access){.token = TEXT_EMPTY};
    if (token_file[0] == '\0')
        return ERR_OK;
    enum err err = ERR_CONFIG;
    bool is_public = false;
    const char *wrong;
    int descriptor = open(token_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        err = err_from_errno(errno);
        wrong = strerror(errno);
    } else {
        wrong = read_token(descriptor, &access->token, &is_public);
        close(descriptor);
    }
    if (wrong == NULL) {
        if (is_public)
            log_warn("admin", "the token can be read by everybody on this machine", "file=%s",
                     token_file);
        return ERR_OK;
    }
    admin_access_fini(access);
    text_addf(why, "admin.token_file %s: %s", token_file, wrong);
    return err;
}

void
admin_access_fini(struct admin_access *access)
{
    if (access->token.p != NULL)
        explicit_bzero(access->token.p, access->token.n);
    text_fini(&access->token);
}

/* Takes as long whatever the first difference is. */
static bool
is_token(const struct admin_access *access, const char *shown)
{
    size_t n = strlen(shown);
    unsigned differs = n != access->token.n;
    for (size_t i = 0; i < n; i++)
        differs |= (unsigned)(shown[i] ^ access->token.p[i % access->token.n]);
    return differs == 0;
}

/* Bearer TOKEN (RFC 6750, 2.1). */
static bool
has_token(const struct admin_access *access, const struct http1_request *request)
{
    static const char scheme[] = "Bearer ";
    const char *shown = http1_header(request, "Authorization");
    if (access->token.n == 0 || shown == NULL ||
        strncasecmp(shown, scheme, sizeof(scheme) - 1) != 0)
        return false;
    shown += sizeof(scheme) - 1;
    return is_token(access, shown + strspn(shown, " "));
}

static bool
is_loopback(const struct net_address *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    if (address->storage.ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (address->storage.ss_family != AF_INET6)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return v6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool
is_any(const struct net_address *address)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    if (address->storage.ss_family == AF_INET)
        return v4->sin_addr.s_addr == htonl(INADDR_ANY);
    return address->storage.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static bool
is_same_host(const struct net_address *a, const struct net_address *b)
{
    if (a->storage.ss_family != b->storage.ss_family)
        return false;
    if (a->storage.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&a->storage)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)&b->storage)->sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)&a->storage)->sin6_addr,
                              &((const struct sockaddr_in6 *)&b->storage)->sin6_addr);
}

/* A host of the header Host as an address; without a port, port 0 is put behind it. */
static bool
parse_host(const char *host, struct net_address *out)
{
    char text[HOST_MAX];
    size_t n = strlen(host);
    if (n == 0 || host[0] == ':' || n + sizeof(":0") > sizeof(text))
        return false;
    bool is_bare = host[0] == '[' ? host[n - 1] == ']' : strchr(host, ':') == NULL;
    memcpy(text, host, n + 1);
    if (is_bare)
        memcpy(text + n, ":0", sizeof(":0"));
    return net_address_parse(text, out) == ERR_OK;
}

/* "localhost:11880", "[::1]" and the like: a forwarded port may have another number. A numeric
 * address cannot be a name that somebody else lets point here. */
static bool
is_our_host(const struct admin_access *access, const char *host)
{
    static const char local[] = "localhost";
    struct net_address address;
    size_t n = sizeof(local) - 1;
    if (strncasecmp(host, local, n) == 0 && (host[n] == '\0' || host[n] == ':'))
        return true;
    return parse_host(host, &address) && (is_loopback(&address) || is_any(&access->bound) ||
                                          is_same_host(&address, &access->bound));
}

/* Origin: "http://HOST" (RFC 6454, 7) where Host says HOST; "null" is nobody's. */
static bool
is_same_origin(const char *origin, const char *host)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (strncasecmp(origin, schemes[i], n) == 0)
            return strcasecmp(origin + n, host) == 0;
    }
    return false;
}

/* What a browser adds on its own, and no page can leave out. */
static const char *
page_refusal(const struct http1_request *request, const char *host, bool is_change)
{
    const char *origin = http1_header(request, "Origin");
    const char *site = http1_header(request, "Sec-Fetch-Site");
    if (origin != NULL && (host == NULL || !is_same_origin(origin, host)))
        return "a page of another origin asks: that is not allowed";
    if (is_change && site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return "a page of another site asks for a change: that is not allowed";
    return NULL;
}

/* Without the token: what it would have been needed for. */
static const char *
token_refusal(const struct admin_access *access, const struct net_address *peer, bool is_change)
{
    bool is_local = peer->storage.ss_family == AF_UNIX || is_loopback(peer);
    if (!is_local && access->token.n == 0)
        return "only this machine may ask; set admin.token_file for others";
    if (!is_local)
        return "the token is missing or wrong: Authorization: Bearer TOKEN";
    if (is_change && access->token.n > 0)
        return "a change needs the token: Authorization: Bearer TOKEN";
    return NULL;
}

const char *
admin_access_refusal(const struct admin_access *access, const struct http1_request *request,
                     bool is_change)
{
    struct net_address peer;
    const char *host = http1_header(request, "Host");
    if (!http1_peer(request, &peer))
        return "the connection is gone";
    bool any_host = has_token(access, request) || peer.storage.ss_family == AF_UNIX;
    if (!any_host && (host == NULL || !is_our_host(access, host)))
        return "the Host of the request is not this machine; use localhost, its address, or the "
               "token";
    const char *refusal = page_refusal(request, host, is_change);
    if (refusal == NULL && !has_token(access, request))
        refusal = token_refusal(access, &peer, is_change);
    return refusal;
}
