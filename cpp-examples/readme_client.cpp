// Prints the templates of a template provider: readme_client stratum2+tcp://<host>:<port>/<authority key>
#include <cstdio>
#include <sv2.hpp>

#include "host/socket.hpp"

int main(int argc, char** argv) {
    const auto url = sv2::Url::parse(argc == 2 ? argv[1] : "");
    if (!url) return 2;
    auto conn = sv2::Connection::initiator({.authority_key = url->authority_key});  // nobody else is talked to
    if (!conn) return 1;
    host::Socket socket = host::connect_tcp(url->host, url->port);

    sv2_setup_connection setup{};
    setup.protocol = SV2_PROTOCOL_TEMPLATE_DISTRIBUTION;
    setup.min_version = setup.max_version = 2;
    sv2::Status status = conn->send(setup);  // leaves after the handshake

    const auto handle = sv2::overloaded{
        [&](const sv2_setup_connection_success&) {
            status = conn->send(sv2_coinbase_output_constraints{1000, 0});
        },
        [](const sv2_new_template& t) {  // a view: valid until the next message
            std::printf("template %ju: %ju satoshis\n", t.template_id, t.coinbase_tx_value_remaining);
        },
        [](const auto&) {},
    };
    for (sv2::Message message; !status.is_error();) {
        for (auto out = conn->output(); !out.empty(); out = conn->output()) status = conn->sent(socket.write(out));
        const std::size_t n = socket.read(conn->room(4096));
        if (n == 0) break;
        status = conn->received(n, sv2::now());
        while ((status = conn->next(message)).ok()) sv2::visit(message, handle);
    }
    if (status.is_error()) std::fprintf(stderr, "%s\n", conn->error());
    return status.is_error();
}
