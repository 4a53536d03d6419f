#include "sv2-miner/miner.hpp"

#include <cstring>
#include <utility>
#include <variant>

namespace {

// The easiest target: the pool decides.
constexpr sv2_u256 any_target = [] {
    sv2_u256 target{};
    for (std::uint8_t& byte : target.bytes) byte = 0xff;
    return target;
}();

constexpr std::uint16_t min_extranonce_size = 4;

std::string escaped(sv2_str from_the_pool) {
    std::string text;
    for (const char c : sv2::text(from_the_pool)) text += c >= ' ' && c <= '~' ? c : '?';
    return text;
}

host::EngineClientOptions socket_options(const Settings& settings, const std::function<void(const std::string&)>& failed) {
    host::EngineClientOptions options;
    options.addresses = {settings.pool.at};
    options.server = "the pool";
    options.on_failure = failed;
    return options;
}

}  // namespace

sv2::Result<sv2::MiningClient> make_engine(const Settings& settings) {
    sv2_mining_client_options options = sv2::mining_client_options();
    // What a device does: jobs come with their merkle root, and little memory is needed for them.
    options.device = settings.extended ? 0 : 1;
    options.max_channels = 1;
    options.endpoint_host = sv2::str(settings.pool.at.host);
    options.endpoint_port = settings.pool.at.port;
    options.vendor = sv2::str("libsv2");
    options.firmware = sv2::str("sv2-miner " SV2_VERSION);
    options.log.write = host::log_of_engine;
    if (settings.plaintext) return sv2::MiningClient::plaintext(options);
    if (!settings.pool.authority) return sv2::MiningClient::unauthenticated(options);
    return sv2::MiningClient::create(*settings.pool.authority, options);
}

Miner::Miner(asio::io_context& context, const Settings& settings, float nominal_hashrate, std::size_t number,
             Hasher& hasher, Tally& tally, Hooks hooks, sv2::MiningClient engine)
    : settings_(settings), nominal_hashrate_(nominal_hashrate), number_(number), hasher_(hasher), tally_(tally),
      hooks_(std::move(hooks)), engine_(std::move(engine)),
      loop_(context, engine_,
            {.handle = [this](const auto& event) { handle(event); },
             .failed = [this] { give_up("an error in the library"); }}),
      sockets_(context, engine_, [this] { loop_.drain(); }, socket_options(settings, [this](const std::string& why) {
          idle();
          hooks_.failed(why);
      })) {}

void Miner::stop() {
    idle();
    if (channel_ && engine_.is_ready()) {
        (void)engine_.close_channel(*channel_, "the miner stops", sv2::now());
        loop_.drain();
    }
    sockets_.stop();
}

void Miner::submit(const FoundShare& found) {
    if (channel_ != found.channel_id) return;
    const sv2_mining_client_share share{found.job_id,       found.nonce, found.ntime, found.version,
                                        sv2::bytes(found.extranonce), {nullptr, 0}};
    const auto sequence_number = engine_.submit(found.channel_id, share, sv2::now());
    // A job of a tip that has just gone is no news.
    if (!sequence_number && sequence_number.status() != SV2_NOT_FOUND) {
        host::log_warning(name() + "a share was not sent: " + engine_.error());
    }
    loop_.drain();
}

void Miner::handle(const Engine::Event& event) {
    std::visit([this](const auto& of) { on(of); }, event);
}

void Miner::on(const Engine::Ready&) {
    const auto now = sv2::now();
    const auto asked =
        settings_.extended ? engine_.open_extended(settings_.user, nominal_hashrate_, any_target, min_extranonce_size, now)
                           : engine_.open_standard(settings_.user, nominal_hashrate_, any_target, now);
    if (!asked) give_up(std::string{"no channel can be opened: "} + engine_.error());
}

void Miner::on(const Engine::ChannelOpened& opened) {
    channel_ = opened.channel_id;
    const auto channel = engine_.channel(opened.channel_id);
    if (!channel) return;
    host::log_debug(name() + "channel " + std::to_string(opened.channel_id) + ", difficulty " +
                    std::to_string(sv2_target_difficulty(&channel->target)));
}

void Miner::on(const Engine::OpenRefused& refused) {
    give_up("the pool opens no channel for user '" + settings_.user + "': " + escaped(refused.error_code));
}

void Miner::on(const Engine::NewJob& job) {
    ++tally_.jobs;
    tally_.tips += job.clean ? 1 : 0;
    const auto channel = engine_.channel(job.channel_id);
    const auto details = engine_.job(job.channel_id, job.job_id);
    if (!channel || !details) return;
    if (job.clean) host::log_debug(name() + "new tip " + sv2::to_string(details->prev_hash));
    // Each job has another extranonce, so that nothing is searched twice.
    ++extranonce_;
    std::vector<std::uint8_t> extranonce(channel->extranonce_size);
    std::memcpy(extranonce.data(), &extranonce_, std::min(extranonce.size(), sizeof extranonce_));
    const auto header = engine_.header(job.channel_id, job.job_id, extranonce);
    if (!header) return;
    hasher_.set_work(number_, Work{job.channel_id, job.job_id, std::move(extranonce), *header, details->target});
    if (!std::exchange(mining_, true)) {
        ++tally_.mining;
        sockets_.works();
        hooks_.works((settings_.plaintext                 ? "NOT ENCRYPTED"
                      : engine_.is_authenticated() ? "encrypted, and the pool is who it should be"
                                                   : "encrypted, but nobody knows who the pool is") +
                     std::string{"; "} + (settings_.extended ? "extended" : "standard") + " channel " +
                     std::to_string(job.channel_id) + ", difficulty " +
                     std::to_string(sv2_target_difficulty(&details->target)));
    }
    hooks_.counted();
}

void Miner::on(const Engine::TipWithoutJob&) { hasher_.set_work(number_, std::nullopt); }

void Miner::on(const Engine::SharesAccepted& accepted) {
    tally_.accepted += accepted.count;
    tally_.difficulty += accepted.difficulty_sum;
    hooks_.counted();
}

void Miner::on(const Engine::ShareRejected& rejected) {
    ++tally_.rejected;
    host::log_warning(name() + "the pool refuses share " + std::to_string(rejected.sequence_number) + ": " +
                      escaped(rejected.error_code));
    hooks_.counted();
}

void Miner::on(const Engine::ChannelClosed& closed) {
    give_up("the pool closed the channel: " + escaped(closed.reason_code));
}

void Miner::on(const Engine::Reconnect& elsewhere) {
    host::HostPort at = sockets_.address();
    if (elsewhere.host.len > 0) at.host = escaped(elsewhere.host);
    if (elsewhere.port != 0) at.port = elsewhere.port;
    host::log_info(name() + "the pool sends this miner to " + at.text());
    idle();
    sockets_.move_to({at});
}

void Miner::on(const Engine::Close& close) {
    idle();
    std::string why = close.reason;
    if (why.find("not signed by the expected authority") != std::string::npos) why = "the pool's key does not match: " + why;
    sockets_.close(why, close.may_retry);
}

// There is nothing to mine on.
void Miner::idle() {
    hasher_.set_work(number_, std::nullopt);
    if (std::exchange(mining_, false)) --tally_.mining;
}

void Miner::give_up(const std::string& why) {
    idle();
    sockets_.close(why, false);
}

std::string Miner::name() const {
    return settings_.connections == 1 ? std::string{} : "miner " + std::to_string(number_) + ": ";
}
