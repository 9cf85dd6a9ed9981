/* Who may report: the token in a call's metadata or in a request's head. */
/* SPDX-License-Identifier: Apache-2.0 */
/* OAP compares the value of `authentication` and answers PERMISSION_DENIED (protocol.md 10). Not
 * every client sends it with every call: Go agents ask for configuration, profiling and pprof tasks
 * without, another proxy shows it on streams only. So a call without one passes when its connection
 * has shown one before, or when it is a control call (class B and C) and those are exempt. A wrong
 * one never passes. Health is asked by probes, which have none. OAP looks at no token over HTTP; we
 * ask for one in every request there, for proxies put many clients' requests on one connection.
 * Tokens are never logged. */
#include "base/log.h"
#include "base/secret.h"
#include "receive/receive_int.h"

static bool
is_control(const struct method_row *method)
{
    return method != NULL && (method->method_class == KIND_B || method->method_class == KIND_C);
}

void
receive_set_auth(struct receive *receive, const struct receive_auth *auth)
{
    receive->parts.auth = *auth;
}

bool
receive_auth_knows(const struct receive *receive, struct bytes shown)
{
    const struct receive_auth *auth = &receive->parts.auth;
    return auth->n_tokens == 0 || secret_is_one_of(shown, auth->tokens, auth->n_tokens);
}

static bool
may_pass(struct receive *receive, struct grpc_call *call, const struct method_row *method)
{
    const struct receive_auth *auth = &receive->parts.auth;
    struct bytes shown = grpc_call_header(call, "authentication");
    if (auth->n_tokens == 0 || (method != NULL && method->method_class == KIND_L))
        return true;
    if (shown.n > 0) {
        bool is_right = receive_auth_knows(receive, shown);
        if (is_right)
            grpc_call_trust(call, GRPC_TRUSTED);
        return is_right;
    }
    return grpc_call_trusts(call) == GRPC_TRUSTED ||
           (auth->exempts_control_calls && is_control(method));
}

bool
receive_auth_passes(struct receive *receive, struct grpc_call *call,
                    const struct method_row *method)
{
    if (may_pass(receive, call, method))
        return true;
    if (grpc_call_trusts(call) == GRPC_STRANGER) {
        grpc_call_trust(call, GRPC_DENIED);
        metric_add(receive->parts.metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_AUTH, 1);
    }
    log_debug("receive", "call without a valid token", "method=%s peer=%s",
              method != NULL ? method->token : "unknown", grpc_call_peer(call));
    return false;
}
