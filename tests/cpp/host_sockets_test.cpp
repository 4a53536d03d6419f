// What the programs' event loops have in common: engines of clients and servers on sockets, and the figures for Prometheus.
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "check.hpp"
#include "host/engine_client.hpp"
#include "host/engine_loop.hpp"
#include "host/engine_server.hpp"
#include "host/files.hpp"
#include "host/metrics.hpp"
#include "host/socket.hpp"

namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;

// Runs the loop until something is so.
void run_until(asio::io_context& context, const std::function<bool()>& is_so) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    context.restart();
    while (!is_so()) {
        CHECK(std::chrono::steady_clock::now() < end);
        context.run_one_for(50ms);
        context.restart();
    }
}

sv2::TemplateProvider provider(std::size_t most = 0) {
    auto options = sv2::template_provider_options();
    options.max_clients = most;
    auto made = sv2::TemplateProvider::plaintext(options);
    CHECK(made.ok());
    return *std::move(made);
}

// A template provider's engine that has nothing to serve, on a socket.
struct Server {
    sv2::TemplateProvider engine;
    host::EngineLoop<sv2::TemplateProvider> loop;
    host::EngineServer<sv2::TemplateProvider> sockets;
    std::vector<std::string> closed;
    int ready = 0;

    explicit Server(asio::io_context& context, std::size_t most = 0, host::EngineServerOptions options = {})
        : engine(provider(most)),
          loop(context, engine,
               {.handle =
                    [this](const sv2::TemplateEvent& event) {
                        if (const auto* e = std::get_if<sv2::Writable>(&event)) sockets.write(e->connection);
                        if (std::get_if<sv2::ClientReady>(&event)) ++ready;
                        if (const auto* e = std::get_if<sv2::WantTemplate>(&event)) offer_template(e->key);
                        if (const auto* e = std::get_if<sv2::WantTransactions>(&event)) give_much(e->template_id);
                        if (const auto* e = std::get_if<sv2::Close>(&event)) {
                            closed.emplace_back(e->reason);
                            sockets.close(e->connection, e->reason);
                        }
                    },
                .failed = [] { CHECK(!"the engine has failed"); }}),
          sockets(context, engine, [this] { loop.drain(); }, std::move(options)) {}

    void offer_template(const sv2_constraint_key& key) {
        const std::vector<std::uint8_t> prefix{2, 0x11, 0x22};
        sv2_template t = sv2::make_template();
        t.nbits = 0x207fffff;
        t.prev_hash.bytes[0] = 1;
        t.coinbase_prefix = sv2::bytes(prefix);
        CHECK(engine.template_ready(key, t, sv2::now()).ok());
    }

    void give_much(std::uint64_t template_id) {
        const std::vector<std::uint8_t> transaction(4'000'000);
        const std::vector<sv2_bytes> transactions{sv2::bytes(transaction)};
        CHECK(engine.transactions_ready(template_id, transactions, sv2::now()).ok());
    }

    void listen(std::uint16_t port = 0) {
        CHECK_EQUAL(sockets.listen({"127.0.0.1", port}), "");
        sockets.start();
    }
};

// A client of it.
struct Client {
    sv2::TemplateClient engine;
    host::EngineLoop<sv2::TemplateClient> loop;
    host::EngineClient<sv2::TemplateClient> socket;
    std::vector<std::string> failures;
    int ready = 0;

    static sv2::TemplateClient make() {
        auto made = sv2::TemplateClient::plaintext();
        CHECK(made.ok());
        CHECK(made->set_constraints(1000, 0, sv2::now()).ok());
        return *std::move(made);
    }

