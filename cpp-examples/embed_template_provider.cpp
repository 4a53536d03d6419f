// Lesson: a template provider inside a program that has a node.
//
// The node is faked by a queue of templates, one for each tip. Around the engine, sv2::TemplateProvider, stands the
// loop that every program with an engine has: sockets and node tell it what happens, and it says in events what is to
// be done. A client gets a template and its tip, again and again, until the queue is empty.
// See also bitcoin-core/: the same inside Bitcoin Core, with threads for what a real node takes its time for.

#include <poll.h>

#include <array>
#include <cstdio>
#include <deque>
#include <future>
#include <map>
#include <stdexcept>
#include <vector>

#include "host/socket.hpp"
#include "sv2.hpp"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
// The heights of the node's templates, as coinbases begin with them (BIP 34).
constexpr std::array<std::array<std::uint8_t, 2>, 3> heights{{{1, 101}, {1, 102}, {1, 103}}};
constexpr auto time_between_tips = 100ms;
constexpr auto patience = 5s;  // how long either side waits for the other

void check(sv2::Status status) {
    if (status.is_error()) throw std::runtime_error(status.message());
}
template <class T>
T take(sv2::Result<T> result) {
    check(result.status());
    return *std::move(result);
}

// The node's template on the tip of some height. It has no transactions but the coinbase; a real one sets more.
sv2_template template_on(const std::array<std::uint8_t, 2>& height) {
    sv2_template t = sv2::make_template();
    t.version = 0x20000000;
    t.nbits = 0x207fffff;
    t.prev_hash.bytes[0] = height[1];
    t.coinbase_prefix = sv2::bytes(height);
    t.coinbase_tx_value_remaining = 5'000'000'000;
    return t;
}

// Serves until its only client has gone.
void serve(const host::Socket& listener, const sv2::Identity& identity) {
    std::deque<sv2_template> node{template_on(heights[0]), template_on(heights[1]), template_on(heights[2])};
    auto provider = take(sv2::TemplateProvider::create(identity));
    std::map<std::uint64_t, host::Socket> sockets;  // by our names for the connections
    std::array<std::uint8_t, 4096> bytes;           // for all of them: the engine keeps what it has not finished with
    const sv2::overloaded handle{
        [&](const sv2::WantTemplate& e) { check(provider.template_ready(e.key, node.front(), sv2::now()).status()); },
        [&](const sv2::Writable& e) {
            const sv2::Bytes out = provider.output(e.connection);
            const ssize_t n = send(sockets.at(e.connection).fd(), out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) check(provider.sent(e.connection, static_cast<std::size_t>(n), sv2::now()));
        },
        [&](const sv2::Close& e) { sockets.erase(e.connection); },
        [](const auto&) {},  // there are no transactions to hand out, no blocks are found, and nothing is to be freed
    };
    auto next_tip = Clock::now() + time_between_tips;
    for (std::uint64_t next_id = 1; next_id == 1 || !sockets.empty();) {
        // Wait for a socket, for the time of which the engine wants to know, or for the node.
        std::vector<pollfd> polled{{listener.fd(), POLLIN, 0}};
        for (const auto& [id, socket] : sockets) {
            const int events = provider.output(id).empty() ? POLLIN : POLLIN | POLLOUT;
            polled.push_back({socket.fd(), static_cast<short>(events), 0});
        }
        const auto wake_at = std::min(provider.next_deadline().value_or(next_tip), next_tip);
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(wake_at - Clock::now()).count();
        if (poll(polled.data(), polled.size(), std::max(0, static_cast<int>(wait))) < 0) host::throw_errno("poll");
        // Tell the engine what happened.
        auto of = polled.begin() + 1;
        for (auto at = sockets.begin(); at != sockets.end(); ++of) {
            auto& [id, socket] = *at++;
            if ((of->revents & POLLOUT) != 0) handle(sv2::Writable{id});
            if ((of->revents & ~POLLOUT) == 0) continue;
            const std::size_t n = socket.read(bytes);
            check(provider.receive(id, std::span{bytes}.first(n), sv2::now()));
            if (n == 0) provider.disconnect(id), sockets.erase(id);
        }
        if (polled.front().revents != 0) {
            sockets.emplace(next_id, host::accept_from(listener, patience));
            check(provider.connect(next_id++, std::nullopt, sv2::now()));
        }
        if (Clock::now() >= next_tip) {
            next_tip += time_between_tips;
            if (node.size() > 1) node.pop_front();
            check(provider.tip_changed(node.front().prev_hash, sv2::now()));
        }
        check(provider.tick(sv2::now()));
        // Do what it says.
        while (const auto event = provider.next_event()) std::visit(handle, *event);
    }
}

// A client that adds 200 bytes of outputs, and says what it gets. Its side has an engine, too, with a loop of the same
// kind.
void follow(std::uint16_t port, const sv2::AuthorityKey& authority) {
    host::Socket socket = host::connect_tcp("127.0.0.1", port);
    auto client = take(sv2::TemplateClient::create(authority));
    check(client.set_constraints(200, 0, sv2::now()));
    check(client.connect(sv2::now()));

    int height = 0;
    const sv2::overloaded handle{
        [&](const sv2::TemplateClient::NewTip& e) {
            height = sv2::view(take(client.get_template(e.tip.template_id)).coinbase_prefix).back();
            std::printf("template for height %d, on tip %.8s...\n", height,
                        sv2::to_string(e.tip.prev_hash).c_str() + 56);
        },
        [](const sv2::TemplateClient::Close& e) { throw std::runtime_error(e.reason); },
        [](const auto&) {},
    };
    for (std::array<std::uint8_t, 4096> bytes; height != heights.back()[1];) {
        while (!client.output().empty()) check(client.sent(socket.write(client.output(), patience), sv2::now()));
        const std::size_t n = socket.read(bytes, patience);
        if (n == 0) throw std::runtime_error("the provider hung up");
        check(client.receive(std::span{bytes}.first(n), sv2::now()));
        while (const auto event = client.next_event()) std::visit(handle, *event);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1) {
        std::printf("usage: %s\n\nA node hands out templates, and a client gets them.\n", argv[0]);
        return std::string_view(argv[1]) == "--help" ? 0 : 2;
    }
    try {
        const auto authority = take(sv2::SecretKey::generate()), server_key = take(sv2::SecretKey::generate());
        const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        const auto identity = take(sv2::Identity::issue(authority, server_key, now - 1h, now + 24h));
        const auto listener = host::listen_on_loopback();
        auto provider = std::async(std::launch::async, [&] { serve(listener, identity); });
        follow(host::port_of(listener), take(sv2::AuthorityKey::of(authority)));
        provider.get();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
