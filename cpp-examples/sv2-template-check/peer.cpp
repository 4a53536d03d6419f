#include "peer.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace {

constexpr std::size_t read_size = 64 * 1024;

sv2::Connection make_connection(const Options& options) {
    // Whatever certificate it has, the provider is listened to: the certificate is judged apart from the rest.
    auto made = options.plaintext ? sv2::Connection::plain({})
                                  : sv2::Connection::initiator({.allow_unauthenticated = true, .no_clock = true});
    if (!made) throw std::runtime_error(made.status().message());
    return *std::move(made);
}

// Keeps what happened first.
void note(std::string& first, std::string what) {
    if (first.empty()) first = std::move(what);
}

}  // namespace

host::Socket connect_to(const Options& options) try {
    return host::connect_tcp(options.host, options.port, options.timeout);
} catch (const std::system_error& error) {
    throw Unreachable("Cannot connect to " + options.host + " port " + std::to_string(options.port) + ": " +
                      error.code().message() + ".");
}

Peer::Peer(const Options& options, Watch& watch)
    : timeout_(options.timeout), watch_(&watch), connection_(make_connection(options)), socket_(connect_to(options)) {
    const auto deadline = Clock::now() + timeout_;
    flush();
    while (!connection_.is_established() && receive(deadline)) continue;
    established_ = connection_.is_established();
}

void Peer::send(const sv2_message& message) {
    asked_for_extensions_ |= message.type == SV2_MESSAGE_REQUEST_EXTENSIONS;
    if (const sv2::Status status = connection_.send(message); status.is_error() && error_.empty()) {
        throw std::logic_error(connection_.error());
    }
    flush();
}

void Peer::send_altered(const sv2_message& message) try {
    if (connection_.send(message).is_error()) throw std::logic_error(connection_.error());
    const auto out = connection_.output();
    host::Bytes altered(out.begin(), out.end());
    altered.back() ^= 1;
    (void)connection_.sent(altered.size());
    for (host::ByteView left = altered; socket_ && !left.empty();) left = left.subspan(socket_->write(left, timeout_));
} catch (const std::system_error&) {
    socket_.reset();
}

void Peer::keep_little() {
    const int bytes = 4096;
    if (socket_) (void)::setsockopt(socket_->fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

// A provider that does not read, or has hung up, is as good as one that closed the connection.
void Peer::flush() try {
    for (auto out = connection_.output(); socket_ && !out.empty(); out = connection_.output()) {
        (void)connection_.sent(socket_->write(out, timeout_));
    }
} catch (const std::system_error&) {
    socket_.reset();
}

// Reads once. False if nothing came, and nothing will come before the deadline.
bool Peer::receive(Clock::time_point deadline) {
    if (established_ && !error_.empty()) throw Skip{"something came that cannot be read: see messages-readable"};
    if (!socket_) return false;
    try {
        const auto left = std::chrono::ceil<Milliseconds>(deadline - Clock::now());
        const std::size_t n = socket_->read(connection_.room(read_size), std::max(left, Milliseconds{0}));
        if (n == 0) {
            socket_.reset();
            return false;
        }
        (void)connection_.received(n, sv2::now());
    } catch (const std::system_error& error) {
        if (error.code() != std::errc::timed_out) socket_.reset();
        return false;
    }
    take_messages();
    flush();
    return true;
}

void Peer::take_messages() {
    sv2::Message message;
    sv2::Status status;
    while ((status = connection_.next(message)).ok()) {
        messages_.push_back(copy(message));
        watch_over(message, messages_.back());
    }
    if (!status.is_error()) return;
    error_ = connection_.error();
    if (established_ && watch_->unreadable.empty()) watch_->unreadable = error_;
    socket_.reset();
}

void Peer::watch_over(const sv2::Message& message, const Message& copied) {
    constexpr std::uint16_t channel_msg = 0x8000, negotiation = 1;
    ++watch_->messages;
    if (message.extension_type & channel_msg) note(watch_->channel_msg, describe(copied));
    const int extension = message.extension_type & ~channel_msg;
    if (extension != 0 && !(extension == negotiation && asked_for_extensions_)) {
        note(watch_->extension, "a message of extension " + std::to_string(extension));
    }
    const auto watch_error = [this](const auto& error) {
        ++watch_->errors;
        if (!error.is_printable) note(watch_->error_code, error.error_code);
    };
    std::visit(sv2::overloaded{
                   [&](const NewTemplate& made) { watch_template(made); },
                   [&](const SetNewPrevHash& tip) { watch_prev_hash(tip); },
                   [&](const SetupError& error) { watch_error(error); },
                   [&](const NoTransactionData& error) { watch_error(error); },
                   [&](const Other& other) {
                       if (other.is_known && !other.is_of_servers) note(watch_->not_of_server, other.name);
                   },
                   [](const auto&) {},
               },
               copied);
}

void Peer::watch_template(const NewTemplate& made) {
    ++watch_->templates;
    const std::uint64_t id = made.template_id;
    if (any_template_ && id <= last_template_id_) {
        note(watch_->template_id, "template " + std::to_string(id) + " after " + std::to_string(last_template_id_));
    }
    if (!any_template_ && !made.future_template) {
        note(watch_->not_future, "template " + std::to_string(id) + ", the first one");
    }
    any_template_ = true;
    last_template_id_ = id;
    (made.future_template ? future_ : present_).insert(id);
}

void Peer::watch_prev_hash(const SetNewPrevHash& tip) {
    ++watch_->prev_hashes;
    const std::string id = std::to_string(tip.template_id);
    if (present_.contains(tip.template_id)) {
        note(watch_->not_future, "template " + id + ", which SetNewPrevHash names");
    } else if (!future_.contains(tip.template_id)) {
        note(watch_->unknown_template, "template " + id);
    }
}

bool Peer::await_close() {
    const auto deadline = Clock::now() + timeout_;
    while (socket_ && receive(deadline)) continue;
    return !socket_;
}

std::string Peer::heard(std::size_t from) const {
    constexpr std::size_t most = 4;
    std::string text;
    for (std::size_t at = from; at < messages_.size() && at - from <= most; ++at) {
        if (!text.empty()) text += ", then ";
        text += at - from == most ? "more" : describe(messages_[at]);
    }
    if (!socket_) return text.empty() ? "the connection was closed" : text + ", then the connection was closed";
    return text.empty() ? "nothing" : text;
}
