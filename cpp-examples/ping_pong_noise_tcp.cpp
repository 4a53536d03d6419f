// Lesson 2: ping-pong with encryption and authentication, over TCP.
//
// An authority signs a certificate for a server. The client knows nothing of the server but its URL, in which the
// authority's public key stands; whoever answers without a certificate of that authority is refused. Both are in this
// program, each on a thread with a connection of its own: an object of the library is used by one thread at a time.
//
// See also ping_pong_plain.c: the same without encryption and without a network, in C.

#include <chrono>
#include <cstdio>
#include <exception>
#include <future>
#include <stdexcept>
#include <string>
#include <string_view>

#include "host/socket.hpp"
#include "sv2.hpp"

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t rounds = 5;
constexpr auto patience = 5s;  // how long either side waits for the other

// For what this program cannot go on without.
template <class T>
T take(sv2::Result<T> result, const char* what) {
    if (!result) throw std::runtime_error(std::string(what) + ": " + result.status().message());
    return *std::move(result);
}

void check(sv2::Status status, const char* what) {
    if (status.is_error()) throw std::runtime_error(std::string(what) + ": " + status.message());
}

// Writes all that the connection has to send. Header and payload leave in one piece.
void flush(host::Socket& socket, sv2::Connection& connection) {
    for (auto out = connection.output(); !out.empty(); out = connection.output()) {
        check(connection.sent(socket.write(out, patience)), "sent");
    }
}

// Reads once and hands every message that is complete to `handle`. False if the peer has hung up.
template <class F>
bool receive(host::Socket& socket, sv2::Connection& connection, F handle) {
    const auto room = connection.room(4096);
    const std::size_t n = socket.read(room, patience);
    if (n == 0) return false;
    check(connection.received(n, sv2::now()), "received");

    sv2::Message message;
    sv2::Status status;
    while ((status = connection.next(message)).ok()) sv2::visit(message, handle);
    flush(socket, connection);  // also after an error: what was to be said before is said
    if (status.is_error()) throw std::runtime_error(connection.error());
    return true;
}

void serve(const host::Socket& listener, const sv2::Identity& identity) {
    host::Socket socket = host::accept_from(listener, patience);
    auto connection = take(sv2::Connection::responder(identity), "server");
    const auto handle = sv2::overloaded{
        [&](const sv2_setup_connection& setup) {
            const std::string_view vendor = sv2::text(setup.vendor);
            std::printf("server: a client by \"%.*s\"\n", static_cast<int>(vendor.size()), vendor.data());
            check(connection.send(sv2_setup_connection_success{.used_version = 2, .flags = 0}), "send");
        },
        [&](const sv2_submit_shares_standard& share) {
            sv2_submit_shares_success pong{};
            pong.channel_id = share.channel_id;
            pong.last_sequence_number = share.sequence_number;
            pong.new_submits_accepted_count = 1;
            check(connection.send(pong), "send");
        },
        [](const auto&) {},  // any other message is ignored (spec 3.4)
    };
    while (receive(socket, connection, handle)) continue;
}

void play(const sv2::Url& url) {
    host::Socket socket = host::connect_tcp(url.host, url.port);
    auto connection = take(sv2::Connection::initiator({.authority_key = url.authority_key}), "client");

    // Messages wait for the handshake by themselves.
    sv2_setup_connection setup{};
    setup.protocol = SV2_PROTOCOL_MINING;
    setup.min_version = 2;
    setup.max_version = 2;
    setup.endpoint_host = sv2::str(url.host);
    setup.endpoint_port = url.port;
    setup.vendor = sv2::str("libsv2 lesson");
    check(connection.send(setup), "send");
    flush(socket, connection);

    std::uint32_t pongs = 0;
    const auto ping = [&](std::uint32_t number) {
        sv2_submit_shares_standard share{};
        share.channel_id = 1;
        share.sequence_number = number;
        std::printf("client: ping %u\n", static_cast<unsigned>(number));
        check(connection.send(share), "send");
    };
    const auto handle = sv2::overloaded{
        [&](const sv2_setup_connection_success&) {
            std::printf("client: the server is %s\n", connection.is_authenticated() ? "authentic" : "a stranger");
            ping(1);
        },
        [&](const sv2_setup_connection_error& error) {
            throw std::runtime_error(std::string(sv2::text(error.error_code)));
        },
        [&](const sv2_submit_shares_success& pong) {
            std::printf("client: pong %u\n", static_cast<unsigned>(pong.last_sequence_number));
            if (++pongs < rounds) ping(pongs + 1);
        },
        [](const auto&) {},
    };
    while (pongs < rounds) {
        if (!receive(socket, connection, handle)) throw std::runtime_error("the server hung up");
    }
    std::printf("%u pings, %u pongs\n", static_cast<unsigned>(rounds), static_cast<unsigned>(pongs));
}

void run() {
    // The authority, once, on a machine of its own: it signs the server's key for a day.
    const auto authority = take(sv2::SecretKey::generate(), "authority");
    const auto server_key = take(sv2::SecretKey::generate(), "server key");
    const auto today = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto certificate =
        take(sv2::sign_certificate(authority, take(server_key.public_key(), "server key"), today, today + 24h),
             "certificate");

    // The server: its identity is made once and serves all connections.
    const auto identity = take(sv2::Identity::create(server_key, certificate), "identity");
    const auto listener = host::listen_on_loopback();

    // What a user is told.
    const auto key = take(take(sv2::AuthorityKey::of(authority), "authority").to_text(), "authority");
    const auto url = "stratum2+tcp://127.0.0.1:" + std::to_string(host::port_of(listener)) + "/" + key;
    std::printf("server: %s\n", url.c_str());

    auto server = std::async(std::launch::async, [&] { serve(listener, identity); });
    play(take(sv2::Url::parse(url), "URL"));  // its socket closes when it is done: the server sees the end and returns
    server.get();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1) {
        std::printf("usage: %s\n\nA client and a server play ping-pong over TCP and Noise.\n", argv[0]);
        return std::string_view(argv[1]) == "--help" ? 0 : 2;
    }
    try {
        run();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
