// Runs the README's clients, whose paths are the arguments, against a server: they must print its templates, and must
// not talk to a server of another authority.
#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <string_view>

#include "check.hpp"
#include "host/socket.hpp"
#include "sv2.hpp"

namespace {

using namespace std::chrono_literals;
constexpr auto patience = 20s;

template <class T>
T take(sv2::Result<T> result) {
    CHECK_EQUAL(std::string_view{result.status().name()}, std::string_view{"SV2_OK"});
    return *std::move(result);
}

struct Authority {
    sv2::SecretKey secret = take(sv2::SecretKey::generate());
    std::string text = take(take(sv2::AuthorityKey::of(secret)).to_text());
};

sv2::Identity identity_from(const Authority& authority) {
    const auto key = take(sv2::SecretKey::generate());
    const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    return take(sv2::Identity::create(
        key, take(sv2::sign_certificate(authority.secret, take(key.public_key()), now, now + 1h))));
}

void flush(host::Socket& socket, sv2::Connection& connection) {
    for (auto out = connection.output(); !out.empty(); out = connection.output()) {
        CHECK(connection.sent(socket.write(out, patience)).ok());
    }
}

// What a client asked for before it was sent two templates, or before it hung up.
struct Asked {
    int protocol = -1;
    std::uint32_t max_additional_size = 0;
};

Asked serve(const host::Socket& listener, const sv2::Identity& identity) {
    host::Socket socket = host::accept_from(listener, patience);
    auto connection = take(sv2::Connection::responder(identity));
    Asked asked;
    sv2::Message message;
    while (asked.max_additional_size == 0) {
        const std::size_t n = socket.read(connection.room(4096), patience);
        if (n == 0) return asked;
        CHECK(connection.received(n, sv2::now()).ok());
        while (connection.next(message).ok()) {
            if (const auto* setup = message.get_if<sv2_setup_connection>()) {
                asked.protocol = setup->protocol;
                CHECK(connection.send(sv2_setup_connection_success{2, 0}).ok());
            }
            if (const auto* constraints = message.get_if<sv2_coinbase_output_constraints>()) {
                asked.max_additional_size = constraints->coinbase_output_max_additional_size;
                sv2_new_template sent{};
                sent.template_id = 17;
                sent.coinbase_tx_value_remaining = 5000000000;
                CHECK(connection.send(sent).ok());
                sent.template_id = 18;
                sent.coinbase_tx_value_remaining = 5000001234;
                CHECK(connection.send(sent).ok());
            }
        }
        flush(socket, connection);
    }
    return asked;
}

struct Outcome {
    int status;
    std::string output;
};

Outcome run_program(const std::string& command) {
    std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    CHECK(pipe != nullptr);
    Outcome outcome;
    for (int c; (c = std::getc(pipe)) != EOF;) outcome.output.push_back(static_cast<char>(c));
    const int status = pclose(pipe);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return outcome;
}

// Both clients, told that the server belongs to `trusted`, while it belongs to `authority`.
Outcome run_client(const char* program, bool takes_url, const Authority& authority, const Authority& trusted,
                   Asked& asked) {
    const auto listener = host::listen_on_loopback();
    const auto port = std::to_string(host::port_of(listener));
    const auto identity = identity_from(authority);
    auto server = std::async(std::launch::async, [&] { return serve(listener, identity); });
    const std::string address =
        takes_url ? "stratum2+tcp://127.0.0.1:" + port + "/" + trusted.text : "127.0.0.1 " + port + " " + trusted.text;
    const auto outcome = run_program(program + (" " + address));
    asked = server.get();
    return outcome;
}

}  // namespace

int main(int argc, char** argv) {
    CHECK_EQUAL(argc, 3);  // the C client, which takes host, port and key, and the C++ client, which takes a URL
    const Authority authority, stranger;
    for (int i = 1; i < argc; ++i) {
        Asked asked;
        const auto good = run_client(argv[i], i == 2, authority, authority, asked);
        CHECK_EQUAL(good.output, "template 17: 5000000000 satoshis\ntemplate 18: 5000001234 satoshis\n");
        CHECK_EQUAL(good.status, 0);
        CHECK_EQUAL(asked.protocol, SV2_PROTOCOL_TEMPLATE_DISTRIBUTION);
        CHECK_EQUAL(asked.max_additional_size, 1000u);

        const auto refused = run_client(argv[i], i == 2, authority, stranger, asked);
        CHECK_EQUAL(refused.status, 1);
        CHECK(!refused.output.empty() && refused.output.find("template 1") == std::string::npos);
        CHECK_EQUAL(asked.protocol, -1);

        CHECK_EQUAL(run_program(argv[i]).status, 2);
    }
}
