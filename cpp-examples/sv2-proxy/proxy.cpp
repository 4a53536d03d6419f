#include "proxy.hpp"

#include <array>
#include <cstdio>
#include <utility>

#include "host/bytes.hpp"
#include "host/log.hpp"

namespace {

// How long miners that were told to come back are waited for at the end.
constexpr std::chrono::seconds patience_at_end{2};

template <class... F>
struct overloaded : F... {
    using F::operator()...;
};
template <class... F>
overloaded(F...) -> overloaded<F...>;

std::string name_of(const sv2_proxy_channel& channel) {
    return "miner " + std::to_string(channel.connection) + ", channel " + std::to_string(channel.channel_id);
}

std::string rpc_hex(const sv2_u256& hash) {
    std::string text;
    for (std::size_t i = sizeof hash.bytes; i-- > 0;) {
        std::array<char, 3> digits{};
        std::snprintf(digits.data(), digits.size(), "%02x", static_cast<unsigned>(hash.bytes[i]));
        text += digits.data();
    }
    return text;
}

std::string header_hex(const sv2_block_header& header) {
    std::array<std::uint8_t, SV2_BLOCK_HEADER_LEN> bytes{};
    host::must(sv2_block_header_to_bytes(&header, bytes.data()));
    return host::hex(bytes);
}

}  // namespace

sv2::Result<sv2::MiningProxy> make_engine(const Settings& settings, const sv2::Identity* identity) {
    sv2_mining_server_options downstream = sv2::mining_server_options();
    downstream.identity = identity ? identity->get() : nullptr;
    downstream.plaintext = identity ? 0 : 1;
    downstream.no_server_id = 1;
    downstream.rollable_len = settings.rollable_bytes;
    downstream.shares_per_minute = settings.shares_per_minute;
    downstream.min_hash_rate = settings.min_hash_rate;
    downstream.max_clients = settings.max_connections;
    downstream.max_connections_per_minute = settings.connections_per_minute;
    std::vector<sv2_mining_upstream> upstreams;
    for (const host::ServerAddress& upstream : settings.upstreams) {
        upstreams.push_back(upstream.authority && !settings.upstream_plaintext
                                ? sv2::mining_upstream(*upstream.authority, upstream.at.host, upstream.at.port, settings.user)
                                : sv2::plaintext_mining_upstream(upstream.at.host, upstream.at.port, settings.user));
    }
    sv2_mining_proxy_options options = sv2::mining_proxy_options();
    options.mode = settings.pass_through ? SV2_MINING_PROXY_PASS_THROUGH : SV2_MINING_PROXY_AGGREGATE;
    options.vendor = sv2::str("libsv2");
    options.firmware = sv2::str("sv2-proxy " SV2_VERSION);
    options.log.write = host::log_of_engine;
    options.failback_ms = settings.failback_minutes == 0 ? UINT64_MAX : settings.failback_minutes * 60'000;
    return sv2::MiningProxy::create(upstreams, downstream, options);
}

Proxy::Proxy(asio::io_context& context, const Settings& settings, const host::Keys& keys, sv2::MiningProxy engine)
    : context_(context), settings_(settings), keys_(keys), engine_(std::move(engine)),
      loop_(context, engine_,
            {.handle = [this](const sv2::MiningProxy::Event& event) { handle(event); },
             .failed =
                 [this] {
                     host::log_error("The proxy's engine has failed: this is an error in the library. Please report it.");
                     failed_ = true;
                     context_.stop();
                 }}),
      miners_(context, side_, [this] { loop_.drain(); },
              {.exempt = settings.exempt, .log_addresses = settings.log_addresses, .client = "miner"}),
      upstream_(context, engine_, [this] { loop_.drain(); },
                [this](const std::string& why) {
                    host::log_warning("no connection to " + upstream_.address().text() + ": " + why, host::Category::net);
                }),
      renewal_(context, engine_, keys, settings.certificate_validity), signals_(context, SIGINT, SIGTERM),
      hangup_(context, SIGHUP), ending_(context) {}

