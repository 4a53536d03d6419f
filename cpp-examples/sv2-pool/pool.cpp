#include "pool.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "host/log.hpp"

using std::chrono::steady_clock;

namespace {

// How long miners that were told to go elsewhere, and template providers that were sent a block, are waited for at the end.
constexpr std::chrono::seconds patience_at_end{6};

// What is kept of blocks that were never seen as the tip.
constexpr std::size_t most_submitted = 64;

// An error code as it is allowed to stand in the log and on the wire (spec 5.3.6).
constexpr std::string_view nobody_is_paid = "invalid-user-identity";

sv2_solution as_solution(const sv2_found_block& block) {
    sv2_solution solution{};
    solution.connection = block.share.connection;
    solution.template_id = block.share.source_id;
    solution.header = block.header;
    solution.block_hash = block.share.hash;
    solution.meets_target = 1;
    solution.coinbase_tx = block.coinbase_tx;
    return solution;
}

std::string kind_of(std::uint32_t kind) { return kind == SV2_CHANNEL_STANDARD ? "standard" : "extended"; }

}  // namespace

Pool::Pool(asio::io_context& context, const Settings& settings, host::Keys& keys, Solutions& solutions,
           ShareLog* share_log, sv2::MiningServer engine)
    : context_(context), settings_(settings), keys_(keys), solutions_(solutions), share_log_(share_log),
      engine_(std::move(engine)), payees_(settings), ledger_(settings.shares_per_minute),
      loop_(context, engine_,
            {
                .handle = [this](const sv2::MiningServer::Event& event) { handle(event); },
                .failed = [this] { fail("The mining server has failed: this is an error in the library. Please report it."); },
                .first =
                    [this] {
                        while (const auto block = engine_.next_block()) submit(*block);
                    },
            }),
      miners_(context, engine_, [this] { loop_.drain(); },
              {.exempt = settings.limits.exempt,
               .log_addresses = settings.log_addresses,
               .client = "miner",
               .send_buffer = 64 << 10}),  // jobs are small: nobody needs megabytes of the system's memory
      renewal_(context, engine_, keys, settings.certificate_validity) {}

std::string Pool::start() {
    if (std::string error = payees_.start(engine_); !error.empty()) return error;
    if (std::string error = start_work(); !error.empty()) return error;
    if (std::string error = miners_.listen(settings_.listen); !error.empty()) return error;
    if (settings_.metrics) {
        metrics_.emplace(context_, [this] { return ledger_.metrics(miners_.clients()); });
        if (std::string error = metrics_->listen(*settings_.metrics); !error.empty()) return error;
        host::log_info("figures at http://" + host::HostPort{settings_.metrics->host, metrics_->port()}.text() + "/metrics");
    }
    return announce();
}

std::string Pool::start_work() {
    TemplateSettings templates = settings_.templates;
    std::string error;
    if (templates.providers.empty()) {
        embedded_ = EmbeddedProvider::open(
            context_, settings_.directory / "regtest", templates, [this](const std::string& why) { fail(why); }, error);
        if (!embedded_) return error;
        templates.providers.push_back({embedded_->address(), std::nullopt});
        templates.plaintext = true;
    }
    work_ = WorkSource::create(context_, templates.providers, templates.plaintext, payees_.reserved(),
                               {
                                   .new_template =
                                       [this](const sv2_new_template& of) {
                                           if (!engine_.new_template(of, sv2::now()).ok()) {
                                               host::log_error(std::string{"a template is of no use: "} + engine_.error());
                                           }
                                           loop_.drain();
                                       },
                                   .new_tip = [this](const sv2_set_new_prev_hash_template& tip) { tip_changed(tip); },
                                   .failed = [this](const std::string& why) { fail(why); },
                               },
                               error);
    return error;
}

