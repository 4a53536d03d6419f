// The proxy as a program: the engine, its sockets, its log and figures.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <asio.hpp>
#include <sv2.hpp>

#include "host/certificate_renewal.hpp"
#include "host/engine_loop.hpp"
#include "host/engine_server.hpp"
#include "host/keys.hpp"
#include "host/metrics.hpp"
#include "settings.hpp"
#include "upstream.hpp"

// The engine for these settings; `identity` is what miners are shown, none without encryption.
sv2::Result<sv2::MiningProxy> make_engine(const Settings& settings, const sv2::Identity* identity);

class Proxy {
public:
    Proxy(asio::io_context& context, const Settings& settings, const host::Keys& keys, sv2::MiningProxy engine);

    // Opens the sockets and says where. Empty, or a sentence about why it cannot.
    [[nodiscard]] std::string start();
    // Until a signal. False if the program ends for an error.
    bool run();

private:
    // What EngineServer wants of an engine.
    struct Miners {
        sv2::MiningProxy& engine;
        sv2::Status connect(std::uint64_t id, const std::optional<sv2_address>& address, sv2_time now) {
            return engine.connect(id, address, now);
        }
        sv2::Status receive(std::uint64_t id, std::span<std::uint8_t> bytes, sv2_time now) {
            return engine.receive(id, bytes, now);
        }
        sv2::Bytes output(std::uint64_t id) { return engine.output(id); }
        sv2::Status sent(std::uint64_t id, std::size_t n, sv2_time now) { return engine.sent(id, n, now); }
        void disconnect(std::uint64_t id) { engine.disconnect(id, sv2::now()); }
        const char* error() { return engine.error(); }
    };

    void handle(const sv2::MiningProxy::Event& event);
    std::string upstream_text(std::size_t index) const;
    std::string metrics_text();
    void renew_on_hangup();
    void shut_down_on_signal();
    void shut_down();

    asio::io_context& context_;
    const Settings& settings_;
    const host::Keys& keys_;
    sv2::MiningProxy engine_;
    Miners side_{engine_};
    host::EngineLoop<sv2::MiningProxy> loop_;
    host::EngineServer<Miners> miners_;
    UpstreamSocket upstream_;
    host::CertificateRenewal<sv2::MiningProxy> renewal_;
    std::optional<host::MetricsServer> metrics_;
    asio::signal_set signals_, hangup_;
    asio::steady_timer ending_;
    std::size_t channels_ = 0;
    bool is_ending_ = false;
    bool failed_ = false;
};

// Whether each upstream can be reached and is who it should be: says so, and gives the exit status.
int test_connection(const Settings& settings);