std::string Proxy::start() {
    if (std::string error = miners_.listen(settings_.listen); !error.empty()) return error;
    if (settings_.metrics) {
        metrics_.emplace(context_, [this] { return metrics_text(); });
        if (std::string error = metrics_->listen(*settings_.metrics); !error.empty()) return error;
        host::log_info("figures at http://" + host::HostPort{settings_.metrics->host, metrics_->port()}.text() + "/metrics");
    }
    const host::HostPort at{settings_.listen.host, miners_.port()};
    if (settings_.plaintext) {
        host::log_info("listening on " + at.text() + " WITHOUT ENCRYPTION");
        return {};
    }
    const auto authority = sv2::AuthorityKey::of(keys_.authority);
    if (!authority) return authority.status().message();
    const auto text = authority->to_text();
    if (!text) return text.status().message();
    host::log_info("authority key: " + *text);
    host::log_info("listening on " + host::ServerAddress{at, *authority}.url());
    return {};
}

bool Proxy::run() {
    shut_down_on_signal();
    renew_on_hangup();
    if (!settings_.plaintext) renewal_.start();
    miners_.start();
    (void)engine_.tick(sv2::now());
    loop_.drain();
    context_.run();
    return !failed_;
}

void Proxy::renew_on_hangup() {
    hangup_.async_wait([this](asio::error_code error, int) {
        if (error) return;
        host::reopen_log();
        if (!settings_.plaintext) renewal_.renew();
        renew_on_hangup();
    });
}

// A second signal does not wait.
void Proxy::shut_down_on_signal() {
    signals_.async_wait([this](asio::error_code error, int) {
        if (error) return;
        if (std::exchange(is_ending_, true)) return context_.stop();
        shut_down();
        shut_down_on_signal();
    });
}

// Miners are told to connect again, which they do when the next run listens.
void Proxy::shut_down() {
    host::log_info("shutting down");
    miners_.stop_listening();
    (void)engine_.reconnect_miners("", 0, sv2::now());
    loop_.drain();
    ending_.expires_after(miners_.clients() > 0 ? patience_at_end : std::chrono::seconds{0});
    ending_.async_wait([this](asio::error_code error) {
        if (!error) context_.stop();
    });
}

std::string Proxy::upstream_text(std::size_t index) const {
    return index < settings_.upstreams.size() ? settings_.upstreams[index].at.text() : std::to_string(index);
}

void Proxy::handle(const sv2::MiningProxy::Event& event) {
    using Engine = sv2::MiningProxy;
    std::visit(
        overloaded{
            [&](const Engine::BlockFound& e) {
                // Not by log_of_peers, which leaves lines out: should nobody take the block, this is what is left of it.
                host::log_info("block found by " + name_of(e.channel) + ": " + rpc_hex(e.hash) +
                               (e.sent ? "" : "; it waits for an upstream") + "; header " + header_hex(e.header));
            },
            [&](const Engine::ConnectUpstream& e) { upstream_.connect({std::string{e.host}, e.port}); },
            [&](const Engine::UpstreamWritable&) { upstream_.write(); },
            [&](const Engine::CloseUpstream& e) {
                host::log_warning("upstream " + upstream_text(e.upstream) + " closed: " + e.reason, host::Category::net);
                upstream_.close();
            },
            [&](const Engine::UpstreamReady& e) { host::log_info("upstream " + upstream_text(e.upstream) + " is ready"); },
            [&](const Engine::UpstreamLost& e) { host::log_warning("upstream " + upstream_text(e.upstream) + " is lost"); },
            [&](const Engine::UpstreamAccepted& e) {
                host::log_debug("upstream accepts " + std::to_string(e.count) + " shares");
            },
            [&](const Engine::UpstreamRejected& e) {
                host::log_of_peers(host::Level::info, "a share of " + name_of(e.channel) + " is refused upstream: " +
                                                          std::string{sv2::text(e.error_code)});
            },
            [&](const sv2::Writable& e) { miners_.write(e.connection); },
            [&](const sv2::Close& e) { miners_.close(e.connection, e.reason); },
            [&](const Engine::ChannelOpened& e) {
                ++channels_;
                host::log_of_peers(host::Level::info, name_of(e.channel) + " opened for " +
                                                          std::string{sv2::text(e.user_identity)});
            },
            [&](const Engine::ChannelClosed& e) {
                --channels_;
                host::log_of_peers(host::Level::info, name_of(e) + " closed");
            },
            [&](const Engine::ShareAccepted&) {},
            [&](const Engine::ShareRejected& e) {
                host::log_of_peers(host::Level::info, "a share of " + name_of(e.channel) + " is refused: " +
                                                          std::string{sv2::text(e.error_code)});
            },
        },
        event);
}

