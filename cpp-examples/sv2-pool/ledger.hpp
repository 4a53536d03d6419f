// What is known of the channels that are open, and what all that ever were have come to: for the share log and the figures.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include <sv2.hpp>

class Ledger {
public:
    // What one channel has done.
    struct Channel {
        std::string user_identity;
        std::uint32_t kind = SV2_CHANNEL_EXTENDED;
        double hash_rate = 0;  // what its target is made for, in hashes per second
        std::uint64_t accepted = 0;
        std::uint64_t blocks = 0;
        std::unordered_map<std::string_view, std::uint64_t> rejected;  // by error code, which lives as long as the program
    };

    explicit Ledger(double shares_per_minute) : shares_per_minute_(shares_per_minute) {}

    void opened(const sv2_channel_opened& channel);
    void updated(const sv2_channel_updated& channel);
    void closed(const sv2_channel_closed& channel);
    // Each says whose channel it is; empty if there is none.
    std::string_view accepted(const sv2_accepted_share& share);
    std::string_view rejected(const sv2_rejected_share& share);
    std::string_view user_of(std::uint64_t connection, std::uint32_t channel_id) const;
    void block_found(const sv2_found_block& block);

    // Since the start, whoever is still there.
    std::uint64_t accepted_shares() const { return accepted_; }
    std::uint64_t rejected_shares() const { return rejected_; }
    std::uint64_t blocks() const { return blocks_; }
    std::size_t channels() const { return channels_.size(); }
    double hash_rate() const;

    // Figures for Prometheus, under the names that SRI's applications have.
    std::string metrics(std::size_t clients) const;

private:
    struct Key {
        std::uint64_t connection;
        std::uint32_t channel_id;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Hash {
        std::size_t operator()(const Key& key) const noexcept {
            return std::hash<std::uint64_t>{}(key.connection * 0x9e3779b97f4a7c15 ^ key.channel_id);
        }
    };

    double hash_rate_of(const sv2_u256& target) const;
    const Channel* find(std::uint64_t connection, std::uint32_t channel_id) const;

    const double shares_per_minute_;
    const std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
    std::unordered_map<Key, Channel, Hash> channels_;
    std::uint64_t accepted_ = 0, rejected_ = 0, blocks_ = 0;
};
