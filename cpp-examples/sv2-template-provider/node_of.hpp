// The node that the options ask for.
#pragma once

#include <asio.hpp>

#include <memory>
#include <string>

#include "node.hpp"
#include "options.hpp"

// Why this program can never serve it, in a sentence; empty if it can.
std::string why_no_node(const Options& options);

// Nothing, with a sentence in `error`, if it cannot be had. That Bitcoin Core does not run is no error.
std::unique_ptr<Node> node_of(const Options& options, asio::io_context& context, std::string& error);