    Client(asio::io_context& context, std::vector<host::HostPort> addresses)
        : engine(make()),
          loop(context, engine,
               {.handle =
                    [this](const sv2::TemplateClient::Event& event) {
                        if (std::get_if<sv2::TemplateClient::Writable>(&event)) socket.write();
                        if (std::get_if<sv2::TemplateClient::Ready>(&event)) ++ready, socket.works();
                        if (const auto* e = std::get_if<sv2::TemplateClient::Close>(&event)) {
                            socket.close(e->reason, e->may_retry);
                        }
                    },
                .failed = [] { CHECK(!"the engine has failed"); }}),
          socket(context, engine, [this] { loop.drain(); },
                 {.addresses = std::move(addresses),
                  .first_pause = 100ms,
                  .longest_pause = 400ms,
                  .on_failure = [this](const std::string& why) { failures.push_back(why); }}) {}
};

std::uint16_t a_port_where_nobody_listens() { return host::port_of(host::listen_on_loopback()); }

void a_client_and_a_server_find_each_other() {
    asio::io_context context{1};
    Server server{context};
    server.listen();
    Client client{context, {{"127.0.0.1", server.sockets.port()}}};
    client.socket.start();
    run_until(context, [&] { return client.ready == 1 && server.ready == 1; });
    CHECK(client.socket.is_connected());
    CHECK_EQUAL(server.sockets.clients(), 1U);

    client.socket.stop();
    run_until(context, [&] { return server.sockets.clients() == 0; });
    CHECK_EQUAL(server.engine.clients(), 0U);
    CHECK(!client.socket.is_connected());
}

void a_client_comes_back_when_the_server_does() {
    asio::io_context context{1};
    auto server = std::make_unique<Server>(context);
    server->listen();
    const std::uint16_t port = server->sockets.port();
    Client client{context, {{"127.0.0.1", port}}};
    client.socket.start();
    run_until(context, [&] { return client.ready == 1; });

    server->sockets.stop_listening();
    server->sockets.close(1, "the test is that cruel");
    run_until(context, [&] { return client.failures.size() >= 3; });
    CHECK_EQUAL(client.failures[0],
                "the connection to the server at 127.0.0.1:" + std::to_string(port) + " is closed: it closed the connection");
    CHECK_EQUAL(client.failures[1], "cannot connect to the server at 127.0.0.1:" + std::to_string(port) + ": Connection refused");

    server->listen(port);
    run_until(context, [&] { return client.ready == 2; });
}

void the_next_address_is_tried_at_once() {
    asio::io_context context{1};
    Server server{context};
    server.listen();
    Client client{context, {{"127.0.0.1", a_port_where_nobody_listens()}, {"127.0.0.1", server.sockets.port()}}};
    const auto begin = std::chrono::steady_clock::now();
    client.socket.start();
    run_until(context, [&] { return client.ready == 1; });
    CHECK(std::chrono::steady_clock::now() - begin < 50ms);
    CHECK_EQUAL(client.failures.size(), 1U);
    CHECK_EQUAL(client.socket.address().port, server.sockets.port());
}

void pauses_grow_and_are_cut_by_chance() {
    asio::io_context context{1};
    Client client{context, {{"127.0.0.1", a_port_where_nobody_listens()}}};
    const auto begin = std::chrono::steady_clock::now();
    client.socket.start();
    run_until(context, [&] { return client.failures.size() == 4; });
    // Of 100, 200 and 400 ms each between half and all.
    const auto took = std::chrono::steady_clock::now() - begin;
    CHECK(took >= 350ms);
    CHECK(took < 1200ms);
    // A client that was stopped stays so.
    client.socket.stop();
    context.restart();
    context.run_for(600ms);
    CHECK_EQUAL(client.failures.size(), 4U);
}

void whom_the_engine_closes_is_closed_at_once() {
    asio::io_context context{1};
    Server server{context, 2};
    server.listen();
    std::vector<host::Socket> sockets;
    for (int i = 0; i < 3; ++i) sockets.push_back(host::connect_tcp("127.0.0.1", server.sockets.port(), 5s));
    // The one that has been silent for longest makes room.
    run_until(context, [&] { return server.closed.size() == 1; });
    std::uint8_t byte[1];
    CHECK_EQUAL(sockets[0].read(byte, 5s), 0U);
    CHECK_EQUAL(server.sockets.clients(), 2U);
}

