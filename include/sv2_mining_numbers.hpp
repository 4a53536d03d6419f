// libsv2 for C++20, the numbers of mining: part of sv2.hpp, which includes it.

#ifndef SV2_MINING_NUMBERS_HPP
#define SV2_MINING_NUMBERS_HPP

#include "sv2.hpp"

namespace sv2 {

// ---------------------------------------------------------------------------------------------------- numbers of mining

/// The target at which a miner of so many hashes per second finds `shares_per_minute` on average.
[[nodiscard]] inline Result<sv2_u256> target_from_hashrate(double hashes_per_second, double shares_per_minute) noexcept {
    sv2_u256 target;
    const Status status = sv2_target_from_hashrate(hashes_per_second, shares_per_minute, &target);
    return status.ok() ? Result{target} : status;
}

/// The hashes per second of a miner that finds `shares_per_minute` at a target.
[[nodiscard]] inline Result<double> hashrate(const sv2_u256& target, double shares_per_minute) noexcept {
    double hashes_per_second = 0;
    const Status status = sv2_target_hashrate(&target, shares_per_minute, &hashes_per_second);
    return status.ok() ? Result{hashes_per_second} : status;
}

/// The part of the search space that belongs to one channel.
struct ExtranoncePrefix : sv2_extranonce_prefix {
    /// The extranonce_prefix of an extended channel.
    [[nodiscard]] Bytes extended() const& noexcept SV2_LIFETIMEBOUND { return {bytes, prefix_len}; }
    Bytes extended() const&& = delete;

    /// That of a standard channel: the full extranonce, whose rollable part is zero.
    [[nodiscard]] Bytes standard() const& noexcept SV2_LIFETIMEBOUND { return {bytes, full_len}; }
    Bytes standard() const&& = delete;

    /// How many bytes the miner of an extended channel rolls.
    [[nodiscard]] std::uint16_t extranonce_size() const noexcept {
        return static_cast<std::uint16_t>(full_len - prefix_len);
    }
};

/// Gives each channel a part of the search space of its own; sv2_extranonce_allocator in sv2.h says how.
class ExtranonceAllocator : public Handle<sv2_extranonce_allocator, sv2_extranonce_allocator_free> {
public:
    /// The lengths and fixed parts of all extranonces. The bytes are copied.
    [[nodiscard]] static Result<ExtranonceAllocator> create(const sv2_extranonce_layout& layout) noexcept {
        return make<ExtranonceAllocator>(
            [&](sv2_extranonce_allocator** out) { return sv2_extranonce_allocator_new(&layout, out); });
    }
    explicit ExtranonceAllocator(sv2_extranonce_allocator* owned) noexcept : Handle{owned} {}

    /// A prefix that no other channel has; SV2_ERROR_TOO_MANY if there is none left.
    [[nodiscard]] Result<ExtranoncePrefix> allocate() & noexcept {
        ExtranoncePrefix prefix{};
        const Status status = sv2_extranonce_allocator_allocate(get(), &prefix);
        return status.ok() ? Result{prefix} : status;
    }

    /// The present prefix of an index that is in use; SV2_NOT_FOUND if it is not.
    [[nodiscard]] Result<ExtranoncePrefix> prefix(std::uint32_t index) const noexcept {
        ExtranoncePrefix prefix{};
        const Status status = sv2_extranonce_allocator_prefix(get(), index, &prefix);
        return status.ok() ? Result{prefix} : status;
    }

    /// The channel was closed in `epoch`: its index may be given away again after `reclaim` of a later one.
    Status release(std::uint32_t index, std::uint64_t epoch) & noexcept {
        return sv2_extranonce_allocator_release(get(), index, epoch);
    }

    /// There are no jobs any more of the epochs before this one.
    Status reclaim(std::uint64_t oldest_live_epoch) & noexcept {
        return sv2_extranonce_allocator_reclaim(get(), oldest_live_epoch);
    }

    /// The server upstream prescribes another prefix: `prefix` gives each channel its new one.
    Status set_upstream_prefix(Bytes upstream_prefix) & noexcept {
        return sv2_extranonce_allocator_set_upstream_prefix(get(), {upstream_prefix.data(), upstream_prefix.size()});
    }

    /// Changes the server id.
    Status set_server_id(Bytes server_id) & noexcept {
        return sv2_extranonce_allocator_set_server_id(get(), {server_id.data(), server_id.size()});
    }

