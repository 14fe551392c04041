// Opening a listening TCP socket, with errors that say how to mend them. Internal to net/.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "net/connect.h"

namespace troupe::net {

/// `port` 0: any free one. Errors: invalid_argument, unavailable (in use), permission_denied.
Result<void> listen(tcp::acceptor& acceptor, const std::string& host, int port);

}  // namespace troupe::net