void a_client_that_does_not_read_is_forgotten_at_once() {
    asio::io_context context{1};
    Server server{context, 0, {.exempt = {}, .send_buffer = 16 << 10}};
    server.listen();
    host::Socket socket = host::connect_tcp("127.0.0.1", server.sockets.port(), 5s);
    auto connection = sv2::Connection::plain({});
    const auto write = [&] {
        for (auto out = connection->output(); !out.empty(); out = connection->output()) {
            CHECK(connection->sent(socket.write(out, 5s)).ok());
        }
    };
    sv2_setup_connection setup{};
    setup.protocol = SV2_PROTOCOL_TEMPLATE_DISTRIBUTION;
    setup.min_version = setup.max_version = 2;
    CHECK(connection->send(setup).ok());
    CHECK(connection->send(sv2_coinbase_output_constraints{1000, 0}).ok());
    write();
    std::uint64_t template_id = 0;
    run_until(context, [&] {
        pollfd readable{socket.fd(), POLLIN, 0};
        if (::poll(&readable, 1, 0) != 1) return false;
        CHECK(connection->received(socket.read(connection->room(4096)), sv2::now()).ok());
        sv2::Message message;
        while (connection->next(message).ok()) {
            if (const auto* made = message.get_if<sv2_new_template>()) template_id = made->template_id;
        }
        return template_id != 0;
    });
    CHECK(connection->send(sv2_request_transaction_data{template_id}).ok());
    write();

    // Four megabytes are on the way, and most of them stay here.
    context.restart();
    context.run_for(300ms);
    CHECK(!server.engine.output(1).empty());
    server.sockets.close(1, "it does not read");
    int error = 0;
    try {
        std::vector<std::uint8_t> buffer(1 << 16);
        while (socket.read(buffer, 5s) > 0) continue;
    } catch (const std::system_error& reset) {
        error = reset.code().value();
    }
    CHECK_EQUAL(error, ECONNRESET);
}

void hundreds_at_once_are_all_accepted() {
    asio::io_context context{1};
    Server server{context};
    server.listen();
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 150; ++i) {
        clients.push_back(std::make_unique<Client>(context, std::vector<host::HostPort>{{"127.0.0.1", server.sockets.port()}}));
        clients.back()->socket.start();
    }
    run_until(context, [&] { return server.ready == 150; });
    CHECK_EQUAL(server.sockets.clients(), 150U);
}

void a_port_that_is_taken_is_said_to_be() {
    asio::io_context context{1};
    Server first{context}, second{context};
    first.listen();
    const host::HostPort at{"127.0.0.1", first.sockets.port()};
    CHECK_EQUAL(second.sockets.listen(at),
                "Cannot listen on 127.0.0.1 port " + std::to_string(at.port) + ": Address already in use.");
    CHECK_EQUAL(second.sockets.listen({"localhost", 0}), "'localhost' is not an address to listen on.");
}

// ---------------------------------------------------------------------------------------------------------------- metrics

std::string figures() {
    host::MetricsText text;
    text.family("sv2_shares_total", "counter", "Shares that were accepted, \\ and\nmore");
    text.sample(std::uint64_t{18'446'744'073'709'551'615U}, {{"user", "a\"b\\c\nd"}, {"kind", "standard"}});
    text.family("sv2_hashrate", "gauge", "Hashes per second").sample(1.5e15);
    return text.text();
}

void figures_are_in_the_format_of_prometheus() {
    CHECK_EQUAL(figures(),
                "# HELP sv2_shares_total Shares that were accepted, \\\\ and\\nmore\n"
                "# TYPE sv2_shares_total counter\n"
                "sv2_shares_total{user=\"a\\\"b\\\\c\\nd\",kind=\"standard\"} 18446744073709551615\n"
                "# HELP sv2_hashrate Hashes per second\n"
                "# TYPE sv2_hashrate gauge\n"
                "sv2_hashrate 1.5e+15\n");
}

