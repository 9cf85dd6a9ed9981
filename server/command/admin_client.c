/* Where the admin port is, what it is asked with, and its errors as words and exit codes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/admin_client.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { TOKEN_BYTES = 4096, SHOWN_WORDS = 500 };

/* The socket first: it needs no port and no token to read. NULL: there is neither. */
static const char *
choose(const struct admin_client *client, bool *is_socket)
{
    const char *socket = client->conf->admin.socket, *address = client->conf->admin.address;
    *is_socket = socket[0] != '\0' && (address[0] == '\0' || access(socket, W_OK) == 0);
    return *is_socket ? socket : address[0] != '\0' ? address : NULL;
}

static int
find_address(struct admin_client *client)
{
    static const char scheme[] = "unix:";
    const struct command_input *in = client->in;
    const char *from = in->address;
    bool is_socket = from != NULL && strncmp(from, scheme, sizeof(scheme) - 1) == 0, fits;
    if (is_socket)
        from += sizeof(scheme) - 1;
    else if (from == NULL && (from = choose(client, &is_socket)) == NULL)
        return command_usage(in, "admin.address and admin.socket are off: there is nobody to ask");
    if (strncmp(from, "https:", 6) == 0)
        return command_usage(in, "the admin port speaks no TLS; write HOST:PORT or unix:PATH");
    if (is_socket)
        fits = snprintf(client->address, sizeof(client->address), "%s%s", scheme, from) <
               (int)sizeof(client->address);
    else
        fits = command_reachable(from, client->address, sizeof(client->address));
    return fits ? COMMAND_OK : command_usage(in, "the address of the admin port is too long");
}

static int
read_token(struct admin_client *client)
{
    const char *path = client->conf->admin.token_file;
    char bytes[TOKEN_BYTES];
    if (path[0] == '\0')
        return COMMAND_OK;
    FILE *file = fopen(path, "rb");
    size_t n = file != NULL ? fread(bytes, 1, sizeof(bytes), file) : 0;
    int error_number = file == NULL || ferror(file) ? errno : 0;
    if (file != NULL)
        fclose(file);
    if (error_number != 0) {
        command_tell(client->in, "admin.token_file %s: %s", path, strerror(error_number));
        return error_number == EACCES || error_number == EPERM ? COMMAND_PERMISSION
                                                               : COMMAND_NO_INPUT;
    }
    while (n > 0 && strchr("\r\n\t ", bytes[n - 1]) != NULL)
        n--;
    text_add_bytes(&client->token, bytes_of(bytes, n));
    return COMMAND_OK;
}

int
admin_client_open(struct admin_client *client, const struct command_input *in)
{
    *client = (struct admin_client){.in = in};
    int result = command_load_part(in, &client->conf);
    if (result == COMMAND_OK)
        result = find_address(client);
    if (result == COMMAND_OK)
        result = read_token(client);
    if (result != COMMAND_OK)
        admin_client_close(client);
    return result;
}

void
admin_client_close(struct admin_client *client)
{
    if (client->conf != NULL)
        conf_unref(&client->conf);
    text_fini(&client->token);
}

static int
tell_silence(const struct admin_client *client, const struct admin_client_call *call, enum err err)
{
    if (call->is_quiet)
        return err == ERR_PERMISSION ? COMMAND_PERMISSION : COMMAND_UNAVAILABLE;
    if (err == ERR_PERMISSION) {
        command_tell(client->in, "%s: %s", client->address, err_words(err));
        return COMMAND_PERMISSION;
    }
    command_tell(client->in,
                 "the admin port %s does not answer: %s; is spangate running there? Another one "
                 "is named by --addr or -c",
                 client->address, err_words(err));
    return COMMAND_UNAVAILABLE;
}

static int
exit_of_status(int status)
{
    switch (status) {
    case 400:
    case 413:
        return COMMAND_USAGE;
    case 401:
    case 403:
        return COMMAND_PERMISSION;
    case 404:
        return COMMAND_NO_INPUT;
    case 422:
        return COMMAND_CONFIG;
    default:
        return COMMAND_UNAVAILABLE;
    }
}

/* The service's own words, or the bare status where it had none. */
static int
tell_refusal(const struct admin_client *client, const struct admin_client_call *call, int status,
             const struct text *body)
{
    struct json_tree *answer = json_tree_read(text_bytes(body));
    struct bytes why = json_tree_text(answer, "error");
    struct text words = TEXT_EMPTY;
    if (why.n > 0)
        text_add_plain(&words, why, SHOWN_WORDS);
    else
        text_addf(&words, "%s answers with HTTP status %d; is it the admin port of this version?",
                  client->address, status);
    if ((status == 401 || status == 403) && client->token.n == 0)
        text_add(&words, "; give -c FILE or --set admin.token_file=FILE");
    if (!call->is_quiet && (status != 404 || !call->is_missing_quiet))
        command_tell(client->in, "%s", words.p);
    text_fini(&words);
    json_tree_free(&answer);
    return exit_of_status(status);
}

int
admin_client_call(const struct admin_client *client, const struct admin_client_call *call,
                  struct json_tree **out)
{
    struct http1_call http = {
        .address = client->address,
        .method = call->method,
        .path = call->path,
        .token = client->token.n > 0 ? client->token.p : NULL,
        .body = call->body,
        .timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : ADMIN_CLIENT_TIMEOUT_MS,
    };
    struct text body = TEXT_EMPTY;
    int status = 0, result = COMMAND_OK;
    enum err err = http1_call(&http, &status, &body);
    *out = NULL;
    if (err != ERR_OK)
        result = tell_silence(client, call, err);
    else if (status < 200 || status > 299)
        result = tell_refusal(client, call, status, &body);
    else if ((*out = json_tree_read(text_bytes(&body))) == NULL)
        result = tell_refusal(client, call, status, &body);
    text_fini(&body);
    return result;
}

int
admin_client_follow(const struct admin_client *client, const char *path, uint32_t timeout_ms,
                    const struct http1_follower *follower)
{
    const struct admin_client_call told = {.path = path};
    struct http1_call http = {
        .address = client->address,
        .path = path,
        .token = client->token.n > 0 ? client->token.p : NULL,
        .timeout_ms = timeout_ms,
    };
    struct text body = TEXT_EMPTY;
    int status = 0, result = COMMAND_OK;
    enum err err = http1_follow(&http, follower, &status, &body);
    if (err != ERR_OK)
        result = tell_silence(client, &told, err);
    else if (status != 0 && status / 100 != 2)
        result = tell_refusal(client, &told, status, &body);
    text_fini(&body);
    return result;
}

void
admin_client_add_query(struct text *path, const char *name, const char *value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    text_addf(path, "&%s=", name);
    for (; *value != '\0'; value++) {
        if (strchr(plain, *value) != NULL)
            text_addf(path, "%c", *value);
        else
            text_addf(path, "%%%02X", (unsigned char)*value);
    }
}
