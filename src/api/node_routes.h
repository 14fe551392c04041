// Which requests are about a session, and what a node is asked and answers for another. Pure, but
// for the machine's name.
#pragma once

#include <string>

#include "api/nodes.h"
#include "api/operations.h"
#include "api/router.h"

namespace troupe::api {

/// The session that a request is about; empty: none.
std::string session_asked_for(const Route& route, const net::HttpRequest& request);
/// Whether what an operation names, and this node does not know, may be in another one's folder: a
/// download, a context, an extension, a certificate.
bool may_be_anothers(const Operation& operation);
/// What a node that only works answers to everybody.
bool is_for_probes(const Operation* operation);

/// That the session ended with its node.
Error gone_with_node(const RemoteSession& session);
/// The answer to an operation on such a session. Errors: gone.
Result<net::HttpResponse> gone_answer(const Operation& operation, const RemoteSession& session);

/// Puts what the client called the service in place of what the other node called it.
void take_client_host(net::HttpRequest& request);

/// Errors: invalid_argument.
Result<void> check_node_url(const std::string& url);
/// How others reach a node that listens there.
std::string default_node_url(const std::string& host, int port);

}  // namespace troupe::api
