// The pool's event loop: the library's mining server between miners and template providers.
//
// One thread does everything but waiting for the disk: an input goes into an engine, and then its events are drained. Several
// processes can be one pool, one for each core or machine: each has its own --server-id, and its miners are its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio.hpp>
#include <sv2.hpp>

#include "embedded_provider.hpp"
#include "host/certificate_renewal.hpp"
#include "host/engine_loop.hpp"
#include "host/engine_server.hpp"
#include "host/keys.hpp"
#include "host/metrics.hpp"
#include "ledger.hpp"
#include "payees.hpp"
#include "settings.hpp"
#include "share_log.hpp"
#include "sv2-template-provider/solutions.hpp"
#include "work_source.hpp"

class Pool {
public:
    // What is borrowed outlives it; `share_log` may be none.
    Pool(asio::io_context& context, const Settings& settings, host::Keys& keys, Solutions& solutions, ShareLog* share_log,
         sv2::MiningServer engine);

    // Listens, and says where. Empty, or a sentence about why it cannot.
    [[nodiscard]] std::string start();

    // Serves until a signal ends it, or something that cannot be mended. False in the second case.
    bool run();

private:
    // A block that was handed to its template provider.
    struct Submitted {
        sv2_u256 block_hash;
        std::uint32_t height;
        std::chrono::steady_clock::time_point since;
    };

    std::string start_work();
    void handle(const sv2::MiningServer::Event& event);
    void open_channel(const sv2_open_channel& request);
    void submit(const sv2_found_block& block);
    void tip_changed(const sv2_set_new_prev_hash_template& tip);
    std::string announce() const;

    void shut_down_on_signal();
    void begin_to_end();
    void look_at_the_end();
    void renew_on_signal();
    void fail(const std::string& why);

    asio::io_context& context_;
    const Settings& settings_;
    host::Keys& keys_;
    Solutions& solutions_;
    ShareLog* const share_log_;
    sv2::MiningServer engine_;

    Payees payees_;
    Ledger ledger_;
    host::EngineLoop<sv2::MiningServer> loop_;
    host::EngineServer<sv2::MiningServer> miners_;
    std::unique_ptr<EmbeddedProvider> embedded_;
    std::unique_ptr<WorkSource> work_;
    host::CertificateRenewal<sv2::MiningServer> renewal_;
    std::optional<host::MetricsServer> metrics_;

    asio::signal_set signals_{context_, SIGINT, SIGTERM};
    asio::signal_set hangups_{context_, SIGHUP};
    asio::steady_timer end_{context_};
    std::chrono::steady_clock::time_point end_at_{};

    std::vector<Submitted> submitted_;  // not seen as the tip yet
    bool ending_ = false;
    bool failed_ = false;
};
