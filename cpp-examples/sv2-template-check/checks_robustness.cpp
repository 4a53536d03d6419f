// What a connection survives, what ends it, and what must not touch the others.
#include <array>
#include <chrono>
#include <system_error>
#include <thread>

#include "checks.hpp"
#include "clients.hpp"
#include "raw_message.hpp"

namespace {

constexpr std::uint16_t experimental = 0x7abc;  // an extension that nobody has (spec 3.4)

// Whether `message`, sent before the constraints, leaves the connection as it was.
Verdict is_ignored(Session& s, const sv2_message& message) {
    s.first_template();
    const auto peer = s.set_up();
    peer->send(message);
    const std::size_t mark = peer->mark();
    peer->send(small_constraints);
    const bool came = peer->await<NewTemplate>();
    return expect(came, "a template as before", peer->heard(mark));
}

Verdict is_closed(Peer& peer) {
    const bool closed = peer.await_close();
    return expect(closed, "the end of the connection", peer.heard());
}

// Whether somebody who comes now is served.
bool is_served(Session& s) {
    Peer peer{s.options(), s.watch()};
    if (!peer.is_established()) return false;
    peer.send(setup_connection(s.options()));
    if (!peer.await<SetupSuccess>()) return false;
    peer.send(small_constraints);
    return peer.await<NewTemplate>();
}

// Whether the other side hangs up, whatever it says before.
bool hangs_up(host::Socket& socket, Peer::Milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    std::array<std::uint8_t, 1024> ignored;
    try {
        for (;;) {
            const auto left = std::chrono::ceil<Peer::Milliseconds>(deadline - std::chrono::steady_clock::now());
            if (left.count() <= 0) return false;
            if (socket.read(ignored, left) == 0) return true;
        }
    } catch (const std::system_error& error) {
        return error.code() != std::errc::timed_out;
    }
}

}  // namespace

Verdict check_unknown_message(Session& s) {
    constexpr std::uint8_t unknown_type = 0x7f;
    const host::Bytes payload{1, 2, 3};
    return is_ignored(s, raw_message(0, unknown_type, payload));
}

// Its type is that of CoinbaseOutputConstraints in another extension: who looks at the type alone takes it for
// malformed.
Verdict check_unknown_extension(Session& s) {
    const host::Bytes payload{1};
    return is_ignored(s, raw_message(experimental, SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS, payload));
}

// Whether it is answered is up to the provider, which need not know any extension.
Verdict check_extensions_request(Session& s) {
    constexpr std::uint16_t requested[] = {experimental};
    return is_ignored(s,
                      sv2::message_of(sv2_request_extensions{.request_id = 1, .requested_extensions = {requested, 1}}));
}

Verdict check_trailing_bytes(Session& s) {
    s.first_template();
    const host::Bytes tlv{0x7a, 0xbc, 1, 0, 2, 3, 4};
    const auto peer = s.set_up();
    const std::size_t mark = peer->mark();
    peer->send(sv2::message_of(small_constraints, host::view(tlv)));
    const bool came = peer->await<NewTemplate>();
    return expect(came, "NewTemplate", peer->heard(mark));
}

Verdict check_malformed_message(Session& s) {
    s.first_template();
    const auto peer = serve(s);
    const host::Bytes too_short{1, 2};
    peer->send(raw_message(0, SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS, too_short));
    return is_closed(*peer);
}

Verdict check_altered_message(Session& s) {
    s.first_template();
    if (s.options().plaintext) throw Skip{"there is no encryption"};
    const auto peer = serve(s);
    peer->send_altered(sv2::message_of(sv2_request_transaction_data{unknown_template_id}));
    return is_closed(*peer);
}

// Any 64 bytes are a public key (spec 4.3.1.1): what gives it away is what stands behind.
Verdict check_garbage(Session& s) {
    s.first_template();
    if (s.options().plaintext) throw Skip{"there is no encryption"};
    host::Socket socket = connect_to(s.options());
    const host::Bytes garbage(200, 0x5a);
    socket.write(garbage, s.options().timeout);
    return expect(hangs_up(socket, s.options().timeout), "the end of the connection", "nothing");
}

Verdict check_silent_client(Session& s) {
    s.first_template();
    const host::Socket silent = connect_to(s.options());
    return expect(is_served(s), "a template for somebody else", "nothing while the client was connected");
}

// Requests for more than the buffers between two programs take, whose answers are not read.
Verdict check_slow_reader(Session& s) {
    constexpr std::size_t enough = 6 << 20, most_requests = 500;
    const std::uint64_t size = total_weight(s.transactions()) / 4;
    if (size * most_requests < enough) throw Skip{"the transactions are too few"};
    const auto somebody = serve(s);
    const auto slow = serve(s);
    const NewTemplate* made = slow->await<NewTemplate>();
    if (!made || !somebody->await<NewTemplate>() || !somebody->await<SetNewPrevHash>()) {
        throw Skip{"there are no templates"};
    }
    slow->keep_little();
    for (std::size_t i = 0; i <= enough / size; ++i) slow->send(sv2_request_transaction_data{made->template_id});
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{50});  // the buffers do not fill at once
        if (!is_answered(*somebody)) return failed("answers for somebody else", "none while the client did not read");
    }
    return ok();
}

Verdict check_others_served(Session& s) {
    s.first_prev_hash();
    const std::size_t mark = s.main().mark();
    return expect(is_answered(s.main()), "an answer", s.main().heard(mark));
}
