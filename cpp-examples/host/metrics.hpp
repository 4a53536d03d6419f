// Figures for Prometheus, on an address of their own: GET /metrics, in its text format, version 0.0.4.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <asio.hpp>

#include "address.hpp"

namespace host {

// Writes figures one after the other, each family with its samples.
class MetricsText {
public:
    using Label = std::pair<std::string_view, std::string_view>;

    // `type` is "counter" or "gauge". The samples that follow are of this family.
    MetricsText& family(std::string_view name, std::string_view type, std::string_view help);
    MetricsText& sample(double value, std::initializer_list<Label> labels = {});
    // Counters are whole numbers: these stay exact beyond 2^53.
    MetricsText& sample(std::uint64_t value, std::initializer_list<Label> labels = {});

    const std::string& text() const { return text_; }

private:
    void begin_sample(std::initializer_list<Label> labels);

    std::string text_;
    std::string name_;
};

// Answers a few clients at a time, one request each: whoever is slow, talks too much or comes in a crowd is cut off.
class MetricsServer {
public:
    // `text` is asked at each request; it outlives the server.
    MetricsServer(asio::io_context& context, std::function<std::string()> text);
    ~MetricsServer();

    // Opens the listening socket and answers from now on; port 0 is any free one. Empty, or a sentence about why it cannot.
    [[nodiscard]] std::string listen(const HostPort& at);
    std::uint16_t port() const { return port_; }

private:
    struct Request;
    void accept();

    const std::function<std::string()> text_;
    asio::ip::tcp::acceptor acceptor_;
    asio::steady_timer pause_;
    std::uint16_t port_ = 0;
    const std::shared_ptr<std::size_t> open_ = std::make_shared<std::size_t>(0);
};

}  // namespace host
