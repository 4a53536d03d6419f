#include "metrics.hpp"

#include <charconv>
#include <chrono>
#include <cmath>
#include <system_error>
#include <utility>

#include "listen.hpp"
#include "log.hpp"

namespace host {
namespace {

using asio::ip::tcp;

constexpr std::size_t most_at_once = 16;
constexpr std::size_t longest_request = 4096;
constexpr auto patience = std::chrono::seconds{5};

// How many bytes at the beginning of `text` are one character of UTF-8; 0 if they are none.
std::size_t character_length(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    if (byte(0) < 0x80) return 1;
    const std::size_t length = byte(0) >= 0xc2 && byte(0) < 0xe0 ? 2 : byte(0) >= 0xe0 && byte(0) < 0xf0 ? 3
                             : byte(0) >= 0xf0 && byte(0) < 0xf5 ? 4 : 0;
    if (length == 0 || text.size() < length) return 0;
    for (std::size_t at = 1; at < length; ++at) {
        if ((byte(at) & 0xc0) != 0x80) return 0;
    }
    // Longer than need be, a surrogate, or beyond the last character.
    const bool is_none = (byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xed && byte(1) >= 0xa0) ||
                         (byte(0) == 0xf0 && byte(1) < 0x90) || (byte(0) == 0xf4 && byte(1) >= 0x90);
    return is_none ? 0 : length;
}

// Peers choose what stands in labels: what is no UTF-8 would have the reader refuse all figures, and becomes U+FFFD.
void append_escaped(std::string& to, std::string_view text, bool quotes) {
    while (!text.empty()) {
        const std::size_t length = character_length(text);
        const std::string_view character = length == 0 ? "\xef\xbf\xbd" : text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
        const char c = character.front();
        if (c == '\\') {
            to += "\\\\";
        } else if (c == '\n') {
            to += "\\n";
        } else if (c == '"' && quotes) {
            to += "\\\"";
        } else {
            to += character;
        }
    }
}

std::string response(std::string_view status, std::string_view type, std::string_view body) {
    std::string text = "HTTP/1.1 ";
    text.append(status).append("\r\nContent-Type: ").append(type);
    text.append("\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\nConnection: close\r\n\r\n").append(body);
    return text;
}

std::string answer(std::string_view request, const std::function<std::string()>& metrics) {
    const std::string_view line = request.substr(0, request.find("\r\n"));
    const bool is_get = line.starts_with("GET ");
    if (!is_get) return response("405 Method Not Allowed", "text/plain", "only GET\n");
    const std::string_view path = line.substr(4, line.find_first_of(" ?", 4) - 4);
    if (path != "/metrics") return response("404 Not Found", "text/plain", "the figures are at /metrics\n");
    return response("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics());
}

// With many channels the text takes a while to make, in the thread that everything else waits for.
std::function<std::string()> remembered(std::function<std::string()> text) {
    using Clock = std::chrono::steady_clock;
    static constexpr auto good_for = std::chrono::seconds{1};
    struct Last {
        std::string text;
        Clock::time_point made{};
    };
    // Requests have copies of the function, and all of them the same text.
    return [text = std::move(text), last = std::make_shared<Last>()] {
        if (const auto now = Clock::now(); last->text.empty() || now - last->made >= good_for) *last = {text(), now};
        return last->text;
    };
}

}  // namespace

MetricsText& MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_.append("# HELP ").append(name).append(" ");
    append_escaped(text_, help, false);
    text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
    return *this;
}

void MetricsText::begin_sample(std::initializer_list<Label> labels) {
    text_ += name_;
    char before = '{';
    for (const auto& [label, value] : labels) {
        text_ += before;
        text_.append(label).append("=\"");
        append_escaped(text_, value, true);
        text_ += '"';
        before = ',';
    }
    text_ += before == ',' ? "} " : " ";
}

MetricsText& MetricsText::sample(double value, std::initializer_list<Label> labels) {
    begin_sample(labels);
    if (std::isnan(value)) {
        text_ += "NaN";
    } else if (std::isinf(value)) {
        text_ += value > 0 ? "+Inf" : "-Inf";
    } else {
        char digits[32];
        text_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    }
    text_ += '\n';
    return *this;
}

MetricsText& MetricsText::sample(std::uint64_t value, std::initializer_list<Label> labels) {
    begin_sample(labels);
    text_.append(std::to_string(value)).append("\n");
    return *this;
}

// One request. It lives as long as something waits for its socket, and that is not longer than `patience`.
struct MetricsServer::Request : std::enable_shared_from_this<Request> {
    Request(tcp::socket from, std::function<std::string()> figures, std::shared_ptr<std::size_t> counted)
        : socket(std::move(from)), limit(socket.get_executor()), metrics(std::move(figures)), open(std::move(counted)) {
        ++*open;
    }
    ~Request() { --*open; }
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    void start() {
        limit.expires_after(patience);
        limit.async_wait([weak = weak_from_this()](asio::error_code) {
            asio::error_code ignored;
            if (const auto self = weak.lock()) self->socket.close(ignored);
        });
        asio::async_read_until(socket, asio::dynamic_buffer(text, longest_request), "\r\n\r\n",
                               [self = shared_from_this()](asio::error_code error, std::size_t) {
                                   if (!error) self->write();
                               });
    }

    void write() {
        text = answer(text, metrics);
        asio::async_write(socket, asio::buffer(text), [self = shared_from_this()](asio::error_code, std::size_t) {
            asio::error_code ignored;
            self->socket.shutdown(tcp::socket::shutdown_both, ignored);
        });
    }

    tcp::socket socket;
    asio::steady_timer limit;
    const std::function<std::string()> metrics;
    const std::shared_ptr<std::size_t> open;
    std::string text;  // the request, then the response
};

MetricsServer::MetricsServer(asio::io_context& context, std::function<std::string()> text)
    : text_(remembered(std::move(text))), acceptor_(context), pause_(context) {}

MetricsServer::~MetricsServer() = default;

std::string MetricsServer::listen(const HostPort& at) {
    std::string error;
    port_ = listen_on(acceptor_, at, error);
    if (!error.empty()) return error;
    asio::error_code ignored;
    if (!asio::ip::make_address(at.host, ignored).is_loopback()) {
        log_warning("the figures, with the names of the miners, can be read by whoever reaches " + at.host);
    }
    accept();
    return {};
}

void MetricsServer::accept() {
    acceptor_.async_accept([this](asio::error_code error, tcp::socket socket) {
        if (error == asio::error::operation_aborted) return;
        if (error) {
            pause_.expires_after(std::chrono::seconds{1});
            pause_.async_wait([this](asio::error_code cancelled) {
                if (!cancelled) accept();
            });
            return;
        }
        if (*open_ < most_at_once) std::make_shared<Request>(std::move(socket), text_, open_)->start();
        accept();
    });
}

}  // namespace host
