#include "listen.hpp"

namespace host {

std::uint16_t listen_on(asio::ip::tcp::acceptor& acceptor, const HostPort& at, std::string& error) {
    using asio::ip::tcp;
    asio::error_code failure;
    const auto address = asio::ip::make_address(at.host, failure);
    if (failure) {
        error = "'" + at.host + "' is not an address to listen on.";
        return 0;
    }
    const tcp::endpoint endpoint{address, at.port};
    std::uint16_t port = 0;
    acceptor.open(endpoint.protocol(), failure);
    if (!failure) acceptor.set_option(tcp::acceptor::reuse_address{true}, failure);
    if (!failure) acceptor.bind(endpoint, failure);
    if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
    if (!failure) acceptor.non_blocking(true, failure);
    if (!failure) port = acceptor.local_endpoint(failure).port();
    if (!failure) return port;
    error = "Cannot listen on " + at.host + " port " + std::to_string(at.port) + ": " + failure.message() + ".";
    asio::error_code ignored;
    acceptor.close(ignored);
    return 0;
}

}  // namespace host
