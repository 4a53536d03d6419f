#include "ledger.hpp"

#include "host/metrics.hpp"

double Ledger::hash_rate_of(const sv2_u256& target) const {
    constexpr double hashes_of_difficulty_1 = 4294967296.0 * 65536 / 65535;  // 2^256 / (0xffff * 2^208)
    return sv2_target_difficulty(&target) * hashes_of_difficulty_1 * shares_per_minute_ / 60;
}

const Ledger::Channel* Ledger::find(std::uint64_t connection, std::uint32_t channel_id) const {
    const auto found = channels_.find({connection, channel_id});
    return found == channels_.end() ? nullptr : &found->second;
}

void Ledger::opened(const sv2_channel_opened& channel) {
    Channel& of = channels_[{channel.connection, channel.channel_id}];
    of.user_identity = sv2::text(channel.user_identity);
    of.kind = channel.kind;
    of.hash_rate = hash_rate_of(channel.target);
}

void Ledger::updated(const sv2_channel_updated& channel) {
    if (const auto found = channels_.find({channel.connection, channel.channel_id}); found != channels_.end()) {
        found->second.hash_rate = hash_rate_of(channel.target);
    }
}

void Ledger::closed(const sv2_channel_closed& channel) { channels_.erase({channel.connection, channel.channel_id}); }

std::string_view Ledger::accepted(const sv2_accepted_share& share) {
    ++accepted_;
    const auto found = channels_.find({share.connection, share.channel_id});
    if (found == channels_.end()) return {};
    ++found->second.accepted;
    return found->second.user_identity;
}

std::string_view Ledger::rejected(const sv2_rejected_share& share) {
    ++rejected_;
    const auto found = channels_.find({share.connection, share.channel_id});
    if (found == channels_.end()) return {};
    ++found->second.rejected[sv2::text(share.error_code)];
    return found->second.user_identity;
}

std::string_view Ledger::user_of(std::uint64_t connection, std::uint32_t channel_id) const {
    const Channel* const channel = find(connection, channel_id);
    return channel ? std::string_view{channel->user_identity} : std::string_view{};
}

void Ledger::block_found(const sv2_found_block& block) {
    ++blocks_;
    const auto found = channels_.find({block.share.connection, block.share.channel_id});
    if (found != channels_.end()) ++found->second.blocks;
}

double Ledger::hash_rate() const {
    double sum = 0;
    for (const auto& [key, channel] : channels_) sum += channel.hash_rate;
    return sum;
}

std::string Ledger::metrics(std::size_t clients) const {
    host::MetricsText text;
    const std::chrono::duration<double> uptime = std::chrono::steady_clock::now() - since_;
    text.family("sv2_uptime_seconds", "gauge", "Time since the start, in seconds").sample(uptime.count());
    text.family("sv2_clients_total", "gauge", "Connections of miners").sample(std::uint64_t{clients});
    std::uint64_t standard = 0;
    for (const auto& [key, channel] : channels_) standard += channel.kind == SV2_CHANNEL_STANDARD;
    text.family("sv2_client_channels", "gauge", "Open channels by kind")
        .sample(std::uint64_t{channels_.size() - standard}, {{"channel_type", "extended"}})
        .sample(standard, {{"channel_type", "standard"}});
    text.family("sv2_client_hashrate_total", "gauge", "Hashes per second of all open channels").sample(hash_rate());
    text.family("sv2_client_blocks_found_total", "counter", "Blocks that were found since the start").sample(blocks_);
    text.family("sv2_pool_shares_accepted_total", "counter", "Accepted shares since the start, of all channels there were")
        .sample(accepted_);
    text.family("sv2_pool_shares_rejected_total", "counter", "Rejected shares since the start, of all channels there were")
        .sample(rejected_);

    // A sample for each open channel. What a family has stands together, so each is a walk of its own.
    const auto each = [&](auto sample) {
        for (const auto& [key, channel] : channels_) {
            sample(std::to_string(key.connection), std::to_string(key.channel_id), channel);
        }
    };
    text.family("sv2_client_channel_hashrate", "gauge", "Hashes per second of a channel, by its target");
    each([&](const std::string& client, const std::string& id, const Channel& of) {
        text.sample(of.hash_rate, {{"client_id", client}, {"channel_id", id}, {"user_identity", of.user_identity}});
    });
    text.family("sv2_client_shares_accepted_total", "counter", "Accepted shares of a channel");
    each([&](const std::string& client, const std::string& id, const Channel& of) {
        text.sample(of.accepted, {{"client_id", client}, {"channel_id", id}, {"user_identity", of.user_identity}});
    });
    text.family("sv2_client_shares_rejected_total", "counter", "Rejected shares of a channel by reason");
    each([&](const std::string& client, const std::string& id, const Channel& of) {
        for (const auto& [code, count] : of.rejected) {
            text.sample(count, {{"client_id", client},
                                {"channel_id", id},
                                {"user_identity", of.user_identity},
                                {"error_code", code}});
        }
    });
    return text.text();
}