    /// How many indices are in use, and in quarantine.
    [[nodiscard]] std::size_t used() const noexcept { return sv2_extranonce_allocator_used(get()); }
    [[nodiscard]] std::size_t quarantined() const noexcept { return sv2_extranonce_allocator_quarantined(get()); }
};

/// Options of a vardiff, with everything as usual; sv2.h says what they are.
[[nodiscard]] inline sv2_vardiff_options vardiff_options() noexcept { return SV2_VARDIFF_OPTIONS_INIT; }

/// Finds out how fast one channel really mines; sv2_vardiff in sv2.h says how it is used.
class Vardiff : public Handle<sv2_vardiff, sv2_vardiff_free> {
public:
    /// For a channel whose target is made from `hashrate`, in hashes per second.
    [[nodiscard]] static Result<Vardiff> create(double hashrate, sv2_time now,
                                                sv2_vardiff_options options = vardiff_options()) noexcept {
        return make<Vardiff>([&](sv2_vardiff** out) { return sv2_vardiff_new(&options, hashrate, now, out); });
    }
    explicit Vardiff(sv2_vardiff* owned) noexcept : Handle{owned} {}

    /// A share of so many hashes, the sv2_target_work of its job's target, was accepted.
    Status share(double work, sv2_time now) & noexcept { return sv2_vardiff_share(get(), work, now); }

    /// The hashrate to make the next target from, if it should change now. Of the active job's target: sv2_target_work.
    [[nodiscard]] std::optional<double> decide(double target_work, sv2_time now) & noexcept {
        double hashrate = 0;
        const Status status = sv2_vardiff_decide(get(), target_work, now, &hashrate);
        return status.ok() ? std::optional{hashrate} : std::nullopt;
    }

    /// The client says that its hashrate is another one.
    Status restart(double hashrate, sv2_time now) & noexcept { return sv2_vardiff_restart(get(), hashrate, now); }

    /// What the target was last made from, or is to be made from; and the best estimate, for a display.
    [[nodiscard]] double hashrate() const noexcept { return sv2_vardiff_hashrate(get()); }
    [[nodiscard]] double estimate(sv2_time now) const noexcept { return sv2_vardiff_estimate(get(), now); }
};

/// Options of an account, with everything as usual; sv2.h says what they are.
[[nodiscard]] inline sv2_accounting_options accounting_options() noexcept { return SV2_ACCOUNTING_OPTIONS_INIT; }

/// What one channel has earned, and when to acknowledge it; sv2_accounting in sv2.h says more.
class Accounting : public Handle<sv2_accounting, sv2_accounting_free> {
public:
    [[nodiscard]] static Result<Accounting> create(sv2_accounting_options options = accounting_options()) noexcept {
        return make<Accounting>([&](sv2_accounting** out) { return sv2_accounting_new(&options, out); });
    }
    explicit Accounting(sv2_accounting* owned) noexcept : Handle{owned} {}

    /// A share was accepted, with the difficulty of its job's target.
    Status accept(std::uint32_t sequence_number, double difficulty, const sv2_u256& hash, sv2_time now) & noexcept {
        return sv2_accounting_accept(get(), sequence_number, difficulty, &hash, now);
    }

    /// A share was rejected.
    Status reject(sv2_share_error error) & noexcept { return sv2_accounting_reject(get(), error); }

    /// What is to be acknowledged now, if anything; set its channel_id.
    [[nodiscard]] std::optional<sv2_submit_shares_success> due(sv2_time now) & noexcept {
        sv2_submit_shares_success message;
        const Status status = sv2_accounting_due(get(), now, &message);
        return status.ok() ? std::optional{message} : std::nullopt;
    }

    /// What is not acknowledged yet, if anything: after a block, and before the channel closes.
    [[nodiscard]] std::optional<sv2_submit_shares_success> flush() & noexcept {
        sv2_submit_shares_success message;
        const Status status = sv2_accounting_flush(get(), &message);
        return status.ok() ? std::optional{message} : std::nullopt;
    }

    /// When `due` is to be asked again, if the times given were those of `now()` or `to_time`; none if nothing waits.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept {
        return to_deadline(sv2_accounting_deadline(get()));
    }

    /// The sums since the channel was opened.
    [[nodiscard]] Result<sv2_share_totals> totals() const noexcept {
        sv2_share_totals totals;
        const Status status = sv2_accounting_totals(get(), &totals);
        return status.ok() ? Result{totals} : status;
    }
};

}  // namespace sv2

#endif  // SV2_MINING_NUMBERS_HPP
