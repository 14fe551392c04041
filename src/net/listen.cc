#include "net/listen.h"

namespace troupe::net {

Result<void> listen(tcp::acceptor& acceptor, const std::string& host, int port) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (error)
    return fail(Errc::invalid_argument, "host: '" + host + "' is not an IP address", {},
                "use 127.0.0.1 for this machine only, 0.0.0.0 for all interfaces");
  if (port < 0 || port > 65535)
    return fail(Errc::invalid_argument, "port: " + std::to_string(port) + " is not in 0..65535");
  const tcp::endpoint endpoint(address, static_cast<unsigned short>(port));
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(1'024, error);
  if (!error) return {};
  const std::string where = host + ":" + std::to_string(port);
  if (error == asio::error::address_in_use)
    return fail(Errc::unavailable, "http server: address " + where + " is in use", {},
                "stop the other program, or choose another port (0 takes any free one)");
  if (error == asio::error::access_denied)
    return fail(Errc::permission_denied, "http server: not allowed to listen on " + where, {},
                "choose a port above 1023");
  return fail(Errc::unavailable, "http server: cannot listen on " + where + ": " + error.message());
}

}  // namespace troupe::net
