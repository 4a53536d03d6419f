// One connection to the provider: what is sent goes out at once, what comes is kept in order.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <variant>

#include <sv2.hpp>

#include "host/socket.hpp"
#include "messages.hpp"
#include "options.hpp"

// There is nobody to check.
struct Unreachable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A connection without a word. Throws Unreachable.
host::Socket connect_to(const Options& options);

// A requirement cannot be judged, and why.
struct Skip {
    std::string why;
};

// What must never happen on any connection: the first time it did.
struct Watch {
    std::size_t messages = 0;
    std::size_t templates = 0;
    std::size_t prev_hashes = 0;
    std::string unreadable;        // by the library's error
    std::string channel_msg;       // the name of a message with that bit
    std::string template_id;       // "template 3 after template 3"
    std::string not_future;        // "template 3, the first one"
    std::string unknown_template;  // one that SetNewPrevHash names before it was sent
    std::string extension;         // a message of an extension that nobody asked for
    std::string not_of_server;     // a message that no template provider sends
    std::size_t errors = 0;
    std::string error_code;  // one with other characters than printable ASCII
};

class Peer {
public:
    using Milliseconds = std::chrono::milliseconds;

    // Connects, and does the handshake if there is one; `is_established` tells whether it was completed. Throws
    // Unreachable.
    Peer(const Options& options, Watch& watch);

    bool is_established() const { return established_; }
    // Whether the provider, as far as is known, has not closed the connection.
    bool is_open() const { return socket_.has_value(); }
    // Why the connection cannot be used any more, if what the provider sent is wrong; else empty.
    const std::string& error() const { return error_; }
    sv2::Result<sv2_certificate> certificate() const { return connection_.certificate(); }

    void send(const sv2_message& message);
    template <sv2::message_struct M>
    void send(const M& fields) {
        send(sv2::message_of(fields));
    }

    // Sends the message with its last encrypted byte altered.
    void send_altered(const sv2_message& message);

    // Lets the system keep only little of what comes and is not awaited.
    void keep_little();

    // Everything that came.
    const std::deque<Message>& messages() const { return messages_; }
    // How much that is so far: messages from here on are answers to what is sent next.
    std::size_t mark() const { return messages_.size(); }

    // The first message from `from` on that is wanted, waiting for it as long as `timeout`; nullptr if it does not
    // come. Throws Skip if something came that cannot be read.
    template <class Wanted>
    const Message* await_where(std::size_t from, Milliseconds timeout, Wanted wanted) {
        const auto deadline = Clock::now() + timeout;
        for (std::size_t at = from;; ++at) {
            while (at >= messages_.size()) {
                if (!receive(deadline)) return nullptr;
            }
            if (wanted(messages_[at])) return &messages_[at];
        }
    }

    // The same for messages of one or several types.
    template <class... T>
    const Message* await_one_of(std::size_t from = 0) {
        return await_where(from, timeout_, [](const Message& m) { return (std::holds_alternative<T>(m) || ...); });
    }
    template <class T>
    const T* await(std::size_t from = 0) {
        const Message* message = await_one_of<T>(from);
        return message ? &std::get<T>(*message) : nullptr;
    }

    // Whether the provider closes the connection, whatever it says before.
    bool await_close();

    // What came from `from` on, for a report: "nothing", "NewTemplate 3, then the connection was closed".
    std::string heard(std::size_t from = 0) const;

private:
    using Clock = std::chrono::steady_clock;

    bool receive(Clock::time_point deadline);
    void flush();
    void take_messages();
    void watch_over(const sv2::Message& message, const Message& copied);
    void watch_template(const NewTemplate& made);
    void watch_prev_hash(const SetNewPrevHash& tip);

    Milliseconds timeout_;
    Watch* watch_;
    sv2::Connection connection_;
    std::optional<host::Socket> socket_;
    std::deque<Message> messages_;  // a reference to one stays valid
    bool established_ = false;
    bool asked_for_extensions_ = false;
    std::string error_;
    std::uint64_t last_template_id_ = 0;
    bool any_template_ = false;
    std::set<std::uint64_t> future_, present_;  // the templates that were sent
};