void labels_that_are_no_utf_8_do_not_spoil_the_figures() {
    host::MetricsText text;
    text.family("sv2_x", "gauge", "X");
    text.sample(std::uint64_t{1}, {{"user", "a\xff" "b\xc3\xa9\xe2\x82"}, {"kind", "\xed\xa0\x80\xf0\x9f\x98\x80"}});
    CHECK(text.text().ends_with("\nsv2_x{user=\"a\xef\xbf\xbd" "b\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\","
                                "kind=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x98\x80\"} 1\n"));
}

struct Metrics {
    asio::io_context context{1};
    host::MetricsServer server{context, figures};
    Metrics() { CHECK_EQUAL(server.listen({"127.0.0.1", 0}), ""); }

    host::Socket connect() { return host::connect_tcp("127.0.0.1", server.port(), 5s); }

    // All that it answers until it closes.
    std::string answer_to(const std::string& request) {
        host::Socket socket = connect();
        socket.write({reinterpret_cast<const std::uint8_t*>(request.data()), request.size()});
        std::string all;
        bool ended = false;
        run_until(context, [&] {
            pollfd readable{socket.fd(), POLLIN, 0};
            while (!ended && ::poll(&readable, 1, 0) == 1) {
                char buffer[4096];
                const ssize_t n = ::recv(socket.fd(), buffer, sizeof buffer, 0);
                ended = n <= 0;
                if (n > 0) all.append(buffer, static_cast<std::size_t>(n));
            }
            return ended;
        });
        return all;
    }
};

void a_request_for_the_figures_is_answered() {
    Metrics metrics;
    const std::string answer = metrics.answer_to("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
    CHECK(answer.ends_with("\r\n\r\n" + figures()));
    CHECK(metrics.answer_to("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    CHECK(metrics.answer_to("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
}

void a_request_without_end_gets_no_answer() {
    Metrics metrics;
    CHECK_EQUAL(metrics.answer_to("GET /" + std::string(5000, 'x')), "");
}

void a_crowd_of_silent_clients_is_cut_off() {
    Metrics metrics;
    std::vector<host::Socket> silent;
    for (int i = 0; i < 40; ++i) silent.push_back(metrics.connect());
    const auto ended = [&] {
        std::size_t count = 0;
        for (const host::Socket& each : silent) {
            pollfd readable{each.fd(), POLLIN, 0};
            count += ::poll(&readable, 1, 0) == 1;
        }
        return count;
    };
    run_until(metrics.context, [&] { return ended() == 24; });
    run_until(metrics.context, [&] { return ended() == 40; });  // and the others after some seconds
    CHECK(metrics.answer_to("GET /metrics HTTP/1.1\r\n\r\n").ends_with(figures()));
}

void open_files_are_raised_to_what_the_system_allows() {
    const auto most = host::raise_open_files();
    CHECK(most > 0);
    CHECK_EQUAL(host::raise_open_files(), most);
}

}  // namespace

int main() {
    return run({
        {"a client and a server find each other", a_client_and_a_server_find_each_other},
        {"a client comes back when the server does", a_client_comes_back_when_the_server_does},
        {"the next address is tried at once", the_next_address_is_tried_at_once},
        {"pauses grow, and are cut by chance", pauses_grow_and_are_cut_by_chance},
        {"whom the engine closes is closed at once", whom_the_engine_closes_is_closed_at_once},
        {"a client that does not read is forgotten at once", a_client_that_does_not_read_is_forgotten_at_once},
        {"hundreds at once are all accepted", hundreds_at_once_are_all_accepted},
        {"a port that is taken is said to be", a_port_that_is_taken_is_said_to_be},
        {"figures are in the format of Prometheus", figures_are_in_the_format_of_prometheus},
        {"labels that are no UTF-8 do not spoil the figures", labels_that_are_no_utf_8_do_not_spoil_the_figures},
        {"a request for the figures is answered", a_request_for_the_figures_is_answered},
        {"a request without end gets no answer", a_request_without_end_gets_no_answer},
        {"a crowd of silent clients is cut off", a_crowd_of_silent_clients_is_cut_off},
        {"open files are raised to what the system allows", open_files_are_raised_to_what_the_system_allows},
    });
}