// Says what miners must know. Empty, or a sentence.
std::string Pool::announce() const {
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

bool Pool::run() {
    shut_down_on_signal();
    renew_on_signal();
    if (!settings_.plaintext) renewal_.start();
    if (embedded_) embedded_->start();
    work_->start();
    miners_.start();
    loop_.drain();
    context_.run();
    // What is left waits for the disk. Should that never answer, the next signal ends the program.
    asio::error_code ignored;
    signals_.clear(ignored);
    return !failed_;
}

void Pool::fail(const std::string& why) {
    if (failed_) return;
    host::log_error(why);
    std::fprintf(stderr, "sv2-pool: %s\n", why.c_str());
    failed_ = true;
    context_.stop();
}

// ----------------------------------------------------------------------------------------------------------------- miners

void Pool::handle(const sv2::MiningServer::Event& event) {
    using Server = sv2::MiningServer;
    std::visit(sv2::overloaded{
                   [&](const Server::BlockFound& e) { submit(e); },
                   [&](const sv2::Writable& e) { miners_.write(e.connection); },
                   [&](const sv2::Close& e) { miners_.close(e.connection, e.reason); },
                   [&](const Server::Connected& e) {
                       host::log_of_peers(host::Level::debug,
                                          "miner " + std::to_string(e.connection) + " is " + std::string{sv2::text(e.vendor)} + " " +
                                              std::string{sv2::text(e.hardware_version)} + " " +
                                              std::string{sv2::text(e.firmware)});
                   },
                   [&](const Server::OpenChannel& e) { open_channel(e); },
                   [&](const Server::ChannelOpened& e) {
                       ledger_.opened(e);
                       payees_.opened(e.work_id);
                       host::log_of_peers(host::Level::info, kind_of(e.kind) + " channel " + std::to_string(e.channel_id) +
                                                                 " of miner " + std::to_string(e.connection) + " for " +
                                                                 word_of(sv2::text(e.user_identity)));
                   },
                   [&](const Server::ChannelUpdated& e) { ledger_.updated(e); },
                   [&](const Server::ChannelClosed& e) {
                       ledger_.closed(e);
                       payees_.closed(engine_, e.work_id);
                   },
                   [&](const Server::ShareAccepted& e) {
                       const std::string_view user = ledger_.accepted(e);
                       if (share_log_) share_log_->accepted(e, user);
                   },
                   [&](const Server::ShareRejected& e) {
                       const std::string_view user = ledger_.rejected(e);
                       if (share_log_) share_log_->rejected(e, user);
                   },
                   [](const Server::SetCustomMiningJob&) {},  // work selection is not offered
                   [](const Server::ExtensionMessage&) {},
               },
               event);
}

void Pool::open_channel(const sv2_open_channel& request) {
    const std::string_view user = sv2::text(request.user_identity);
    std::string error;
    const auto work_id = payees_.work_of(engine_, user, error);
    if (!work_id) {
        host::log_of_peers(host::Level::info, "no channel for " + word_of(user) + " of miner " +
                                                  std::to_string(request.connection) + ": it cannot be paid: " + error);
        (void)engine_.refuse_channel(request.connection, request.request_id, nobody_is_paid, sv2::now());
        return;
    }
    const auto opened = engine_.accept_channel(request.connection, request.request_id, *work_id, sv2::now());
    if (opened) return;
    // SV2_NOT_FOUND says that the miner has gone meanwhile; the others were told by the engine.
    payees_.forget_unused(engine_, *work_id);
    if (opened.status() != sv2::Status{SV2_NOT_FOUND}) {
        host::log_of_peers(host::Level::warning,
                           "no channel for miner " + std::to_string(request.connection) + ": " + engine_.error());
    }
}

// ----------------------------------------------------------------------------------------------------------------- blocks

void Pool::submit(const sv2_found_block& block) {
    // The template provider first: everything else can wait.
    const bool is_taken = block.has_solution != 0 && work_->submit(block.solution);
    std::uint32_t height = 0;
    (void)sv2_coinbase_height(block.coinbase_tx, &height);
    solutions_.found(as_solution(block), height);
    ledger_.block_found(block);
    const std::string hash = sv2::to_string(block.share.hash);
    host::log_info("block " + hash + " found for height " + std::to_string(height) + " by " +
                   word_of(ledger_.user_of(block.share.connection, block.share.channel_id)) + " of miner " +
                   std::to_string(block.share.connection));
    if (!is_taken) {
        host::log_error("block " + hash + " cannot be handed to a template provider: none knows its template any more. Its "
                                          "header and coinbase are in sv2_solutions");
    }
    if (submitted_.size() == most_submitted) submitted_.erase(submitted_.begin());
    submitted_.push_back({block.share.hash, height, steady_clock::now()});
}

void Pool::tip_changed(const sv2_set_new_prev_hash_template& tip) {
    // Miners first.
    const sv2::Status status = engine_.set_new_prev_hash(tip, sv2::now());
    if (!status.ok()) host::log_error(std::string{"a tip is of no use: "} + engine_.error());
    loop_.drain();
    const auto ours = std::ranges::find_if(submitted_, [&](const Submitted& of) {
        return std::ranges::equal(of.block_hash.bytes, tip.prev_hash.bytes);
    });
    if (ours != submitted_.end()) {
        host::log_info("block " + sv2::to_string(ours->block_hash) + " accepted at height " + std::to_string(ours->height));
        solutions_.accepted(ours->block_hash);
        submitted_.erase(ours);
    } else {
        host::log_info("new tip " + sv2::to_string(tip.prev_hash));
    }
    if (ending_) look_at_the_end();
}

// ---------------------------------------------------------------------------------------------------------------- signals

// Begins the logs anew, for whoever rotates them, and shows a certificate that is made with the keys as they are on the disk.
void Pool::renew_on_signal() {
    hangups_.async_wait([this](asio::error_code error, int) {
        if (error) return;
        host::reopen_log();
        if (share_log_) share_log_->reopen();
        if (!settings_.plaintext) {
            std::string why, notice;
            if (auto keys = host::Keys::open(settings_.directory, why, notice)) {
                keys_ = *std::move(keys);
                renewal_.renew();
            } else {
                host::log_error(why + " The keys stay as they were.");
            }
            if (!notice.empty()) host::log_warning(notice);
        }
        renew_on_signal();
    });
}

// Miners are told to come back, and have some seconds in which what they find still counts; a second signal does not wait.
void Pool::shut_down_on_signal() {
    signals_.async_wait([this](asio::error_code error, int) {
        if (error) return;
        if (ending_) return context_.stop();
        begin_to_end();
        shut_down_on_signal();
    });
}

void Pool::begin_to_end() {
    host::log_info("shutting down: miners are told to connect again");
    ending_ = true;
    end_at_ = steady_clock::now() + patience_at_end;
    miners_.stop_listening();
    (void)engine_.reconnect("", 0, sv2::now());
    loop_.drain();
    look_at_the_end();
}

void Pool::look_at_the_end() {
    const bool is_block_pending = work_->pending_solutions() > 0;
    if ((miners_.clients() == 0 && !is_block_pending) || steady_clock::now() >= end_at_) {
        if (is_block_pending) host::log_warning("a block was not seen accepted before the end");
        return context_.stop();
    }
    end_.expires_after(std::chrono::milliseconds{100});
    end_.async_wait([this](asio::error_code error) {
        if (!error) look_at_the_end();
    });
}