std::string Proxy::metrics_text() {
    const sv2_mining_proxy_totals totals = engine_.totals();
    host::MetricsText text;
    const auto gauge = [&](std::string_view name, std::string_view help, std::uint64_t value) {
        text.family(name, "gauge", help).sample(value);
    };
    const auto counter = [&](std::string_view name, std::string_view help, std::uint64_t value) {
        text.family(name, "counter", help).sample(value);
    };
    gauge("sv2_clients_total", "Miners that are connected", miners_.clients());
    gauge("sv2_client_channels", "Channels of miners", channels_);
    gauge("sv2_upstream_ready", "1 while an upstream is in use", engine_.upstream() ? 1 : 0);
    counter("sv2_client_shares_accepted_total", "Shares of miners accepted here", totals.accepted);
    counter("sv2_client_shares_rejected_total", "Shares of miners refused here", totals.rejected);
    counter("sv2_server_shares_submitted_total", "Shares sent upstream", totals.submitted);
    counter("sv2_server_shares_accepted_total", "Shares acknowledged upstream", totals.upstream_accepted);
    counter("sv2_server_shares_rejected_total", "Shares refused upstream", totals.upstream_rejected);
    counter("sv2_server_shares_lost_total", "Shares that no upstream wanted any more", totals.lost);
    counter("sv2_server_blocks_found_total", "Blocks found by miners, in aggregation", totals.blocks);
    counter("sv2_server_lost_total", "How often an upstream was lost", totals.upstreams_lost);
    return text.text();
}

int test_connection(const Settings& settings) {
    int status = 0;
    for (const host::ServerAddress& upstream : settings.upstreams) {
        Settings one = settings;
        one.upstreams = {upstream};
        auto engine = make_engine(one, nullptr);
        if (!engine) {
            std::fprintf(stderr, "%s: %s\n", upstream.at.text().c_str(), engine.status().message());
            return 1;
        }
        asio::io_context context{1};
        std::string verdict;
        std::optional<UpstreamSocket> socket;
        std::function<void()> drain = [&] {
            while (const auto event = engine->next_event()) {
                using Engine = sv2::MiningProxy;
                if (const auto* to = std::get_if<Engine::ConnectUpstream>(&*event)) socket->connect({std::string{to->host}, to->port});
                else if (std::get_if<Engine::UpstreamWritable>(&*event)) socket->write();
                else if (const auto* close = std::get_if<Engine::CloseUpstream>(&*event)) verdict = close->reason;
                else if (std::get_if<Engine::UpstreamReady>(&*event)) verdict = "ok";
                if (!verdict.empty()) return context.stop();
            }
        };
        socket.emplace(context, *engine, [&] { drain(); },
                       [&](const std::string& why) {
                           if (verdict.empty()) verdict = why;
                           context.stop();
                       });
        // An upstream that says nothing about extensions is ready after a while.
        asio::steady_timer timer{context};
        std::function<void()> tick = [&] {
            (void)engine->tick(sv2::now());
            drain();
            timer.expires_after(std::chrono::milliseconds{200});
            timer.async_wait([&](asio::error_code error) {
                if (!error) tick();
            });
        };
        tick();
        context.run();
        socket.reset();
        std::printf("%s: %s\n", upstream.at.text().c_str(), verdict.c_str());
        if (verdict != "ok") status = 1;
    }
    return status;
}
