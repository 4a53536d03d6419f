#include "session.hpp"

sv2_setup_connection setup_connection(const Options& options) {
    sv2_setup_connection setup{};
    setup.protocol = SV2_PROTOCOL_TEMPLATE_DISTRIBUTION;
    setup.min_version = 2;
    setup.max_version = 2;
    setup.endpoint_host = sv2::str(options.host);
    setup.endpoint_port = options.port;
    setup.vendor = sv2::str("libsv2");
    setup.hardware_version = sv2::str("sv2-template-check");
    setup.firmware = sv2::str(SV2_VERSION);
    return setup;
}

std::unique_ptr<Peer> Session::connect() {
    auto peer = std::make_unique<Peer>(options_, watch_);
    if (!peer->is_established()) throw Skip{"the handshake failed"};
    return peer;
}

std::unique_ptr<Peer> Session::set_up() {
    auto peer = connect();
    peer->send(setup_connection(options_));
    if (!peer->await<SetupSuccess>()) throw Skip{"there was no SetupConnection.Success"};
    return peer;
}

Peer& Session::main() {
    if (!first || !first->is_established()) throw Skip{"the handshake failed"};
    return *first;
}

const SetupSuccess& Session::setup_success() {
    for (const Message& message : main().messages()) {
        if (const auto* success = std::get_if<SetupSuccess>(&message)) return *success;
    }
    throw Skip{"there was no SetupConnection.Success"};
}

const NewTemplate& Session::first_template() {
    for (const Message& message : main().messages()) {
        if (const auto* made = std::get_if<NewTemplate>(&message)) return *made;
    }
    throw Skip{"there was no template"};
}

const SetNewPrevHash& Session::first_prev_hash() {
    for (const Message& message : main().messages()) {
        if (const auto* tip = std::get_if<SetNewPrevHash>(&message)) return *tip;
    }
    throw Skip{"there was no SetNewPrevHash"};
}

sv2_certificate Session::certificate() {
    if (options_.plaintext) throw Skip{"there is no encryption"};
    const auto shown = main().certificate();
    if (!shown) throw Skip{"there is no certificate"};
    return *shown;
}

const std::vector<Transaction>& Session::transactions() {
    if (!parsed) throw Skip{"there are no transactions"};
    return *parsed;
}
