// A listening socket.
#pragma once

#include <cstdint>
#include <string>

#include <asio.hpp>

#include "address.hpp"

namespace host {

// Opens `acceptor`, which does not block then, and says its port; port 0 is any free one. Otherwise `error` is a sentence about why
// it cannot.
std::uint16_t listen_on(asio::ip::tcp::acceptor& acceptor, const HostPort& at, std::string& error);

}  // namespace host
